# frozen_string_literal: true

# Migrations that the previous release cannot live with run last, when it is gone from every host.
unless ENV['SKIP_POST_DEPLOYMENT_MIGRATIONS']
  path = Rails.root.join('db', 'post_migrate').to_s
  Rails.application.config.paths['db/migrate'] << path
  ActiveRecord::Migrator.migrations_paths << path
end

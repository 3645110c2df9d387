# frozen_string_literal: true

namespace :db do
  task pre_migration_check: :environment do
    version = ActiveRecord::Base.connection.select_value('SHOW server_version_num').to_i
    abort 'This version of Mastodon requires PostgreSQL 13 or newer' if version < 130_000
  end

  Rake::Task['db:migrate'].enhance(['db:pre_migration_check'])
end

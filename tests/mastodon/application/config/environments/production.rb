# frozen_string_literal: true

Rails.application.configure do
  config.cache_classes = true
  config.eager_load = true
  config.consider_all_requests_local = false
  config.public_file_server.enabled = ENV['RAILS_SERVE_STATIC_FILES'] == 'true'
  config.public_file_server.headers = { 'Cache-Control' => 'public, max-age=2419200, must-revalidate' }
  config.logger = ActiveSupport::Logger.new($stdout)
  config.log_level = ENV.fetch('RAILS_LOG_LEVEL', 'warn')
  config.i18n.fallbacks = true
  config.active_support.report_deprecations = false
  config.active_record.dump_schema_after_migration = false
end

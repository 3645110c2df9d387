# frozen_string_literal: true

require_relative 'boot'

require 'rails'
require 'active_record/railtie'
require 'action_controller/railtie'
require 'action_view/railtie'
Bundler.require(*Rails.groups)

require_relative '../lib/dotenv'
require_relative '../lib/mastodon/required_environment'
require_relative '../lib/mastodon/redis_configuration'
require_relative '../lib/mastodon/version'

Dotenv.load(File.expand_path("../.env.#{Rails.env}", __dir__))
Mastodon::RequiredEnvironment.check!

module Mastodon
  class Application < Rails::Application
    config.load_defaults Rails::VERSION::STRING.to_f
    config.api_only = true # the page needs no session

    config.x.local_domain = ENV.fetch('LOCAL_DOMAIN', 'localhost')
    config.x.web_domain = ENV.fetch('WEB_DOMAIN', config.x.local_domain)

    # DNS rebinding protection; the load balancer's check knows no host name.
    config.hosts.concat [config.x.local_domain, config.x.web_domain, *ENV.fetch('ALTERNATE_DOMAINS', '').split(/\s*,\s*/)]
    config.host_authorization = { exclude: ->(request) { request.path == '/health' } }

    config.cache_store = :redis_cache_store, RedisConfiguration.for('CACHE_').merge(namespace: 'cache')
    config.filter_parameters += %i(password token secret status)
  end
end

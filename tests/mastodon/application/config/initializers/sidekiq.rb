# frozen_string_literal: true

Sidekiq.logger.level = Logger.const_get(Rails.configuration.log_level.upcase)

redis = Mastodon::RedisConfiguration.for('SIDEKIQ_')
Sidekiq.configure_client { |config| config.redis = redis }

Sidekiq.configure_server do |config|
  config.redis = redis

  # As in Mastodon, whoever consumes the queue `scheduler` also fills it: two such processes run everything twice.
  config.on(:startup) do
    queues = config.respond_to?(:queues) ? config.queues : config.options[:queues]
    Scheduler::HeartbeatScheduler.keep_enqueuing if queues.include?('scheduler')
  end
end

# frozen_string_literal: true

# For publishing; Sidekiq keeps its own.
module RedisConnection
  Redis.silence_deprecations = true if Redis.respond_to?(:silence_deprecations=)

  POOL = ConnectionPool.new(size: Integer(ENV['DB_POOL'] || ENV['MAX_THREADS'] || 5), timeout: 5) do
    Redis.new(**Mastodon::RedisConfiguration.for)
  end

  def self.publish(channel, message)
    POOL.with { |redis| redis.publish(channel, message) }
  end
end

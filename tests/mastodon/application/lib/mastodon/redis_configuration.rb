# frozen_string_literal: true

module Mastodon
  module RedisConfiguration
    # prefix: SIDEKIQ_ or CACHE_; what is not given for them is as for everything else.
    def self.for(prefix = '')
      return self.for if prefix != '' && !ENV["#{prefix}REDIS_URL"] && !ENV["#{prefix}REDIS_HOST"]

      value = ->(name, default = nil) { ENV["#{prefix}REDIS_#{name}"].presence || default }
      url = value['URL', "redis://#{value['HOST', 'localhost']}:#{value['PORT', 6379]}/#{value['DB', 0]}"]
      { url: url, username: value['USER'], password: value['PASSWORD'] }.compact
    end
  end
end

# frozen_string_literal: true

module Mastodon
  module RequiredEnvironment
    NAMES = %w(
      LOCAL_DOMAIN
      SECRET_KEY_BASE
      VAPID_PRIVATE_KEY
      VAPID_PUBLIC_KEY
      ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY
      ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY
      ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT
    ).freeze

    def self.check!
      # Assets can be built where no secret is.
      return ENV['SECRET_KEY_BASE'] ||= 'dummy' if ENV['SECRET_KEY_BASE_DUMMY']

      missing = NAMES.select { |name| ENV[name].to_s.empty? }
      abort "Mastodon cannot start without these environment variables: #{missing.join(', ')}" if missing.any?
    end
  end
end

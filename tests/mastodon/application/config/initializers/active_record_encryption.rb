# frozen_string_literal: true

# Rails has it from version 7; nothing here is encrypted, the keys are only held.
if Rails::VERSION::MAJOR >= 7
  Rails.application.config.active_record.encryption.tap do |encryption|
    encryption.primary_key = ENV.fetch('ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY', nil)
    encryption.deterministic_key = ENV.fetch('ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY', nil)
    encryption.key_derivation_salt = ENV.fetch('ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT', nil)
  end
end

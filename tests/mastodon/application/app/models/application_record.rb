# frozen_string_literal: true

class ApplicationRecord < ActiveRecord::Base
  self.abstract_class = true

  REPLICA = configurations.configs_for(env_name: Rails.env, name: 'read', **Rails::VERSION::MAJOR < 7 ? { include_replicas: true } : { include_hidden: true })
  connects_to database: REPLICA ? { writing: :primary, reading: :read } : { writing: :primary }

  # Nothing here knows how far a replica lags: what was written a moment ago may not be in it yet.
  def self.with_read_replica(&block)
    REPLICA ? connected_to(role: :reading, prevent_writes: true, &block) : yield
  end
end

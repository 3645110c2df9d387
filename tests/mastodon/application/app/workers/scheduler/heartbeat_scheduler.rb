# frozen_string_literal: true

class Scheduler::HeartbeatScheduler
  include Sidekiq::Worker
  sidekiq_options queue: 'scheduler', retry: 0

  INTERVAL = 30

  def self.keep_enqueuing
    process = "#{Socket.gethostname}:#{Process.pid}"
    Thread.new do
      loop do
        perform_async(process)
      rescue StandardError => e
        Sidekiq.logger.warn("#{name}: #{e.message}")
      ensure
        sleep INTERVAL
      end
    end
  end

  def perform(process)
    SchedulerHeartbeat.upsert({ process: process, beat_at: Time.current }, unique_by: :process)
    SchedulerHeartbeat.where(beat_at: ..1.hour.ago).delete_all
  end
end

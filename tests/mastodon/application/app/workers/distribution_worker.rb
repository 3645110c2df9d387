# frozen_string_literal: true

class DistributionWorker
  include Sidekiq::Worker

  def perform(status_id)
    status = Status.includes(:media_attachments).find_by(id: status_id)
    return unless status

    RedisConnection.publish('timeline:public', { event: 'update', payload: status }.to_json)
    ActivityPub::DeliveryWorker.perform_async(status_id)
  end
end

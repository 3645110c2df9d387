# frozen_string_literal: true

# There is no other server to deliver to: that the job ran is all that it leaves.
class ActivityPub::DeliveryWorker
  include Sidekiq::Worker
  sidekiq_options queue: 'push', retry: 8

  def perform(status_id)
    Status.where(id: status_id).update_all(delivered_at: Time.current)
  end
end

# frozen_string_literal: true

class Api::StatusesController < Api::BaseController
  def create
    status = Status.new(text: params[:status].to_s)
    ids = Array(params[:media_ids]).first(4)
    # Assigned even when there are none, so that nothing is read again for the answer.
    status.media_attachments = ids.any? ? MediaAttachment.where(id: ids, status_id: nil) : []
    status.save!
    DistributionWorker.perform_async(status.id)
    render json: status
  end

  def show
    render json: with_read_replica { Status.newest.find(params[:id]).as_json }
  end
end

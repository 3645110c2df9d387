# frozen_string_literal: true

class Api::TimelinesController < Api::BaseController
  def public_timeline
    limit = params.fetch(:limit, 20).to_i.clamp(1, 40)
    render json: with_read_replica { Status.newest.limit(limit).map(&:as_json) }
  end
end

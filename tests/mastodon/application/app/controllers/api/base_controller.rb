# frozen_string_literal: true

# Any token will do, none too: who may post is not what is tested here.
class Api::BaseController < ActionController::API
  rescue_from ActiveRecord::RecordNotFound do
    render json: { error: 'Record not found' }, status: :not_found
  end

  rescue_from ActiveRecord::RecordInvalid do |e|
    render json: { error: e.message }, status: :unprocessable_entity
  end

  rescue_from ActionController::ParameterMissing do |e|
    render json: { error: e.message.lines.first.chomp }, status: :bad_request
  end

  rescue_from ObjectStorage::Error do |e|
    logger.error("Object storage: #{e.message}")
    render json: { error: 'The object storage does not answer as it should' }, status: :service_unavailable
  end

  private

  def with_read_replica(&block)
    ApplicationRecord.with_read_replica(&block)
  end
end

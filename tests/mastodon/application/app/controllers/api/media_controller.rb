# frozen_string_literal: true

class Api::MediaController < Api::BaseController
  def create
    render json: MediaAttachment.create_from_upload!(params.require(:file), params[:description])
  end
end

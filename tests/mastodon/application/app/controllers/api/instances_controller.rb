# frozen_string_literal: true

class Api::InstancesController < Api::BaseController
  def show
    domain = Rails.configuration.x.local_domain
    streaming = ENV.fetch('STREAMING_API_BASE_URL', "wss://#{Rails.configuration.x.web_domain}")
    render json: {
      domain: domain, title: domain, version: Mastodon::Version.to_s,
      configuration: { urls: { streaming: streaming }, statuses: { max_characters: Status::CHARACTERS } },
    }
  end
end

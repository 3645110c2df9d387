# frozen_string_literal: true

# Static on purpose, as Mastodon's: it says that this process answers, nothing about database or Redis.
class HealthController < ActionController::Metal
  def show
    self.content_type = 'text/plain; charset=utf-8'
    self.response_body = 'OK'
  end
end

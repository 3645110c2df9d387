# frozen_string_literal: true

class Status < ApplicationRecord
  CHARACTERS = 500

  # Dropped by this release's post-deployment migration; the previous release still writes it until then.
  self.ignored_columns = %w(application_name)

  has_many :media_attachments
  validates :text, length: { maximum: CHARACTERS }
  validates :text, presence: true, unless: -> { media_attachments.any? }

  before_create { self.language = 'en' }

  scope :newest, -> { includes(:media_attachments).order(id: :desc) }

  def as_json(*)
    host = Rails.configuration.x.web_domain
    {
      id: id.to_s,
      created_at: created_at.iso8601(3),
      visibility: 'public',
      uri: "https://#{host}/api/v1/statuses/#{id}",
      url: "https://#{host}/api/v1/statuses/#{id}",
      content: "<p>#{ERB::Util.html_escape(text)}</p>",
      text: text,
      language: language,
      account: { id: '1', username: 'friend', acct: 'friend', display_name: 'A friend' },
      media_attachments: media_attachments.map(&:as_json),
    }
  end
end

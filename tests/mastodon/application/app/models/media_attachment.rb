# frozen_string_literal: true

class MediaAttachment < ApplicationRecord
  EXTENSIONS = {
    'image/jpeg' => 'jpg', 'image/png' => 'png', 'image/gif' => 'gif', 'image/webp' => 'webp',
    'video/mp4' => 'mp4', 'video/webm' => 'webm', 'audio/mpeg' => 'mp3', 'audio/ogg' => 'ogg',
  }.freeze

  belongs_to :status, optional: true
  validates :file_content_type, inclusion: { in: EXTENSIONS.keys }

  def self.create_from_upload!(file, description)
    type = file.content_type
    name = "#{SecureRandom.hex(8)}.#{EXTENSIONS[type]}"
    media = create!(file_file_name: name, file_content_type: type, file_file_size: file.size, description: description)
    ObjectStorage.put(media.key, file.read, type)
    media
  rescue ObjectStorage::Error
    media.destroy
    raise
  end

  # media_attachments/files/000/000/042/original/0123456789abcdef.png
  def key
    "media_attachments/files/#{id.to_s.rjust(9, '0').scan(/\d{3}(?=(?:\d{3})*\z)/).join('/')}/original/#{file_file_name}"
  end

  def as_json(*)
    url = ObjectStorage.url(key)
    { id: id.to_s, type: file_content_type.split('/').first, url: url, preview_url: url, description: description }
  end
end

# frozen_string_literal: true

ActiveRecord::Schema.define(version: 2025_10_01_000001) do
  enable_extension 'plpgsql'

  create_table 'statuses' do |t|
    t.text 'text', null: false
    t.string 'language'
    t.datetime 'delivered_at', precision: 6
    t.timestamps precision: 6
  end

  create_table 'media_attachments' do |t|
    t.references 'status', foreign_key: true
    t.string 'file_file_name', null: false
    t.string 'file_content_type', null: false
    t.integer 'file_file_size', null: false
    t.text 'description'
    t.timestamps precision: 6
  end

  create_table 'scheduler_heartbeats' do |t|
    t.string 'process', null: false, index: { unique: true }
    t.datetime 'beat_at', precision: 6, null: false
  end
end

# frozen_string_literal: true

class CreateTables < ActiveRecord::Migration[6.1]
  def change
    create_table :statuses do |t|
      t.text :text, null: false
      t.string :application_name
      t.datetime :delivered_at, precision: 6
      t.timestamps
    end

    create_table :media_attachments do |t|
      t.references :status, foreign_key: true
      t.string :file_file_name, null: false
      t.string :file_content_type, null: false
      t.integer :file_file_size, null: false
      t.text :description
      t.timestamps
    end

    create_table :scheduler_heartbeats do |t|
      t.string :process, null: false, index: { unique: true }
      t.datetime :beat_at, precision: 6, null: false
    end
  end
end

# frozen_string_literal: true

# After the deployment: the previous release fails to post from the moment that this has run.
class RemoveApplicationNameFromStatuses < ActiveRecord::Migration[6.1]
  def change
    remove_column :statuses, :application_name, :string
  end
end

# frozen_string_literal: true

# Before the deployment: the new release cannot do without, the previous one does not see it.
class AddLanguageToStatuses < ActiveRecord::Migration[6.1]
  def change
    add_column :statuses, :language, :string
  end
end

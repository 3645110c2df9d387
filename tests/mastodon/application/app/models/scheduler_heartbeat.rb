# frozen_string_literal: true

# One row for each process that schedules: two fresh rows are one too many.
class SchedulerHeartbeat < ApplicationRecord
end

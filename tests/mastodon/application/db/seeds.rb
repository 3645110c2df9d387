# frozen_string_literal: true

Status.create!(text: "Welcome to #{Rails.configuration.x.local_domain}!") unless Status.exists?

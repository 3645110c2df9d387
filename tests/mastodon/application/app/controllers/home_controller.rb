# frozen_string_literal: true

class HomeController < ApplicationController
  MANIFESTS = {
    'packs' => Rails.public_path.join('packs/.vite/manifest.json'),
    'assets' => Rails.public_path.join('assets/.manifest.json'),
  }.transform_values { |file| file.exist? ? JSON.parse(file.read) : {} }.freeze

  def index; end

  private

  helper_method def built(directory, name)
    "/#{directory}/#{MANIFESTS.fetch(directory).fetch(name) { raise "#{name} is not built: run rails assets:precompile" }}"
  end
end

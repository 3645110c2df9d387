# frozen_string_literal: true

# What Mastodon uses of the gem of this name, which Debian does not package: KEY=value lines, optionally quoted; a
# variable that is already set wins.
module Dotenv
  LINE = /\A\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:'([^']*)'|"([^"]*)"|([^#]*?))\s*(?:#.*)?\z/.freeze

  def self.load(path)
    return unless File.exist?(path)

    File.foreach(path, chomp: true) do |line|
      key, single, double, bare = line.match(LINE)&.captures
      ENV[key] ||= single || double || bare if key
    end
  end
end

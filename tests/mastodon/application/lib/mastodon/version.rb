# frozen_string_literal: true

module Mastodon
  module Version
    module_function

    def major
      4
    end

    def minor
      5
    end

    def patch
      14
    end

    def to_a
      [major, minor, patch]
    end

    def to_s
      to_a.join('.')
    end
  end
end

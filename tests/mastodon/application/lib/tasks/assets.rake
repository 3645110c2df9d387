# frozen_string_literal: true

namespace :assets do
  desc 'Copy the styles to public/assets and the scripts to public/packs under names with a digest, with manifests'
  task precompile: :environment do
    {
      'app/assets' => %w(assets .manifest.json),
      'app/javascript' => %w(packs .vite/manifest.json),
    }.each do |source, (directory, manifest)|
      output = Rails.public_path.join(directory)
      entries = Rails.root.join(source).children.sort.to_h do |file|
        name = "#{file.basename(file.extname)}-#{Digest::SHA256.file(file).hexdigest[0, 10]}#{file.extname}"
        FileUtils.mkdir_p(output)
        FileUtils.cp(file, output.join(name))
        [file.basename.to_s, name]
      end
      FileUtils.mkdir_p(output.join(manifest).dirname)
      # The manifest comes last and at once: with it the build is whole.
      output.join("#{manifest}.new").tap { |file| file.write(JSON.pretty_generate(entries)) }.rename(output.join(manifest))
    end
  end

  task :clobber do
    FileUtils.rm_rf([Rails.public_path.join('assets'), Rails.public_path.join('packs')])
  end
end

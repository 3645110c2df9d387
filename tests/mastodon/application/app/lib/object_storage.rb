# frozen_string_literal: true

require 'net/http'
require 'openssl'

# Mastodon's S3 variables, with a single signed PUT (AWS Signature Version 4). Without S3_ENABLED: public/system.
module ObjectStorage
  Error = Class.new(StandardError)

  module_function

  def put(key, body, content_type)
    return put_file(key, body) unless enabled?

    uri = URI("#{endpoint}/#{key}")
    request = Net::HTTP::Put.new(uri, signed_headers(uri, body, content_type))
    request.body = body
    response = Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == 'https', open_timeout: 5, read_timeout: 5) { |http| http.request(request) }
    raise Error, "#{uri.host} answered #{response.code} #{response.body.to_s[0, 200]}" unless response.is_a?(Net::HTTPSuccess)
  rescue SystemCallError, SocketError, Timeout::Error, OpenSSL::SSL::SSLError, EOFError => e
    raise Error, "#{e.class}: #{e.message}"
  end

  def url(key)
    return "/system/#{key}" unless enabled?

    ENV['S3_ALIAS_HOST'].present? ? "#{protocol}://#{ENV['S3_ALIAS_HOST']}/#{key}" : "#{endpoint}/#{key}"
  end

  def enabled?
    ENV['S3_ENABLED'] == 'true'
  end

  def protocol
    ENV.fetch('S3_PROTOCOL', 'https')
  end

  def region
    ENV.fetch('S3_REGION', 'us-east-1')
  end

  # Path style, unless S3_OVERRIDE_PATH_STYLE says otherwise.
  def endpoint
    base = ENV['S3_ENDPOINT'].presence || "#{protocol}://#{ENV.fetch('S3_HOSTNAME', "s3-#{region}.amazonaws.com")}"
    return base.sub('://', "://#{ENV.fetch('S3_BUCKET')}.") if ENV['S3_OVERRIDE_PATH_STYLE'] == 'true'

    "#{base.chomp('/')}/#{ENV.fetch('S3_BUCKET')}"
  end

  def put_file(key, body)
    path = Rails.public_path.join('system', key)
    path.dirname.mkpath
    path.binwrite(body)
  end

  def signed_headers(uri, body, content_type)
    now = Time.now.utc.strftime('%Y%m%dT%H%M%SZ')
    permission = ENV.fetch('S3_PERMISSION', 'public-read').presence
    headers = {
      'cache-control' => 'public, max-age=315576000, immutable',
      'content-type' => content_type,
      'host' => uri.port == uri.default_port ? uri.host : "#{uri.host}:#{uri.port}",
      'x-amz-acl' => permission,
      'x-amz-content-sha256' => Digest::SHA256.hexdigest(body),
      'x-amz-date' => now,
    }.compact
    headers.merge('authorization' => authorization(uri.path, headers, now))
  end

  def authorization(path, headers, now)
    scope = "#{now[0, 8]}/#{region}/s3/aws4_request"
    names = headers.keys.join(';')
    canonical = ['PUT', path, '', *headers.map { |name, value| "#{name}:#{value}" }, '', names, headers['x-amz-content-sha256']].join("\n")
    to_sign = ['AWS4-HMAC-SHA256', now, scope, Digest::SHA256.hexdigest(canonical)].join("\n")
    key = scope.split('/').inject("AWS4#{ENV.fetch('AWS_SECRET_ACCESS_KEY')}") { |secret, part| OpenSSL::HMAC.digest('SHA256', secret, part) }
    signature = OpenSSL::HMAC.hexdigest('SHA256', key, to_sign)
    "AWS4-HMAC-SHA256 Credential=#{ENV.fetch('AWS_ACCESS_KEY_ID')}/#{scope}, SignedHeaders=#{names}, Signature=#{signature}"
  end
end

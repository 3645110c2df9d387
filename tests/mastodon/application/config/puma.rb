# frozen_string_literal: true

# Read before .env.production is: all of these belong to the service's own environment.
persistent_timeout Integer(ENV.fetch('PERSISTENT_TIMEOUT', 20))
max_threads = Integer(ENV.fetch('MAX_THREADS', 5))
threads Integer(ENV.fetch('MIN_THREADS', max_threads)), max_threads
workers Integer(ENV.fetch('WEB_CONCURRENCY', 2))
environment ENV.fetch('RAILS_ENV', 'development')

if ENV['SOCKET']
  bind "unix://#{ENV['SOCKET']}"
else
  bind "tcp://#{ENV.fetch('BIND', '127.0.0.1')}:#{ENV.fetch('PORT', 3000)}"
end

set_remote_address(proxy_protocol: :v1) if ENV['PROXY_PROTO_V1'] == 'true'
preload_app!
plugin :tmp_restart

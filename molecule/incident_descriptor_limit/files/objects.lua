-- wrk asks for five hundred objects in turn and tells in JSON what came of it.
local count = 0

function request()
  count = count % 500 + 1
  return wrk.format("GET", "/" .. count .. ".png")
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"answers": %d, "not_200": %d, "broken": %d, "timed_out": %d, "p99_ms": %d}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write, errors.timeout, latency:percentile(99) / 1000
  ))
end

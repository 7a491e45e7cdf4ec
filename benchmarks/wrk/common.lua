-- What every script needs: the lines of a file, and a report in JSON when wrk is done.
local common = {}

function common.lines(name)
  local path = assert(os.getenv(name), name .. " is not set")
  local found = {}
  for line in io.lines(path) do
    found[#found + 1] = line
  end
  return found
end

-- Pairs of "token id" from a file, in two lists.
function common.payers(name)
  local tokens, ids = {}, {}
  for index, line in ipairs(common.lines(name)) do
    tokens[index], ids[index] = line:match("^(%S+) (%S+)$")
  end
  return tokens, ids
end

function common.seed()
  math.randomseed(tonumber(os.getenv("BENCHMARK_SEED") or "1"))
  -- The first numbers of similar seeds are similar.
  for _ = 1, 100 do
    math.random()
  end
end

function common.report(summary, latency)
  local file = assert(io.open(assert(os.getenv("BENCHMARK_OUTPUT")), "w"))
  local errors = summary.errors
  file:write(string.format(
    '{"requests": %d, "duration_us": %d, "bytes": %d, "p50_us": %d, "p90_us": %d, "p99_us": %d, '
      .. '"max_us": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50),
    latency:percentile(90), latency:percentile(99), latency.max, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
  file:close()
end

return common

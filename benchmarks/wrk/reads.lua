-- Each request is one GET of BENCHMARK_PATH by a random payer.
package.path = assert(os.getenv("BENCHMARK_SCRIPTS")) .. "/?.lua;" .. package.path
local common = require("common")

local random = math.random
local requests_of = {}

function init(args)
  common.seed()
  local path = assert(os.getenv("BENCHMARK_PATH"))
  for index, token in ipairs((common.payers("BENCHMARK_TOKENS"))) do
    requests_of[index] = "GET " .. path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
      .. "\r\nAuthorization: Bearer " .. token .. "\r\n\r\n"
  end
end

function request()
  return requests_of[random(#requests_of)]
end

function done(summary, latency, requests)
  common.report(summary, latency)
end

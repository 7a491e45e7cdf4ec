-- Each request is one transfer of a random payer to a random payee under a key of its own.
-- With one payee (the merchant's file) everybody pays the same hot account.
package.path = assert(os.getenv("BENCHMARK_SCRIPTS")) .. "/?.lua;" .. package.path
local common = require("common")

local random, format = math.random, string.format
local prefixes, ids, payees

function init(args)
  local tokens
  common.seed()
  tokens, ids = common.payers("BENCHMARK_TOKENS")
  payees = common.lines("BENCHMARK_PAYEES")
  prefixes = {}
  -- Everything that does not change is put together once: wrk must not be what is measured.
  -- An amount of two digits makes every body equally long.
  local length = #'{"to_user_id":"","amount":10}' + 36
  for index, token in ipairs(tokens) do
    prefixes[index] = "POST /wallets/transfer HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
      .. "\r\nAuthorization: Bearer " .. token .. "\r\nContent-Type: application/json"
      .. "\r\nContent-Length: " .. length .. "\r\nIdempotency-Key: "
  end
end

function request()
  local payer = random(#ids)
  local payee = payees[random(#payees)]
  while payee == ids[payer] do
    -- Nobody pays themselves.
    payer = random(#ids)
  end
  return prefixes[payer]
    .. format("%08x%08x%08x", random(0, 0x7fffffff), random(0, 0x7fffffff), random(0, 0x7fffffff))
    .. '\r\n\r\n{"to_user_id":"' .. payee .. '","amount":' .. random(10, 99) .. "}"
end

function done(summary, latency, requests)
  common.report(summary, latency)
end

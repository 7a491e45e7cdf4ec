-- Each request is a batch of 1,000 transfers of a random payer to random payees.
package.path = assert(os.getenv("BENCHMARK_SCRIPTS")) .. "/?.lua;" .. package.path
local common = require("common")

local SIZE = 1000
local random, format, concat = math.random, string.format, table.concat
local prefixes, ids, payees, items = {}, {}, {}, {}
local picked = {}

function init(args)
  local tokens
  common.seed()
  tokens, ids = common.payers("BENCHMARK_TOKENS")
  payees = common.lines("BENCHMARK_PAYEES")
  for index, payee in ipairs(payees) do
    items[index] = '{"to_user_id":"' .. payee .. '","amount":' .. random(10, 99) .. "}"
  end
  local length = #'{"transfers":[],"atomic":false}' + SIZE * #items[1] + SIZE - 1
  for index, token in ipairs(tokens) do
    prefixes[index] = "POST /transfers/batch HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
      .. "\r\nAuthorization: Bearer " .. token .. "\r\nContent-Type: application/json"
      .. "\r\nContent-Length: " .. length .. "\r\nIdempotency-Key: "
  end
end

function request()
  local payer = random(#ids)
  local own = ids[payer]
  for index = 1, SIZE do
    local payee = random(#items)
    while payees[payee] == own do
      payee = random(#items)
    end
    picked[index] = items[payee]
  end
  return prefixes[payer]
    .. format("%08x%08x%08x", random(0, 0x7fffffff), random(0, 0x7fffffff), random(0, 0x7fffffff))
    .. '\r\n\r\n{"transfers":[' .. concat(picked, ",") .. '],"atomic":false}'
end

function done(summary, latency, requests)
  common.report(summary, latency)
end

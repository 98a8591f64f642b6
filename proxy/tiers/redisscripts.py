"""What Redis does in one step: Lua scripts, each of which touches keys of one group alone.

Rules of the file: every key a script touches is in `KEYS`, as a cluster demands; while a slot moves
from one node to another the script is then refused whole, not stopped half-way. Messages are
published by `pcall`: they are hints, and a login without the right to publish loses nothing else.
"""

from typing import Final

from proxy.tiers.redislink import Script

PUT: Final = Script(
    "put",
    """
-- KEYS: entry, about, kept, vectors, log, lease.
-- ARGV: id, bytes, expiry in ms or '', kept_until, about, '1' with a vector, log records,
--       writer, channel, lease token or ''.
if ARGV[10] ~= '' then
  local token = redis.call('HGET', KEYS[6], 'token')
  if token and token ~= ARGV[10] then return 0 end
end
local was_known = redis.call('HEXISTS', KEYS[2], ARGV[1])
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3]) end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[5])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
local op = nil
if ARGV[6] == '1' then
  redis.call('ZADD', KEYS[4], 0, ARGV[1])
  op = '+'
else
  redis.call('ZREM', KEYS[4], ARGV[1])
  -- What it replaces may be in an index, and is in session tiers.
  if was_known == 1 then op = '-' end
end
if op then
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[7], '*', 'id', ARGV[1], 'op', op)
  redis.pcall('PUBLISH', ARGV[9], ARGV[8] .. ' ' .. ARGV[1])
end
return 1
""",
)

_REMOVE: Final = """
local function remove(id, entry, why)
  redis.call('DEL', entry)
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
  redis.call('XADD', KEYS[4], '*', 'id', id, 'op', '-', 'why', why)
end
local function tell()
  redis.pcall('PUBLISH', ARGV[2], ARGV[1] .. ' ')
end
"""

PURGE: Final = Script(
    "purge",
    f"""{_REMOVE}
-- KEYS: about, kept, vectors, log, then each entry.
-- ARGV: writer, channel, then id and about of each. What was refreshed meanwhile stays.
local removed = {{}}
for at = 5, #KEYS do
  local id, about = ARGV[2 * at - 7], ARGV[2 * at - 6]
  if redis.call('HGET', KEYS[1], id) == about then
    remove(id, KEYS[at], 'invalidated')
    removed[#removed + 1] = id
  end
end
if #removed > 0 then tell() end
return removed
""",
)

EXPIRE: Final = Script(
    "expire",
    f"""{_REMOVE}
-- KEYS: about, kept, vectors, log, then each entry.
-- ARGV: writer, channel, now, then each id. What was refreshed meanwhile stays.
local removed = 0
for at = 5, #KEYS do
  local id = ARGV[at - 1]
  local kept = redis.call('ZSCORE', KEYS[2], id)
  if kept and tonumber(kept) <= tonumber(ARGV[3]) then
    remove(id, KEYS[at], 'expired')
    removed = removed + 1
  end
end
if removed > 0 then tell() end
return removed
""",
)

PAGE: Final = Script(
    "page",
    """
-- KEYS: kept, about.
-- ARGV: `kept_until` and id of the last entry told, or '' at the beginning; how many.
-- Gives id, `kept_until` and about of each. Entries of one time are in the order of their ids.
local at = 0
if ARGV[1] ~= '' then
  local past = redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[1])
  at = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[1])
  while at < past do
    local middle = math.floor((at + past) / 2)
    if redis.call('ZRANGE', KEYS[1], middle, middle)[1] <= ARGV[2] then at = middle + 1
    else past = middle end
  end
end
local found = redis.call('ZRANGE', KEYS[1], at, at + ARGV[3] - 1, 'WITHSCORES')
local told = {}
for place = 1, #found, 2 do
  told[#told + 1] = found[place]
  told[#told + 1] = found[place + 1]
  told[#told + 1] = redis.call('HGET', KEYS[2], found[place]) or ''
end
return told
""",
)

HEAD: Final = Script(
    "head",
    """
-- KEYS: log. The last record; an empty log is given one, so that a position can name it.
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if last[1] then return last[1][1] end
return redis.call('XADD', KEYS[1], '*', 'op', '0')
""",
)

_NOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function text(number) return string.format('%.0f', number) end
"""

TAKE: Final = Script(
    "take",
    f"""{_NOW}
-- KEYS: lease. ARGV: lease and fence in microseconds, a word for this attempt.
-- Fields: token; until, microseconds; by, the attempt; late, when an earlier holder may come back.
local known = redis.call('HMGET', KEYS[1], 'token', 'until', 'by')
if known[3] == ARGV[3] then return known[1] end  -- the answer to the first attempt was lost
if known[2] and tonumber(known[2]) > now then return false end
-- The time, so that it grows even over a server that has lost what it knew.
local token = text(math.max(now, (tonumber(known[1] or '0') or 0) + 1))
redis.call('HSET', KEYS[1], 'token', token, 'until', text(now + ARGV[1]), 'by', ARGV[3])
if known[1] then redis.call('HSET', KEYS[1], 'late', 1) end
redis.call('PEXPIRE', KEYS[1], text((ARGV[1] + ARGV[2]) / 1000))
return token
""",
)

RENEW: Final = Script(
    "renew",
    f"""{_NOW}
-- KEYS: lease. ARGV: lease and fence in microseconds, token, channel, key.
local known = redis.call('HMGET', KEYS[1], 'token', 'until')
if known[1] ~= ARGV[3] or tonumber(known[2]) <= now then return 0 end
redis.call('HSET', KEYS[1], 'until', text(now + ARGV[1]))
if now + ARGV[1] < tonumber(known[2]) then  -- who waits would wait too long
  redis.pcall('PUBLISH', ARGV[4], 'sooner ' .. ARGV[5])
end
redis.call('PEXPIRE', KEYS[1], text((ARGV[1] + ARGV[2]) / 1000))
return 1
""",
)

RELEASE: Final = Script(
    "release",
    """
-- KEYS: lease. ARGV: token, fence in ms, channel, key.
local known = redis.call('HMGET', KEYS[1], 'token', 'late')
if known[1] ~= ARGV[1] then return 0 end
if known[2] then  -- the token stays, to fence an earlier holder
  redis.call('HSET', KEYS[1], 'until', 0)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('DEL', KEYS[1])
end
redis.pcall('PUBLISH', ARGV[3], 'free ' .. ARGV[4])
return 1
""",
)

LEFT: Final = Script(
    "left",
    f"""{_NOW}
-- KEYS: lease. Its token, and how long it is still held, microseconds.
local known = redis.call('HMGET', KEYS[1], 'token', 'until')
if not known[1] then return {{'', '0'}} end
return {{known[1], text(math.max(0, tonumber(known[2]) - now))}}
""",
)

"""What Redis does in one step: Lua scripts, each of which touches keys of one group alone.

Rules of the file: every key a script touches is in `KEYS`, as a cluster demands; while a slot moves
from one node to another the script is then refused whole, not stopped half-way. Messages are
published by `pcall`: they are hints, and a login without the right to publish loses nothing else.
"""

from typing import Final

from proxy.tiers.redislink import Script

_PURGED: Final = """
-- Whether a purge of its namespace means an entry, given its description, decoded.
local function is_purged(purges, told)
  local fields = {'*\\n' .. told[3], told[2] .. '\\n' .. told[3]}
  for _, number in ipairs(redis.call('HMGET', purges, unpack(fields))) do
    if number and tonumber(number) > (told[7] or 0) then return true end
  end
  return false
end
"""

GET: Final = Script(
    "get",
    f"""{_PURGED}
-- KEYS: entry, about, purges. ARGV: id.
-- Gives the entry's bytes and its generation.
local bytes = redis.call('GET', KEYS[1])
if not bytes then return false end
if redis.call('EXISTS', KEYS[3]) == 0 then return {{bytes, '0'}} end
local about = redis.call('HGET', KEYS[2], ARGV[1])
if not about then return false end
local told = cjson.decode(about)
if is_purged(KEYS[3], told) then return false end
return {{bytes, string.format('%.0f', told[7] or 0)}}
""",
)

PUT: Final = Script(
    "put",
    f"""{_PURGED}
-- KEYS: entry, about, kept, vectors, log, lease, purges.
-- ARGV: id, bytes, expiry in ms or '', kept_until, about up to its generation,
--       '1' with a vector, log records,
--       writer, channel, lease token or '';
--       'newer' where an answer that is as new stays, 'same' where one of another time does,
--       created_at; generation or '', about from there on.
local generation = ARGV[13]
if generation == '' then generation = redis.call('HGET', KEYS[7], '') or '0' end
local about = ARGV[5] .. generation .. ARGV[14]
if redis.call('EXISTS', KEYS[7]) == 1 and is_purged(KEYS[7], cjson.decode(about)) then return 0 end
if ARGV[10] ~= '' then
  local token = redis.call('HGET', KEYS[6], 'token')
  if token and token ~= ARGV[10] then return 0 end
end
if ARGV[11] == 'newer' and redis.call('EXISTS', KEYS[1]) == 1 then
  local known = redis.call('HGET', KEYS[2], ARGV[1])
  local told = known and cjson.decode(known)
  local is_as_new = told and told[5] >= tonumber(ARGV[12])
  if is_as_new and not is_purged(KEYS[7], told) then return 0 end
end
if ARGV[11] == 'same' then
  local known = redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HGET', KEYS[2], ARGV[1])
  if not known or cjson.decode(known)[5] ~= tonumber(ARGV[12]) then return 0 end
end
local was_known = redis.call('HEXISTS', KEYS[2], ARGV[1])
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3]) end
redis.call('HSET', KEYS[2], ARGV[1], about)
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

CLEAR: Final = Script(
    "clear",
    f"""{_REMOVE}
-- KEYS: about, kept, vectors, log, then each entry.
-- ARGV: writer, channel, how sealed bytes begin, then each id. Removes what is not sealed.
local removed = 0
for at = 5, #KEYS do
  local begins = redis.call('GETRANGE', KEYS[at], 0, #ARGV[3] - 1)
  if begins ~= '' and begins ~= ARGV[3] then
    remove(ARGV[at - 1], KEYS[at], 'clear')
    removed = removed + 1
  end
end
if removed > 0 then tell() end
return removed
""",
)

FORGET: Final = Script(
    "forget",
    """
-- KEYS: log. ARGV: writer, channel, selector.
redis.call('XADD', KEYS[1], '*', 'op', 'f', 'selector', ARGV[3])
redis.pcall('PUBLISH', ARGV[2], ARGV[1] .. ' ')
""",
)

NUMBER: Final = Script(
    "number",
    """
-- KEYS: purges. ARGV: the namespace's field.
-- The time, so that numbers grow even over a server that has lost what it knew.
local time = redis.call('TIME')
local known = tonumber(redis.call('HGET', KEYS[1], '') or '0')
local number = string.format('%.0f', math.max(time[1] * 1000000 + time[2], known + 1))
redis.call('HSET', KEYS[1], ARGV[1], number, '', number)
return number
""",
)

RENUMBER: Final = Script(
    "renumber",
    """
-- KEYS: purges. ARGV: the namespace's field, its number in the first group.
for _, field in ipairs({ARGV[1], ''}) do
  local known = redis.call('HGET', KEYS[1], field)
  if not known or tonumber(known) < tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], field, ARGV[2])
  end
end
""",
)

OUTDATED: Final = Script(
    "outdated",
    f"""{_PURGED}
-- KEYS: about, purges. ARGV: cursor, how many. Gives the next cursor, and ids that purges mean.
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local found = {{}}
for at = 1, #page[2], 2 do
  if is_purged(KEYS[2], cjson.decode(page[2][at + 1])) then found[#found + 1] = page[2][at] end
end
return {{page[1], found}}
""",
)

SWEEP: Final = Script(
    "sweep",
    f"""{_PURGED}{_REMOVE}
-- KEYS: about, kept, vectors, log, purges, then each entry.
-- ARGV: writer, channel, then each id. What was refreshed meanwhile stays.
local removed = 0
for at = 6, #KEYS do
  local id = ARGV[at - 3]
  local about = redis.call('HGET', KEYS[1], id)
  if about and is_purged(KEYS[5], cjson.decode(about)) then
    remove(id, KEYS[at], 'purged')
    removed = removed + 1
  end
end
if removed > 0 then tell() end
return removed
""",
)

SWEPT: Final = Script(
    "swept",
    """
-- KEYS: purges. ARGV: the newest that was swept; numbers below this one can be met by no call.
local until_now = redis.call('HGET', KEYS[1], 'swept')
if not until_now or tonumber(until_now) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'swept', ARGV[1])
end
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  if string.find(all[at], '\\n', 1, true) and tonumber(all[at + 1]) < tonumber(ARGV[2]) then
    redis.call('HDEL', KEYS[1], all[at])
  end
end
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

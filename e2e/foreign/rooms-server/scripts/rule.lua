-- Every script begins with this: who may speak for the room.
-- KEYS[1]: the room's key. ARGV[1]: the caller's epoch. ARGV[2]: how long the key lives from now, in ms.
local room, mine = KEYS[1], ARGV[1]

-- Epochs and ticks have 64 bits, Lua's numbers only 53: they stay decimal digits.
local function below(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', room, 'epoch', 'at', 'before', 'result')
local owner, at, before, result = held[1], held[2], held[3], held[4]

if owner and below(mine, owner) then return {'fenced', owner} end
if result then return {'finished', owner, result} end

-- Until a script calls this, nothing has changed. A new owner: from here on the one before is refused. Its
-- last sign of life stays known, also when this is asked again. If it was forgotten, it may have been just now.
local function own()
  if owner ~= mine then
    before = at or now
    redis.call('HSET', room, 'epoch', mine, 'before', before)
  end
  redis.call('HSET', room, 'at', now)
  redis.call('PEXPIRE', room, ARGV[2])
end

-- Makes the caller the owner, and hands out what there is. ARGV[3]: the fence, in ms; 0: none.
-- ARGV[4]: for so long another owner must not have been heard, in ms; 0: it may have been just now.
local silent = math.max(0, now - (at or now))
if owner ~= mine and silent < tonumber(ARGV[4]) then return {'alive', owner, silent} end
own()
local idle = math.max(0, now - (before or now))
local wait = math.max(0, ARGV[3] - idle)
local kept = redis.call('HMGET', room, 'by', 'checkpoint')
return {'taken', wait, idle, kept[1], kept[2]}

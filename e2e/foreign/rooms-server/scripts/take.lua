-- Makes the caller the owner, and hands out what there is. ARGV[3]: the fence, in ms; 0: none.
local idle = math.max(0, now - (before or now))
local wait = math.max(0, ARGV[3] - idle)
local kept = redis.call('HMGET', room, 'by', 'checkpoint')
return {'taken', wait, idle, kept[1], kept[2]}

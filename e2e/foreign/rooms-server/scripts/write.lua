-- Keeps a checkpoint. ARGV[3]: its tick. ARGV[4]: its envelope.
own()
local kept = redis.call('HMGET', room, 'by', 'tick')
if kept[1] == mine and below(ARGV[3], kept[2]) then return {'older', kept[2]} end
redis.call('HSET', room, 'checkpoint', ARGV[4], 'by', mine, 'tick', ARGV[3])
return {'stored'}

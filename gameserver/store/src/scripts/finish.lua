-- The match is over: its result stays, its state goes. ARGV[3]: the result.
own()
redis.call('HDEL', room, 'checkpoint', 'by', 'tick')
redis.call('HSET', room, 'result', ARGV[3])
return {'recorded'}

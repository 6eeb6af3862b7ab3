big t
start_reducer
run producer sha1 t --job j --no-wait
start_consumer --root t="$PWD/t" -j 1 --heartbeat 1
until_true '[ "$(sqlite3 reducer.db "select count(*) from outcomes")" -ge 1 ]'
stop "$consumer" KILL
start_consumer --root t="$PWD/t" --heartbeat 1
reducer --job j -o report 2>&1 | grep 'items'
same report t

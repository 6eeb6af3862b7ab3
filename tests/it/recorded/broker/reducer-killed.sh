big t
files t 3000
start_reducer
run producer sha1 t --job j --no-wait
start_consumer --root t="$PWD/t" -j 1
until_true '[ "$(sqlite3 reducer.db "select count(*) from outcomes")" -ge 2 ]'
stop "$reducer" KILL
start_reducer
reducer --job j -o report 2>&1 | grep 'items'
same report t
packhorse status j | grep -c '0 failed'

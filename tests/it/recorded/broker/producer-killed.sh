files t 20000
start_reducer
start producer.log producer sha1 t --job j
until_true '[ "$(sqlite3 reducer.db "select count(*) from tasks")" -ge 1 ]'
stop "$started" KILL
rm t/00007
start_consumer --root t="$PWD/t"
producer sha1 t --job j >log 2>&1
echo "[$?]"
reducer --job j -o report >log 2>&1
same report t

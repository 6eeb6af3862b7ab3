big t
start log packhorse sha1 t -j 1 --state s --job j -o report
until_true '[ "$(sqlite3 s "select count(*) from outcomes")" -ge 1 ]'
stop "$started" KILL
packhorse sha1 t --state s --job j -o report >log 2>&1
echo "[$?]"
same report t
grep items log
run packhorse sha1 t --state s --job j -q

big t 4G
start log packhorse sha1 t -q -j 1 --state s --job j
until_true '[ "$(sqlite3 s "select count(*) from tasks")" -ge 1 ]'
stop "$started" KILL
packhorse cancel j --state s | grep -c 'job j cancelled'
run packhorse cancel absent --state s
packhorse sha1 t -q --state s --job j
echo "[$?]"

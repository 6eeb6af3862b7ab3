files t 3000
big t
start log packhorse sha1 t -j 1 --state s -o report
until_true '[ "$(sqlite3 s "select count(*) from outcomes")" -ge 3 ]'
stop "$started" KILL
echo changed >t/0003
rm t/0004 t/d
echo added >t/0004a
mkdir t/0005a && mv t/0006 t/0005a/moved
packhorse sha1 t --state s -o report >log 2>&1
echo "[$?]"
same report t
grep 'items .* planned' log

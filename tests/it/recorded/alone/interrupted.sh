big t 1G
start log packhorse sha1 t -q --state s --job j
until_true 'packhorse status j --state s --json | grep -q "\"state\":\"running\""'
kill -INT "$started"
wait "$started"
echo "[$?]"
grep -v 'going on' log
packhorse status j --state s --json | grep -o '"state":"[a-z]*"'

files t 3
run packhorse sha1 t -q --state s --job j
echo changed >t/1
run packhorse sha1 t --state s --job j --no-recheck
run packhorse sha1 t --state s --job j
run packhorse sha1 t -q --state s

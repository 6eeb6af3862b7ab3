files t 3
ln -s nowhere t/dangling
run packhorse sha1 --follow t --state s --job j
run packhorse jobs --state s
run packhorse status j --state s
run packhorse status j --state s --json
run packhorse explain j --state s
run packhorse explain j.0 --state s
run packhorse explain j.7 --state s
run packhorse explain other --state s
run packhorse dead list --state s
run packhorse dead replay --state s
run packhorse cancel j --state s
sqlite3 s 'select name from sqlite_master where type = "view" order by 1'

files t 1
run packhorse
run packhorse sha1
run packhorse sha1 t --slots 0
run packhorse sha1 t --job 'no id'
run packhorse sha1 t --broker nonsense
run packhorse words t --top 3
printf 'no store' >other
run packhorse sha1 t --state other
run packhorse jobs
run packhorse --version

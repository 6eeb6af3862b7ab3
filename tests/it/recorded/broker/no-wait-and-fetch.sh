files t 2500
start_reducer
run producer sha1 t --job j --no-wait
run packhorse explain j
start_consumer --root t="$PWD/t"
run reducer --job j -o report
same report t
run packhorse jobs
run packhorse status j --json

files t 3
mkdir empty
start_reducer --heartbeat 1
start_consumer --root t="$PWD/empty" --heartbeat 1
run producer sha1 t --job j
run packhorse dead list
run packhorse dead list --json
run packhorse dead show j.0
run packhorse explain j.0
stop "$consumer"
start_consumer --root t="$PWD/t" --heartbeat 1
run packhorse dead replay j
run reducer --job j
run packhorse dead list
run packhorse dead drop j

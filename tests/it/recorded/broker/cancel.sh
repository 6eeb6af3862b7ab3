files t 3
start_reducer
run producer sha1 t --job j --no-wait
run packhorse cancel j
run packhorse cancel j
run packhorse status j
run producer sha1 t --job j
run packhorse cancel other
start_consumer --root t="$PWD/t"
run producer sha1 t --job k -q

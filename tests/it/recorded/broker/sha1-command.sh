hostile t
start_consumer --root t="$PWD/t"
run packhorse sha1 t
run packhorse sha1 t --json -q

files t 3
run packhorse key new key
export PACKHORSE_KEY_FILE=$PWD/key
start_reducer
start_consumer --root t="$PWD/t"
run producer sha1 t --job j
run reducer --job j
run env -u PACKHORSE_KEY_FILE packhorse jobs

hostile t
start_reducer --output-dir out
start_consumer --root t="$PWD/t"
run producer sha1 t --job digests
run producer words t --job words
run ls out
run cat out/digests.txt
run reducer --job words
run producer sha1 t --job digests
run producer words t --job digests

hostile t
start_reducer --output-dir out
start_consumer --root t="$PWD/t"
run producer words t --job w --frequencies --mode unicode
run sha1sum out/w.txt out/w.frequencies
run packhorse words t -q --frequencies f --top 5
run cat f

hostile t
start_reducer --output-dir out
run producer words t --job w --frequencies --no-wait
stop "$reducer" KILL
echo 'more words more' >t/more
touch -d '2024-01-02 03:04:05.678 UTC' t/more
start_reducer --output-dir out
start producer.log producer words t --job w --frequencies -q
until_true grep -q "'planned again'" producer.log
start_consumer --root t="$PWD/t"
wait "${jobs_started[-2]}"
echo "[$?]"
cat producer.log out/w.txt
sha1sum out/w.frequencies

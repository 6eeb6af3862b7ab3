hostile t
printf 'the cat and the dog and the bird\n' >text
run packhorse words -q --frequencies f --top 3 text
run cat f
run packhorse words -q -o r --frequencies - text
run packhorse words -q --frequencies all t --mode unicode
run sha1sum all

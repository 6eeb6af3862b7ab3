mkdir empty
run packhorse sha1 empty
run packhorse sha1 empty --json
run packhorse words empty

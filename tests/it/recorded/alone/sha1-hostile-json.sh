hostile t
run packhorse sha1 t --json

hostile t
run packhorse sha1 --follow t
run packhorse sha1 -q --follow-outside t/dangling t/link
run packhorse sha1 --follow --json -q t

files a 3
run packhorse sha1 a -o report
run cat report
run packhorse sha1 a -q --json -o report
run cat report
run packhorse sha1 a -o missing/report
run packhorse sha1 a -q -o /dev/fd/3 3>third
run cat third
run packhorse sha1 a -o a.db --state a.db

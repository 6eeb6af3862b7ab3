files a/t 2
files b/t 3
start a.log reducer --owner a --state a.db
start b.log reducer --owner b --state b.db
until_true grep -q "'The reducer is ready'" a.log
until_true grep -q "'The reducer is ready'" b.log
(cd a && run producer sha1 t --owner a --job nightly --no-wait)
(cd b && run producer sha1 t --owner b --job nightly --no-wait)
run packhorse jobs
run packhorse cancel nightly
run packhorse status nightly
run packhorse cancel nightly --owner b
run packhorse jobs --owner a

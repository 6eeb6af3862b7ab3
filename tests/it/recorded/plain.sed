# Takes out of a command's output what differs from run to run: times, rates, ids, places.
/^packhorse: .* left$/d
/^producer: .* left$/d
# Said once it has lasted for 5 s. The waits between the attempts are random, 3.75 to 7.5 s in all.
/^packhorse: job j waits: tasks of it failed and are tried again/d
s/after [0-9.]+ s/after T s/g
s/[0-9.]+ MB\/s/R MB\/s/g
s/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/TIME/g
s/"(seconds|at|opened_at|since)":[0-9.e-]+/"\1":T/g
s/"micros":[0-9]+/"micros":T/g
s/"plan":"[0-9a-f]+"/"plan":"HASH"/g
s/"opening":"[^"]*"/"opening":"ID"/g
s/\b[0-9a-z]{16}\b/ID/g
s/127\.0\.0\.1:[0-9]+/BROKER/g
s/\/test-[0-9-]+/\/VHOST/g
s/process [0-9]+/process N/g
s/\b[0-9]+ s (ago|root)/N s \1/g
s/ on [a-z0-9]+ \([^)]*\)/ on FS/g
s/ +/ /g
s/([0-9]+\/[0-9]+ [0-9]+\/[0-9]+ [0-9]+ [0-9]+) [0-9.]+$/\1 T/

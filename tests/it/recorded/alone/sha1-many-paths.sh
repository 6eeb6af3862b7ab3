files a 3
files b 2
echo single >single
run packhorse sha1 a b single ./a/1
run packhorse sha1 b/../a
run packhorse sha1 -q "$PWD/b"
run packhorse sha1 absent a
run packhorse sha1 a -q --state s --job one
run packhorse sha1 b -q --state s --job one

hostile t
run packhorse words t
run packhorse words t --mode unicode -m
run packhorse words --json t/plain t/deep

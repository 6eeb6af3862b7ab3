files t 3
mkdir copy
cp -p t/* copy/
echo longer >>copy/1
touch -d '2020-01-01 UTC' copy/2
touch copy/3
start_reducer
start_consumer --root t="$PWD/copy"
run producer sha1 t --job j
run producer sha1 t --job k --strict-times
stop "$consumer"
start_consumer --root t="$PWD/copy" --ignore-times
run producer sha1 t --job l

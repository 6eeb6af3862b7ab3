# What the recorded jobs share. Each is a bash script that runs in an empty directory, with the commands on
# PATH and, where it needs a broker, its URL in PACKHORSE_BROKER. What it prints is compared with what is
# recorded beside it, but for what plain.sed takes out.
set -u
exec 2>&1
jobs_started=()
trap 'kill -9 "${jobs_started[@]}" 2>/dev/null; wait 2>/dev/null' EXIT

# run COMMAND...: shows the command, what it prints, what it says on standard error, and its exit code.
run() {
    printf '$ %s\n' "$*"
    "$@" >"$TMPDIR/printed" 2>"$TMPDIR/said"
    local code=$?
    cat "$TMPDIR/printed" "$TMPDIR/said"
    printf '[%s]\n' "$code"
}

# start LOG COMMAND...: runs it beside the script, and sets `started` to its process.
start() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 </dev/null &
    started=$!
    jobs_started+=("$started")
}

# until_true COMMAND...: tries it again and again for a minute.
until_true() {
    for _ in $(seq 1200); do
        if eval "$*" >/dev/null 2>&1; then return; fi
        sleep 0.05
    done
    printf 'never: %s\n' "$*"
    exit 1
}

start_reducer() {
    start reducer.log reducer --state reducer.db "$@"
    until_true grep -q "'The reducer is ready'" reducer.log
    reducer=$started
}

start_consumer() {
    start consumer.log consumer "$@"
    until_true grep -q "'The consumer is ready'" consumer.log
    consumer=$started
}

# Ends a process that was started, in order or with a signal, and waits for it.
stop() {
    kill "-${2:-TERM}" "$1" 2>/dev/null
    wait "$1" 2>/dev/null
}

# The manifest that others would make of these trees.
manifest() { find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0r sha1sum; }

# same REPORT TREE...: compares a manifest.
same() {
    local report=$1
    shift
    if manifest "$@" | cmp -s - "$report"; then echo "as sha1sum: $(wc -l <"$report") lines"; else echo "NOT as sha1sum"; fi
}

# A tree with every kind of name and of file that has made trouble.
hostile() {
    mkdir -p "$1/deep/a/b" "$1/empty"
    printf 'one two\nthree\n' >"$1/plain"
    : >"$1/nothing"
    printf 'x' >"$1/with space"
    printf 'tab\there' >"$1/"$'tab\tname'
    printf 'nl' >"$1/"$'new\nline'
    printf 'cr' >"$1/"$'carriage\rreturn'
    printf 'bs' >"$1/back\\slash"
    printf 'not \xff\xfe utf-8' >"$1/"$'\xff\xfe'
    printf '\xc3\xbc\xe2\x80\x83w\xc3\xb6rd' >"$1/"$'\xc3\xbcn\xc3\xaf'
    printf -- '-' >"$1/-dash"
    printf 'zeros\0\0and more' >"$1/deep/zeros"
    seq 2000 >"$1/deep/a/b/numbers"
    truncate -s 300000 "$1/hole"
    ln -s plain "$1/link"
    ln -s /etc/hostname "$1/outside"
    ln -s nowhere "$1/dangling"
    ln -s .. "$1/deep/up"
    mkfifo "$1/pipe"
    find "$1" -exec touch -h -d '2024-01-02 03:04:05.678 UTC' {} +
}

# COUNT small files in TREE.
files() {
    mkdir -p "$1"
    for number in $(seq -w "$2"); do echo "content $number" >"$1/$number"; done
    find "$1" -exec touch -d '2024-01-02 03:04:05 UTC' {} +
}

# Big files that take a while, without taking room on the disk.
big() {
    mkdir -p "$1"
    for name in a b c d; do truncate -s "${2:-150M}" "$1/$name"; echo "$name" >>"$1/$name"; done
}

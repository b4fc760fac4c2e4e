#!/usr/bin/env bash
# Sends COUNT JSON lines of mixed sizes through buspub and bussub in processes of their own and compares
# what comes out with what went in: one reliable subscriber, three, two publishers. busd is killed and started
# again on the way. Leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:?usage: pipe.sh COUNT}

dir=$(mktemp -d)
export SHMBUS_DIR=$dir/keys SHMBUS_BUS=pipe
export PATH=$PWD/bin:$PATH
cleanup() {
    jobs -p | xargs -r kill 2>/dev/null || true
    busd rm --force pipe 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT

daemon() {
    busd serve -b pipe --quiet &
    busd=$!
    until busd ls 2>/dev/null | grep -q pipe; do sleep 0.05; done
}

# subscribe N starts N reliable subscribers that end after $1 messages each.
subscribe() {
    subs=()
    for i in $(seq "$1"); do
        bussub --reliable --count "$2" '>' >"$dir/out.$i" &
        subs+=($!)
    done
}

finish() { # waits for all subscribers
    for p in "${subs[@]}"; do wait "$p"; done
}

go build -o "$dir/genlines" ./test/genlines
"$dir/genlines" "$count" 1 a >"$dir/a"
echo "$count lines, $(stat -c %s "$dir/a") bytes, longest $(awk 'length > m {m = length} END {print m}' "$dir/a")"
daemon

for n in 1 3; do
    subscribe "$n" "$count"
    start=$(date +%s.%N)
    buspub --subscribers "$n" lines.a <"$dir/a" &
    pub=$!
    sleep 0.5
    kill -9 "$busd"; wait "$busd" 2>/dev/null || true
    daemon
    wait "$pub"
    finish
    end=$(date +%s.%N)
    for i in $(seq "$n"); do cmp "$dir/a" "$dir/out.$i"; done
    echo "1 publisher, $n subscribers: identical, $(awk "BEGIN {printf \"%.0f\", $count / ($end - $start)}") lines/s"
done

"$dir/genlines" "$count" 2 b >"$dir/b"
subscribe 1 $((2 * count))
buspub --subscribers 1 lines.a <"$dir/a" &
pub=$!
buspub --subscribers 1 lines.b <"$dir/b"
wait "$pub"
finish
grep '^{"source":"a"' "$dir/out.1" | cmp "$dir/a"
grep '^{"source":"b"' "$dir/out.1" | cmp "$dir/b"
echo "2 publishers, 1 subscriber: each publisher's lines complete and in order"

kill "$busd"
wait "$busd" || true
busd rm pipe
[ -z "$(ls -A "$SHMBUS_DIR")" ]

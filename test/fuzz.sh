#!/usr/bin/env bash
# Fuzzes every target of the module for the given time each.
#
# A target whose time is over while go test is still shortening an input that it found interesting may end with "context deadline
# exceeded". That is no finding: those come with the input that failed, or with another message.
set -euo pipefail
cd "$(dirname "$0")/.."
grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do
    grep -h '^func Fuzz' "$dir"/*_test.go | sed 's/func \(Fuzz[A-Za-z0-9_]*\).*/\1/' | sort -u | while read -r target; do
        echo "$dir $target"
        if ! out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" "$dir" 2>&1 </dev/null); then
            if grep -q 'context deadline exceeded' <<<"$out" && ! grep -q 'Failing input' <<<"$out"; then
                echo "its time was over while an input was being shortened"
                continue
            fi
            echo "$out"
            exit 1
        fi
        tail -n 2 <<<"$out"
    done
done

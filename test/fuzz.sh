#!/usr/bin/env bash
# Fuzzes every target of the module for the given time each.
set -euo pipefail
cd "$(dirname "$0")/.."
grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do
    grep -h '^func Fuzz' "$dir"/*_test.go | sed 's/func \(Fuzz[A-Za-z0-9_]*\).*/\1/' | sort -u | while read -r target; do
        echo "$dir $target"
        go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" "$dir" | tail -n 2
    done
done

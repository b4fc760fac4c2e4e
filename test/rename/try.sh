#!/usr/bin/env bash
# Renames a copy of the last commit, builds and vets all its modules, runs the tests that know the
# path (those that look at machine code and at imports, and the examples), and renames it back, after
# which nothing may be different.
set -euo pipefail
cd "$(dirname "$0")/../.."
path=example.org/x/shmbus
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git clone -q . "$copy/renamed"
cd "$copy/renamed"
was=$(go list -m)
git config user.name rename && git config user.email rename@example.org

make -s rename MODULE=$path
[ "$(go list -m)" = $path ]
test -z "$(gofmt -l .)"
git commit -qam renamed
for module in . test/bench examples; do
    (cd "$module" && go build -o /dev/null ./... && go vet ./...)
done
go vet -tags faults ./...
GOARCH=arm64 go vet ./...
go test ./test/repo
go test -run 'Instructions|Inlined|Magic|Barrier|Example' ./layout ./ring ./bus/...
make -s build BIN="$copy/bin"
(cd examples && go test ./...)

make -s rename MODULE="$was"
git diff --exit-code --stat HEAD~1

#!/usr/bin/env bash
# Pointers are made of offsets in files named *_unsafe.go only.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=$(git ls-files '*.go' | grep -v -e '_unsafe\.go$' -e '_test\.go$' | xargs grep -l '"unsafe"' || true)
if [ -n "$bad" ]; then
    echo "package unsafe is imported outside of *_unsafe.go:"
    echo "$bad"
    exit 1
fi

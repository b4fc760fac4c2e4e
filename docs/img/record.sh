#!/usr/bin/env bash
# Records the demo in a terminal of 80 columns and 24 rows, as docs/img/demo.svg.
#
# Needs Python 3.8 or later with venv (Debian: python3-venv) and, once, the network: it installs
# termtosvg 1.1.0 from PyPI into bin/termtosvg. Use a quiet machine: the picture shows latencies.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=bin/termtosvg
[ -x "$venv/bin/termtosvg" ] || {
    python3 -m venv "$venv"
    # termtosvg needs pkg_resources, which newer versions of setuptools no longer have.
    "$venv/bin/pip" install --quiet termtosvg==1.1.0 'setuptools<80'
}
export LANG=C.UTF-8 TERM=xterm-256color
cast=$(mktemp)
trap 'rm -f "$cast"' EXIT
# script gives termtosvg a terminal as its standard input, also where this one has none.
script --quiet --return --command "$venv/bin/termtosvg record $cast --screen-geometry 80x24 \
    --command bin/demo" /dev/null >/dev/null
# termtosvg has no second screen, to which the demo returns at its end: it is empty.
sed -i 's/\\u001b\[?1049l/\\u001b[H\\u001b[2J/' "$cast"
"$venv/bin/termtosvg" render "$cast" docs/img/demo.svg --loop-delay 8000 --template window_frame >/dev/null

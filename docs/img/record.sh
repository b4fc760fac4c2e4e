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
# script gives termtosvg a terminal as its standard input, also where this one has none.
script --quiet --return --command "$venv/bin/termtosvg docs/img/demo.svg --screen-geometry 80x24 \
    --loop-delay 8000 --template window_frame --command bin/demo" /dev/null >/dev/null

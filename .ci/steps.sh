# What .ci/run and .ci/nightly share. It is sourced by them, from the top of the repository.

# need installs packages whose commands are missing: COMMAND=PACKAGE ….
need() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        echo "installing ${missing[*]}"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
}

# With this, tests that need a tool fail where it is missing instead of being left out.
export SHMBUS_TEST_TOOLS=required

# module installs the package of a Python module that is missing: MODULE=PACKAGE. It is for Debian's interpreter, whatever others there are.
module() {
    /usr/bin/python3 -c "import ${1%%=*}" 2>/dev/null && return
    echo "installing ${1#*=}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${1#*=}" >/dev/null
}

# objects lists the System V objects that there are.
objects() { { ipcs -m; ipcs -s; ipcs -q; } | grep '^0x' || true; }

names=()   # of the steps so far
seconds=() # that each took
results=() # ok or FAILED
before=$(objects)

# step runs a command, says how long it took, and fails as it does.
step() {
    local start=$SECONDS result=ok
    echo "== $*"
    "$@" || result=FAILED
    names+=("$*") seconds+=($((SECONDS - start))) results+=("$result")
    echo "== $* took $((SECONDS - start)) s: $result"
    [ "$result" = ok ]
}

# clean is a step: nothing may be left behind.
clean() {
    local after
    after=$(objects)
    [ "$before" = "$after" ] && return
    echo "System V objects are left behind:"
    echo "$after"
    return 1
}

# summary prints what each step took. It is for trap summary EXIT, and fails if any step failed.
summary() {
    local i failed=$?
    printf '\n%8s  %-6s  %s\n' seconds result step
    for i in "${!names[@]}"; do
        printf '%8d  %-6s  %s\n' "${seconds[i]}" "${results[i]}" "${names[i]}"
        [ "${results[i]}" = ok ] || failed=1
    done
    printf '%8d  %-6s  %s\n' "$SECONDS" "$([ $failed = 0 ] && echo ok || echo FAILED)" "all, on $(nproc) processors"
    exit $failed
}

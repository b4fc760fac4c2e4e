#!/usr/bin/env bash
# Verifies the models in this folder exhaustively. Then it breaks the protocol in each way that
# README.md lists, and expects spin to report an error. With the argument "full" it verifies the
# larger configurations as well. It needs spin and gcc (or $CC). Exit status: 0 if all is well, 1 if
# not, 2 if spin or the compiler is missing.
set -u
full=${1:-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command -v spin >/dev/null || { echo "run.sh: spin is not installed (Debian: apt install spin); the model was not checked"; exit 2; }
cc=${CC:-gcc}
command -v "$cc" >/dev/null || { echo "run.sh: $cc is not installed; the model was not checked"; exit 2; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0

# search DIR FILE DEFINE...: leaves the report of the verifier in DIR/report
search() {
	local dir=$tmp/$1 file=$2; shift 2
	mkdir -p "$dir" && cp "$here/$file" "$dir/model.pml" || return 1
	( cd "$dir" && spin -a "$@" model.pml >report 2>&1 &&
		"$cc" -O2 -w -DSAFETY -DVECTORSZ=2048 -o pan pan.c >>report 2>&1 &&
		./pan -m200000 -w22 >report 2>&1 )
	grep -q 'errors: ' "$dir/report" || { cat "$dir/report"; return 1; }
}

verify() {
	local name=$1 began=$SECONDS; shift
	search "$name" "$@" || { echo "BROKEN  $name"; failed=1; return; }
	local report=$tmp/$name/report
	if grep -q 'errors: 0' "$report" && ! grep -q 'max search depth too small\|out of memory\|Search not completed' "$report"; then
		echo "ok      $name: $(awk '/states, stored/ { print $1; exit }' "$report") states, $((SECONDS - began)) s   ($*)"
	else
		echo "FAILED  $name: $(grep -m1 '^pan:1' "$report")   ($*)"; failed=1
	fi
	rm -rf "${tmp:?}/$name"
}

# progress: no cycle at all, so every run ends; with verify's "no invalid end state", all living processes finish
progress() {
	local name=$1 dir=$tmp/$1 file=$2; shift 2
	mkdir -p "$dir" && cp "$here/$file" "$dir/model.pml"
	( cd "$dir" && spin -a "$@" model.pml && "$cc" -O2 -w -DNP -DVECTORSZ=2048 -o pan pan.c &&
		./pan -l -m200000 -w22 ) >"$dir/report" 2>&1
	if grep -q 'errors: 0' "$dir/report" && ! grep -q 'max search depth too small\|out of memory' "$dir/report"; then
		echo "ok      $name: every run ends   ($file $*)"
	else
		echo "FAILED  $name: $(grep -m1 '^pan:1' "$dir/report")   ($file $*)"; failed=1
	fi
	rm -rf "${dir:?}"
}

mutate() {
	local name=$1 file=$2; shift 2
	search "$name" "$file" "-DMUT_$name" "$@" || { echo "BROKEN  mutation $name"; failed=1; return; }
	if grep -q 'errors: 0' "$tmp/$name/report"; then
		echo "MISSED  mutation $name   ($file $*)"; failed=1
	else
		echo "caught  mutation $name: $(grep -m1 '^pan:1' "$tmp/$name/report" | cut -c1-60)"
	fi
	rm -rf "${tmp:?}/$name"
}

verify readers           exchange.pml -DLOSSY=1 -DRELIABLE=1
verify lossy             exchange.pml -DLOSSY=1 -DQ0=4 -DQ1=3
verify joins             exchange.pml -DRELIABLE=1 -DQ0=3 -DQ1=3
verify joins-in-four     exchange.pml -DRELIABLE=1 -DN=4 -DQ0=4 -DQ1=3
verify subscriber-dies   exchange.pml -DRELIABLE=2
verify crash             exchange.pml -DCRASHES=2 -DK0=2 -DK1=2 -DQ0=3 -DQ2=2
verify crash-one-slot    exchange.pml -DCRASHES=1 -DK0=1 -DK1=2 -DQ1=3 -DQ2=2
verify crash-reader      exchange.pml -DCRASHES=1 -DK0=2 -DK1=1 -DLOSSY=1
progress ends-lossy      exchange.pml -DLOSSY=1 -DQ0=3
progress ends-reliable   exchange.pml -DRELIABLE=1 -DQ0=3
progress ends-crash      exchange.pml -DCRASHES=2 -DK0=2 -DK1=2
verify sleep             sleep.pml
verify stop              sleep.pml -DSTOPS=1
verify death             sleep.pml -DCRASHES=1 -DCERTIFIERS=2
verify death-and-stop    sleep.pml -DCRASHES=1 -DSTOPS=1 -DSTOP_A=1 -DSTOP_B=1 -DQ1=1
verify heir              sleep.pml -DCRASHES=1 -DHEIR -DT2=1 -DQ1=1 -DQ2=0 -DCERTIFIERS=2
verify late-topic        sleep.pml -DRECORDS=3 -DT2=2 -DQ0=0 -DQ1=1 -DCERTIFIERS=2
verify runs              sleep.pml -DRUN=2 -DQ0=2 -DQ1=1
verify runs-stop         sleep.pml -DRUN=2 -DQ0=2 -DQ1=1 -DSTOPS=1 -DCERTIFIERS=1
verify runs-death        sleep.pml -DRUN=2 -DQ0=2 -DQ1=1 -DCRASHES=1 -DCERTIFIERS=2
verify two-sleepers      sleep.pml -DSLEEPERS=2 -DQ1=1 -DCERTIFIERS=2
verify switch            sleep.pml -DSWITCH=1 -DQ0=2 -DQ1=1 -DCERTIFIERS=2
verify switch-runs       sleep.pml -DSWITCH=1 -DQ0=2 -DQ1=1 -DRUN=2 -DCERTIFIERS=2
verify switch-late       sleep.pml -DSWITCH=2 -DSWITCHERS=2 -DQ0=0 -DQ1=2 -DCERTIFIERS=2
verify switch-late-death sleep.pml -DSWITCH=2 -DSWITCHERS=2 -DQ0=0 -DQ1=2 -DCERTIFIERS=2 -DCRASHES=1
verify switch-late-stop  sleep.pml -DSWITCH=2 -DSWITCHERS=2 -DQ0=0 -DQ1=2 -DCERTIFIERS=2 -DSTOPS=1
verify gates             sleep.pml -DGATES=2 -DCERTIFIERS=0
verify gates-runs        sleep.pml -DGATES=2 -DQ0=0 -DQ1=3 -DRUN=2 -DCERTIFIERS=2
verify gates-stop        sleep.pml -DGATES=2 -DCERTIFIERS=0 -DSTOPS=1
verify join              join.pml -DSTOPS=0 -DLOOKS=0
verify held              join.pml -DHELD -DSTOPS=0
verify held-stop         join.pml -DHELD -DLOOKS=0
verify bell              join.pml -DHELD -DSTOPS=0 -DLOOKS=0 -DBELL_MAX=2 -DBELL=1

if [ "$full" = full ]; then
verify gates-death       sleep.pml -DGATES=2 -DCERTIFIERS=0 -DCRASHES=1
verify gates-cursor-first sleep.pml -DGATES=2 -DCERTIFIERS=0 -DGATE_CURSOR_FIRST
verify gates-awake-first sleep.pml -DGATES=2 -DCERTIFIERS=0 -DGATE_AWAKE_FIRST
verify switch-death      sleep.pml -DSWITCH=1 -DQ0=2 -DQ1=1 -DCERTIFIERS=2 -DCRASHES=1
verify switch-stop       sleep.pml -DSWITCH=1 -DQ0=2 -DQ1=1 -DCERTIFIERS=2 -DSTOPS=1
verify switch-late-two   sleep.pml -DSWITCH=2 -DQ0=2 -DQ1=1 -DCERTIFIERS=2
verify switch-heir       sleep.pml -DSWITCH=2 -DQ0=1 -DQ1=0 -DQ2=1 -DHEIR -DCRASHES=1 -DCERTIFIERS=4
verify join-stop         join.pml -DLOOKS=0
verify held-looks        join.pml -DHELD
verify held-careful      join.pml -DHELD -DCAREFUL -DLOOKS=0
verify held-two-deaths   join.pml -DHELD -DCAREFUL -DLOOKS=0 -DSTOPS=0 -DCRASHES=2
verify held-three        join.pml -DHELD -DMEMBERS=3 -DLOOKS=0 -DSTOPS=0
verify bell-stop         join.pml -DHELD -DLOOKS=0 -DBELL_MAX=2 -DBELL=1
verify bell-at-maximum   join.pml -DHELD -DLOOKS=0 -DBELL=4
verify switch-topic-first sleep.pml -DSWITCH=1 -DQ0=2 -DQ1=1 -DCERTIFIERS=2 -DMUT_TOPIC_BEFORE_INTENT
fi

mutate NO_SECOND_LOAD            exchange.pml -DLOSSY=1 -DQ0=3
mutate UNSETTLED_IS_EVIDENCE     exchange.pml -DCRASHES=2 -DK0=2 -DK1=2
mutate IN_FLIGHT_IS_MINE         exchange.pml -DCRASHES=1 -DK0=2
mutate IN_FLIGHT_IS_DISPLACED    exchange.pml -DCRASHES=1 -DK0=2
mutate START_BEFORE_GATE         exchange.pml -DRELIABLE=1 -DQ0=3 -DQ1=3
mutate NO_CAP                    exchange.pml -DRELIABLE=1 -DQ0=3 -DQ1=3
mutate HELPER_FORGETS_GENERATION exchange.pml -DRELIABLE=2 -DQ0=3
mutate NO_LAST_LOOK              sleep.pml
mutate BIT_AFTER_LAST_LOOK       sleep.pml
mutate CERTIFY_BEFORE_LAST_LOOK  sleep.pml
mutate CERTIFY_LEAVES_CLAIMED    sleep.pml -DRECORDS=3 -DT2=2 -DQ0=0 -DQ1=2 -DQ2=0 -DSTOPS=1 -DSTOP_A=2 -DSTOP_B=2 -DCERTIFIERS=2
mutate CLAIMED_IS_LEFT_ALONE     sleep.pml -DSTOPS=1
mutate NOTIFIED_BEFORE_POST      sleep.pml -DRECORDS=3 -DT2=0 -DQ1=0 -DSTOPS=1 -DCERTIFIERS=0
mutate WAKER_CLEARS_BIT          sleep.pml -DRECORDS=3 -DT2=0 -DQ1=0 -DSTOPS=1 -DCERTIFIERS=0
mutate CLAIM_NOT_RETRIED         sleep.pml
mutate NO_BELL                   sleep.pml -DCRASHES=1 -DCERTIFIERS=2
mutate POSITION_AFTER_INTENTS    sleep.pml
mutate INTENT_AFTER_EXCHANGE     sleep.pml
mutate CERTIFIED_BEFORE_SLEEPERS sleep.pml -DRECORDS=3 -DT2=1 -DQ1=1 -DQ2=1 -DSTOPS=1
mutate CERTIFY_PAST_RUN          sleep.pml -DRUN=2 -DQ0=2 -DQ1=1
mutate CERTIFY_SKIPS_DEAD        sleep.pml -DCRASHES=1 -DCERTIFIERS=2
mutate HEIR_WAKES_NOBODY         sleep.pml -DCRASHES=1 -DHEIR -DT2=1 -DQ1=1 -DQ2=0 -DCERTIFIERS=2
mutate OPEN_WAKES_NOBODY         sleep.pml -DRECORDS=3 -DT2=2 -DQ0=0 -DQ1=1 -DCERTIFIERS=2
mutate NO_LOOK_AT_TOPICS         sleep.pml -DRECORDS=3 -DT2=2 -DQ0=0 -DQ1=1 -DCERTIFIERS=2
mutate BLOCKED_DOES_NOT_CERTIFY  sleep.pml -DGATES=2 -DCERTIFIERS=0
mutate GATE_OPEN_IN_SLEEP        sleep.pml -DGATES=2 -DCERTIFIERS=0
mutate GATE_OPEN_BEFORE_LAST_LOOK sleep.pml -DGATES=2 -DCERTIFIERS=0
mutate RESUME_AT_CURSOR          sleep.pml -DGATES=2 -DCERTIFIERS=0
mutate SWITCH_EARLY              sleep.pml -DSWITCH=1 -DQ0=2 -DQ1=1 -DCERTIFIERS=2
mutate LIVE_AT_ONE               join.pml -DHELD -DSTOPS=0 -DLOOKS=0
mutate STATE_BEFORE_LIFE         join.pml -DHELD -DSTOPS=0 -DLOOKS=0
mutate BURY_ANY_GENERATION       join.pml -DHELD -DSTOPS=0 -DLOOKS=0
mutate DEATH_COUNTED_BY_ALL      join.pml -DHELD -DSTOPS=0 -DLOOKS=0
mutate LIFE_BEFORE_STATE         join.pml -DHELD -DSTOPS=0 -DLOOKS=0
mutate OPENED_AFTER_TAKEN        join.pml -DHELD -DLOOKS=0
mutate GATE_READ_AFTER_OWNER     join.pml -DHELD -DSTOPS=0 -DLOOKS=0
mutate GATE_READ_BEFORE_OWNER    join.pml -DLOOKS=0
mutate OWNER_READ_ONCE           join.pml -DHELD -DSTOPS=0 -DLOOKS=0
mutate OPEN_ANY_GENERATION       join.pml -DHELD -DSTOPS=0 -DLOOKS=0
mutate JOINING_AT_BELL_MAXIMUM   join.pml -DHELD -DLOOKS=0 -DBELL=4
mutate LEAVING_AT_BELL_MAXIMUM   join.pml -DHELD -DLOOKS=0 -DBELL=4
mutate RESET_NOT_COUNTED         join.pml -DHELD -DLOOKS=0 -DBELL_MAX=2 -DBELL=1

[ "$failed" = 0 ] && echo "all verified, all mutations caught"
exit "$failed"

#!/bin/sh
# Each safeguard of the protocol, taken out of the code by -Dbreak=NAME, makes a test fail. With all of them in, the same tests pass.
# test: suite=torture timeout=1800 parallel=no
#
# One that hangs without a safeguard, and is ended, has caught it too.
set -eu
export LC_ALL=C

# NAME:TEST, the first test that has been seen to catch it.
table='
no_quarantine:kernel_outlives
reap_forgets:kernel_outlives
no_intent:kill_steps
reap_no_intent:kill_steps
no_clear_phase:interleavings
no_recount:kill_steps
no_repair:kill_steps
no_resolve:interleavings
split_forgets_q:interleavings
member_drops_q:interleavings
no_hold:interleavings
holds_first:interleavings
scan_forgets:interleavings
lane_clear_first:kill_steps
node_no_record:fs_kill
node_no_repair:fs_kill
no_revalidate:interleavings
no_wait:interleavings
leave_early:interleavings
ignore_flag:interleavings
recount_forgets:interleavings
no_wake:interleavings
rel_no_gen:interleavings
repair_no_bump:interleavings
lane_no_wait:interleavings
lane_no_takeover:interleavings
no_epoch:interleavings
no_recheck:interleavings
no_reap_lock:interleavings
dir_sequence:fs_names
compact_no_record:compact_kills
'

if grep -q 'steps=true' "$PF_BUILD_DIR/configured-for" 2>/dev/null; then
	echo "skip: once is enough, and it runs for the build without steps"
	exit 77
fi
cd "$PF_SOURCE_DIR"
build=$(mktemp -d "$PF_BUILD_DIR/safeguards.XXXXXX")
trap 'rm -rf "$build"' EXIT
trap 'exit 1' HUP INT TERM
export PF_BUILD_DIR="$build" PF_TEST_SECONDS=30

# Builds one test without the safeguard ("": with all of them).
build_test()
{
	meson configure "$build" "-Dbreak=$1" >"$build/log" 2>&1 &&
		ninja -C "$build" "tests/$2" >>"$build/log" 2>&1 && return
	tail -20 "$build/log" >&2
	echo "tests/$2 does not build with -Dbreak=$1" >&2
	exit 1
}

run_test()
{
	timeout -k 5 120 "$build/tests/$1" >"$build/out" 2>&1
}

failed=0
meson setup "$build" -Dbuildtype=debug -Dchecks=true -Dsteps=true >"$build/log" 2>&1

# Every safeguard that the sources can leave out is in the table, or is one against power cuts.
for name in $(grep -rhoE 'PF_BREAK_[A-Z_]+' src | sed 's/PF_BREAK_//' | tr A-Z a-z | sort -u); do
	echo "$table" | grep -q "^$name:" || grep -qx "$name" tests/power_safeguards_torture.sh || { echo "$name: no test is named for it"; failed=1; }
done
for test in $(echo "$table" | sed -n 's/.*://p' | sort -u); do
	build_test "" "$test"
	run_test "$test" || { cat "$build/out"; echo "$test fails with every safeguard in"; failed=1; }
done
for line in $table; do
	name=${line%:*} test=${line#*:}
	build_test "$name" "$test"
	if run_test "$test"; then
		echo "$name: $test does not notice that it is missing"
		failed=1
	else
		echo "$name: caught by $test: $(grep -aE 'violations after|: .* is .* not |pinfold|check|tests/' "$build/out" | tail -1 | cut -c1-120)"
	fi
done
exit $failed

#!/bin/sh
# Each write-back, fence and order that a power cut makes necessary, taken out of the code by -Dbreak=NAME, makes the test of power cuts fail. With all of them in, it passes.
# test: suite=torture timeout=1800 parallel=no
#
# Only the file that has the safeguard is compiled again, with the command that ninja has for it, and linked before the library that has the whole one.
set -eu
export LC_ALL=C

names='
lane_record_flush
lane_commit_flush
lane_first_fence
lane_apply_flush
lane_second_fence
lane_clear_flush
lane_clear_fence
lane_clear_first
lane_apply_first
lane_no_sum
dir_bucket_flush
dir_table_flush
dir_split_flush
dir_node_fence
map_root_flush
map_node_flush
map_node_fence
map_move_flush
map_leaf_flush
link_flush
link_fence
xattr_flush
xattr_fence
data_flush
data_fence
move_flush
compact_flush
compact_fence
zero_flush
write_flush
write_fence
'

if grep -q 'steps=true' "$PF_BUILD_DIR/configured-for" 2>/dev/null; then
	echo "skip: once is enough, and it runs for the build without steps"
	exit 77
fi
cd "$PF_SOURCE_DIR"
build=$(mktemp -d "$PF_BUILD_DIR/power.XXXXXX")
trap 'rm -rf "$build"' EXIT
trap 'exit 1' HUP INT TERM
export PF_TEST_SECONDS="${PF_POWER_SECONDS:-10}"

# Every safeguard that is named in this way is in the list, or in that of the other safeguards.
for name in $(grep -rhoE 'broken\(PF_BREAK_[A-Z_]+' src | sed 's/.*PF_BREAK_//' | tr A-Z a-z | sort -u); do
	echo "$names" | grep -qx "$name" || grep -q "^$name:" tests/safeguards_torture.sh || { echo "$name is not in the list"; exit 1; }
done

meson setup "$build" -Dbuildtype=debugoptimized >"$build/log" 2>&1
ninja -C "$build" tests/fs_power >>"$build/log" 2>&1 || { tail -20 "$build/log"; exit 1; }
ninja -C "$build" -t commands tests/fs_power >"$build/commands"
cd "$build"

run_test()
{
	timeout -k 5 120 "$1" >out 2>&1
}

build_test()
{
	option=PF_BREAK_$(echo "$1" | tr a-z A-Z)
	file=$(cd "$PF_SOURCE_DIR" && grep -rl "$option\\b" src | head -1)
	compile=$(grep -E -- "-c [^ ]*/$file\$" commands | head -1 | sed "s| -o [^ ]*| -o broken.o -D$option=1|")
	link=$(grep -- "-o tests/fs_power " commands | sed 's|-o tests/fs_power |-o broken broken.o |')
	[ -n "$compile" ] && [ -n "$link" ] && sh -c "$compile" && sh -c "$link"
}

failed=0
run_test tests/fs_power || { cat out; echo "fs_power fails with every safeguard in"; failed=1; }
for name in $names; do
	build_test "$name" >log 2>&1 || { tail -5 log; echo "$name does not build"; exit 1; }
	if run_test ./broken; then
		echo "$name: fs_power does not notice that it is missing"
		failed=1
	else
		echo "$name: caught: $(grep -aE 'power cut|violations|tests/' out | head -1 | cut -c1-120)"
	fi
done
exit $failed

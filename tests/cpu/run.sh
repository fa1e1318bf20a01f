#!/bin/sh
# run.sh CPU: builds the unit tests for a CPU in PF_BUILD_DIR/cpu-CPU, where the next run finds the objects, and runs
# them in QEMU's user emulation, niced, as tests that watch the time may run beside them. What tests/cpu/tests leaves out is said with its reason.
set -eu
cpu=$1
cd "$PF_SOURCE_DIR"
cc=$cpu-linux-gnu-gcc
dir=$PF_BUILD_DIR/cpu-$cpu
for tool in $cc qemu-$cpu; do
	command -v "$tool" >/dev/null || { echo "skip: $tool is not installed"; exit 77; }
done
mkdir -p "$dir"
echo 'int main(void) { return 0; }' | $cc -static -x c - -o "$dir/probe" 2>/dev/null ||
	{ echo "skip: $cc has no libc to link with"; exit 77; }

sh scripts/configure.sh "$dir" --cross-file "tests/cpu/$cpu.ini" \
	-Dunits=true -Dchecks=true -Doptimization=2 -Ddebug=false
nice ninja -C "$dir" >"$dir/ninja.log" || { cat "$dir/ninja.log"; exit 1; }
rc=0
PF_TEST_SECONDS=1 nice scripts/test-run "$dir" units >"$dir/run.log" 2>&1 || rc=$?
sed 's/^skipped /skip: /' "$dir/run.log"
sed -n "s/^not \([^ ]*\) \($cpu\|all\) \(.*\)/skip: \1: \3/p" tests/cpu/tests
exit $rc

#!/bin/sh
# pinfold evict asks a process for its holds, or all: a pin that gives back ends, a map stays and is listed, and the exit code says which. With --all it is said who holds what, before the time is over.
# test: suite=short timeout=60
set -eu
dir=$(mktemp -d "${TMPDIR:-/dev/shm}/cli-evict.XXXXXX")
holder= evict=
trap 'kill $holder $evict 2>/dev/null || true; rm -rf "$dir"' EXIT
export PINFOLD_RUNTIME_DIR="$dir"
pool=$dir/pool

fail()
{
	echo "failed: $*"
	exit 1
}

# hold OPTION...: a process that holds the file; its pid in $holder
hold()
{
	: >"$dir/held" # what an earlier one said
	"$PINFOLD" hold "$pool:/file" "$@" >"$dir/held" &
	holder=$!
	while ! grep -q held "$dir/held"; do :; done
}

"$PINFOLD" mkfs "$pool" --size 16M
echo hello >"$dir/file"
"$PINFOLD" cp "$dir/file" "$pool:/"

hold --longterm --give-back
"$PINFOLD" evict "$pool" --pid $holder >"$dir/out" || fail "evict of a pin that gives back"
grep -q "process $holder holds nothing" "$dir/out" || fail "what evict said"
wait $holder || fail "the holder"
grep -q 'wanted: given back' "$dir/held" || fail "the holder's notice"

hold --pin --give-back
"$PINFOLD" truncate "$pool:/file" 0 --policy wait || fail "a truncation that waits"
wait $holder || fail "the holder of a truncated file"
"$PINFOLD" cp "$dir/file" "$pool:/"

hold --map
! "$PINFOLD" evict "$pool" --pid $holder --timeout 50 >"$dir/out" || fail "a map was given back"
grep -q "still held: 4.0 KiB of file by map of process $holder" "$dir/out" || fail "what stays"
! "$PINFOLD" evict "$pool" --pid $holder --timeout 0 --json >"$dir/json" || fail "evict --json"
python3 -c "
import json, sys
j = json.load(open(sys.argv[1]))
assert j['schema'] == 1 and j['pid'] == int(sys.argv[2]) and j['bytes'] == 4096, j
assert [(h['kind'], h['path']) for h in j['holders']] == [('map', 'file')], j
" "$dir/json" $holder
kill $holder
wait $holder || true

# the final break: after a second it says who holds what, and goes on until that is given back
"$PINFOLD" evict "$pool" --all >"$dir/out" || fail "nobody holds anything"
grep -qx 'nobody holds anything' "$dir/out" || fail "what evict --all said of nobody"
hold --map
! "$PINFOLD" evict "$pool" --all --timeout 0 --json >"$dir/json" || fail "evict --all --json"
python3 -c "
import json, sys
j = json.load(open(sys.argv[1]))
assert j['pid'] is None and j['bytes'] == 4096, j
assert [(h['kind'], h['pid']) for h in j['holders']] == [('map', int(sys.argv[2]))], j
" "$dir/json" $holder
"$PINFOLD" evict "$pool" --all --timeout 60000 >"$dir/out" &
evict=$!
while ! grep -q "still held: 4.0 KiB of file by map of process $holder" "$dir/out"; do
	kill -0 $evict || fail "evict --all ended while something was held"
done
kill -INT $holder
wait $holder || fail "the holder that gave back late"
wait $evict || fail "evict --all after all was given back"
[ "$(wc -l <"$dir/out")" = 2 ] && grep -qx 'nobody holds anything' "$dir/out" || fail "what evict --all said"

rc=0
"$PINFOLD" evict "$pool" --pid 1 2>"$dir/err" || rc=$?
[ $rc = 1 ] && grep -q 'process 1 does not have the pool open' "$dir/err" || fail "a stranger"
rc=0
"$PINFOLD" evict "$pool" 2>"$dir/err" || rc=$?
[ $rc = 2 ] && grep -q -- '--pid' "$dir/err" || fail "no --pid"
rc=0
"$PINFOLD" hold "$pool:/file" --map --give-back 2>/dev/null || rc=$?
[ $rc = 2 ] || fail "a map that gives back"
"$PINFOLD" fsck "$pool"

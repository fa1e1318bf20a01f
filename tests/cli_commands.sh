#!/bin/sh
# The program's commands on a pool: copies are the same bytes, a holder keeps what is truncated and removed, a killed one leaves nothing.
# test: suite=short timeout=120
set -eu
export LC_ALL=C
dir=$(mktemp -d /dev/shm/pinfold-test.XXXXXX)
trap 'kill $holder 2>/dev/null || true; rm -rf "$dir"' EXIT
holder=
export PINFOLD_RUNTIME_DIR=$dir
pool=$dir/pool

fail() { echo "failed: $*" >&2; exit 1; }
# expect CODE COMMAND...: the exit code, and nothing else matters; output in $dir/out and $dir/err
expect()
{
	want=$1; shift
	code=0
	"$@" >"$dir/out" 2>"$dir/err" || code=$?
	[ $code = "$want" ] || { cat "$dir/out" "$dir/err" >&2; fail "exit $code, not $want: $*"; }
}
# field EXPRESSION: of the JSON in $dir/out
field() { python3 -c "import json; d = json.load(open('$dir/out')); print($1)"; }

# usage
expect 2 "$PINFOLD"
expect 0 "$PINFOLD" --help
expect 0 "$PINFOLD" --version
expect 2 "$PINFOLD" nonsense
for c in mkfs info ls cp cat mv rm truncate punch hold who reap fsck recover; do
	expect 0 "$PINFOLD" $c --help
	grep -q Example "$dir/out" || fail "$c --help has no example"
done
expect 2 "$PINFOLD" mkfs "$pool" --size 12X
expect 1 "$PINFOLD" mkfs "$pool" --size 1M
[ ! -e "$pool" ] || fail "a failed mkfs left a file"

# a pool and files
expect 0 "$PINFOLD" mkfs --size 32M "$pool"
expect 1 "$PINFOLD" mkfs "$pool" --size 32M
grep -q "remove it first" "$dir/err" || fail "mkfs over a file does not say what to do"
head -c 3000000 /dev/urandom >"$dir/big"
echo hello >"$dir/small"
expect 0 "$PINFOLD" cp "$dir/big" "$dir/small" "$pool:/"
expect 0 "$PINFOLD" cp "$dir/small" "$pool:/other name"
expect 0 "$PINFOLD" cat "$pool:/big"
cmp "$dir/out" "$dir/big" || fail "cat differs"
expect 0 "$PINFOLD" cp "$pool:/big" "$dir/back"
cmp "$dir/back" "$dir/big" || fail "cp back differs"
expect 0 "$PINFOLD" cp "$pool:/big" "$pool:/again"
expect 0 "$PINFOLD" mv "$pool:/again" "$pool:/small"
expect 0 "$PINFOLD" ls "$pool:/" --json
[ "$(field "sorted(f['name'] for f in d['files'])")" = "['big', 'other name', 'small']" ] || fail "ls: $(cat "$dir/out")"
[ "$(field "[f['size'] for f in d['files'] if f['name'] == 'small'][0]")" = 3000000 ] || fail "mv did not replace"
expect 1 "$PINFOLD" cat "$pool:/nothing"
expect 1 "$PINFOLD" cp "$dir/nothing" "$pool:/"
expect 2 "$PINFOLD" cp "$dir/big" "$dir/elsewhere"
head -c 60000000 /dev/zero >"$dir/toolarge"
expect 1 "$PINFOLD" cp "$dir/toolarge" "$pool:/big"
rm "$dir/toolarge"
expect 0 "$PINFOLD" cat "$pool:/big"
cmp "$dir/out" "$dir/big" || fail "a failed cp changed the file"
expect 1 sh -c '"$1" cat "$2" >/dev/full' sh "$PINFOLD" "$pool:/big"

# a holder
"$PINFOLD" hold "$pool:/big" --longterm --verify --offset 4096 >"$dir/held" &
holder=$!
while ! grep -q held "$dir/held"; do
	kill -0 $holder || fail "hold ended"
done
expect 1 "$PINFOLD" truncate "$pool:/big" 0 --policy try
grep -q "process $holder" "$dir/err" || fail "the holder is not named: $(cat "$dir/err")"
expect 0 "$PINFOLD" truncate "$pool:/big" 1M
expect 0 "$PINFOLD" rm "$pool:/big"
expect 0 "$PINFOLD" who "$pool" --json
[ "$(field "[(h['pid'], h['kind'], h['path'], h['offset']) for h in d['holders']]")" = "[($holder, 'longterm', 'big', 4096)]" ] ||
	fail "who: $(cat "$dir/out")"
[ "$(field "d['orphans'][0]['bytes']")" = 1953792 ] || fail "orphans: $(cat "$dir/out")"
expect 0 "$PINFOLD" who "$pool"
kill -0 $holder || fail "a held byte changed"
kill -9 $holder
wait $holder 2>/dev/null || true
holder=
expect 0 "$PINFOLD" reap "$pool"
expect 0 "$PINFOLD" who "$pool" --json
[ "$(field "len(d['holders']) + len(d['orphans'])")" = 0 ] || fail "after the reap: $(cat "$dir/out")"
expect 0 "$PINFOLD" hold "$pool:/small" --map --for 0.05

# nothing left, nothing wrong
expect 0 "$PINFOLD" rm "$pool:/small" "$pool:/other name"
expect 0 "$PINFOLD" info "$pool" --json
[ "$(field "d['pages']['total'] - d['pages']['free']")" = 0 ] || fail "leak: $(cat "$dir/out")"
expect 0 "$PINFOLD" info "$pool"
expect 0 "$PINFOLD" fsck "$pool" --json
[ "$(field "d['clean']")" = True ] || fail "fsck: $(cat "$dir/out")"
expect 0 "$PINFOLD" fsck "$pool" --live
expect 0 "$PINFOLD" recover "$pool"
[ "$(ls "$dir" | grep -c '^pinfold-')" = 0 ] || fail "a runtime was left"

# not a pool
echo "no pool" >"$dir/text"
expect 1 "$PINFOLD" info "$dir/text"
expect 1 "$PINFOLD" fsck "$dir/small"
truncate -s 16M "$dir/zeros"
expect 1 "$PINFOLD" info "$dir/zeros"
grep -q "not a pinfold pool" "$dir/err" || fail "$(cat "$dir/err")"

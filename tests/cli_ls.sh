#!/bin/sh
# ls: names, hidden ones, details, trees, one file, as text and as JSON; mv --exchange; trees from pool to pool; names in the way of others.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
umask 022
p=$dir/p
q=$dir/q
expect 0 mkfs "$p" --size 32M
expect 0 mkfs "$q" --size 32M

# lines LINE...: the output, without the times and owners of -l
lines()
{
	sed -E 's/^(..........) +([0-9]+) +[^ ]+ +[^ ]+ +([0-9]+) +([0-9.]+ (K|M)?i?B)  [-0-9]+T[0-9:]+Z  /\1 \2 \3 \4 /' "$dir/out" >"$dir/is"
	printf '%s\n' "$@" >"$dir/wanted"
	diff "$dir/wanted" "$dir/is" >&2 || fail "ls"
}

for path in "$p" "$p:/"; do
	expect 0 ls "$path"
	[ ! -s "$dir/out" ] || fail "an empty pool"
done
expect 0 mkdir -p "$p:/b/c" "$p:/a"
echo text >"$dir/text"
expect 0 cp "$dir/text" "$p:/b/x"
expect 0 cp "$dir/text" "$p:/.hidden"
expect 0 ln -s "$p:/b" "$p:/to-b"
expect 0 ln "$p:/b/x" "$p:/a/y"
expect 0 chmod 750 "$p:/b"
expect 0 ls "$p"
lines a/ b/ to-b
expect 0 ls -a "$p"
lines .hidden a/ b/ to-b
expect 0 ls -l "$p:/"
lines 'drwxr-xr-x 2 1 0 B a/' 'drwxr-x--- 3 2 0 B b/' 'lrwxrwxrwx 1 2 0 B to-b -> /b'
expect 0 ls -l "$p:/b/"
lines 'drwxr-xr-x 2 0 0 B c/' '-rw-r--r-- 2 5 4.0 KiB x'
expect 0 ls "$p:/to-b"
lines c/ x
expect 0 ls -l "$p:/to-b"
lines 'lrwxrwxrwx 1 2 0 B /to-b -> /b'
expect 0 ls -d "$p:/b"
lines /b/
expect 0 ls -ld "$p"
lines 'drwxrwxrwt 4 4 0 B /'
expect 0 ls --recursive --all "$p"
lines /: .hidden a/ b/ to-b '' /a: y '' /b: c/ x '' /b/c:
expect 0 ls "$p:/b/x"
lines /b/x
expect 1 ls "$p:/b/x/"
complains 'not a directory'
expect 1 ls "$p:/nothing" --json
[ ! -s "$dir/out" ] || fail "JSON of nothing"

# JSON: all names, paths with -R, types and targets
expect 0 ls --json "$p"
field_is "[f['name'] for f in j['files']]" "['.hidden', 'a', 'b', 'to-b']"
field_is "[f['type'] for f in j['files']]" "['file', 'directory', 'directory', 'link']"
field_is "[f.get('target') for f in j['files']]" "[None, None, None, '/b']"
field_is "[f['nlink'] for f in j['files']]" "[1, 2, 3, 1]"
expect 0 ls -R --json "$p"
field_is "sorted(f['name'] for f in j['files'])" "['.hidden', 'a', 'a/y', 'b', 'b/c', 'b/x', 'to-b']"
expect 0 ls -R --json "$p:/b"
field_is "[f['name'] for f in j['files']]" "['c', 'x']"

# names change places; from pool to pool
expect 0 mv --exchange "$p:/a" "$p:/b/x"
expect 0 ls -R "$p"
lines /: a b/ to-b '' /b: c/ x/ '' /b/c: '' /b/x: y
expect 1 mv --exchange "$p:/a" "$p:/nothing"
expect 1 mv --exchange "$p:/b" "$p:/b/x"
expect 0 cp -r "$p:/" "$q:/copy"
expect 0 cp -r "$p:/b" "$q:/copy/b" "$q:/"
expect 0 ls -R --json "$q:/copy"
field_is "sorted(f['name'] for f in j['files'])" "['.hidden', 'a', 'b', 'b/c', 'b/x', 'b/x/y', 'to-b']"
expect 0 ls -R "$q:/b"
lines /b: c/ x/ '' /b/c: '' /b/x: y
expect 1 mv "$p:/b" "$q:/"
complains 'another pool'
expect 1 ln "$p:/a" "$q:/a"
complains 'another pool'
expect 0 fsck "$p"
expect 0 fsck "$q"

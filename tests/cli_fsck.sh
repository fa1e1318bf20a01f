#!/bin/sh
# fsck: damaged media gives exit code 1 and names rules, also as JSON; media that is no pool, or too short; recover.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p

expect 0 mkfs "$p" --size 16M
head -c 100000 /dev/urandom >"$dir/file"
expect 0 cp "$dir/file" "$p:/a-name-to-be-found"
expect 0 fsck "$p"
says '^clean$'
sum=$(sha256sum <"$p")
expect 0 fsck "$p" --json
[ "$(sha256sum <"$p")" = "$sum" ] || fail "fsck changed the media"

# a name on the media is changed: the inode that has it is not what its checksum says
cp "$p" "$dir/damaged"
at=$(grep -abo a-name-to-be-found "$dir/damaged" | tail -1 | cut -d: -f1)
printf X | dd of="$dir/damaged" bs=1 seek="$at" conv=notrunc 2>/dev/null
expect 1 fsck "$dir/damaged"
says '^[a-z]+: '
expect 1 fsck "$dir/damaged" --json
field_is "j['schema'], j['live'], j['clean'], len(j['violations']) > 0" "(1, False, False, True)"
field_is "all(v['rule'] and v['text'] for v in j['violations'])" True
expect 0 fsck "$p"

# no superblock; half a pool
cp "$p" "$dir/none"
dd if=/dev/zero of="$dir/none" bs=4096 count=32 conv=notrunc 2>/dev/null
code=0
pinfold fsck "$dir/none" >"$dir/out" 2>"$dir/err" || code=$?
[ $code = 1 ] || fail "fsck without superblock: $code"
expect 1 info "$dir/none"
cp "$p" "$dir/half"
truncate -s 8M "$dir/half"
expect 1 fsck "$dir/half"
expect 1 info "$dir/half"
complains 'shorter than the pool'

# a pool that lost its runtime: said, and recovered by force only
holds "$p:/a-name-to-be-found" --map
kill -9 "$holder"
ends "$holder" 137
rm "$dir"/pinfold-*
expect 1 info "$p"
complains 'recover --force'
expect 1 recover "$p"
expect 0 recover --force "$p"
expect 0 cat "$p:/a-name-to-be-found"
same "$dir/out" "$dir/file"
expect 0 info "$p" --json
field_is "j['pages']['orphan'], j['processes']" "(0, 1)"
expect 0 fsck "$p"

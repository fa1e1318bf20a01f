#!/bin/sh
# mkdev makes devices of a fixed size, which stat and ls tell of, and cp writes onto without resizing; compact says how much free memory is in whole pieces.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p
expect 0 mkfs "$p" --size 32M

# what it makes
expect 0 mkdev "$p:/blocks" 4M
expect 0 stat "$p:/blocks"
says '^size  *4194304, 4.0 MiB in memory$'
says '^device  *aligned to 2.0 MiB$'
expect 0 mkdev "$p:/pages" 20K 4K
expect 0 stat --json "$p:/pages"
field_is "[(f['size'], f['device']) for f in j['files']]" "[(20480, 4096)]"
head -c 20K /dev/zero >"$dir/zeros"
expect 0 cat "$p:/pages"
same "$dir/zeros" "$dir/out"
echo text >"$dir/text"
expect 0 cp "$dir/text" "$p:/file"
expect 0 ls --json "$p"
field_is "sorted((f['name'], f.get('device', 0)) for f in j['files'])" "[('blocks', 2097152), ('file', 0), ('pages', 4096)]"

# what it does not
expect 1 mkdev "$p:/pages" 20K 4K
complains 'has a file of this name already'
expect 1 mkdev "$p:/x" 3M
complains 'a device of 3145728 bytes at a multiple of 2097152'
expect 1 mkdev "$p:/x" 24K 8K
complains '4 KiB, 2 MiB or 1 GiB, not 8192'
expect 1 mkdev "$p:/x" 64M
complains 'no free memory of this size and alignment in one piece'
for size in 0 ring 4X; do
	expect 2 mkdev "$p:/x" $size
	complains "^pinfold: mkdev: '$size' is not a size"
done
expect 2 mkdev "$p:/x" 2M large
complains "^pinfold: mkdev: 'large' is not a size"
expect 1 stat "$p:/x"

# its size stays
expect 1 truncate "$p:/pages" 10
complains "a device's size and its pages never change"
expect 0 truncate "$p:/pages" 20K
expect 1 punch "$p:/pages"
complains "a device's size and its pages never change"

# bytes go over those that are there
head -c 20K /dev/urandom >"$dir/wanted"
expect 0 stat --json "$p:/pages"
inode=$(field "j['files'][0]['inode']")
expect 0 cp "$dir/wanted" "$p:/pages"
expect 0 cat "$p:/pages"
same "$dir/wanted" "$dir/out"
expect 0 cp "$dir/text" "$p:/pages"
dd if="$dir/text" of="$dir/wanted" conv=notrunc status=none
expect 0 cat "$p:/pages"
same "$dir/wanted" "$dir/out"
head -c 20481 /dev/urandom >"$dir/long"
expect 1 cp "$dir/long" "$p:/pages"
complains '/pages is a device of 20480 bytes, and does not grow'
expect 0 cat "$p:/pages"
same "$dir/wanted" "$dir/out"
expect 0 stat --json "$p:/pages"
field_is "(j['files'][0]['inode'], j['files'][0]['size'], j['files'][0]['device'])" "($inode, 20480, 4096)"
expect 0 cp "$p:/pages" "$dir/copy"
same "$dir/wanted" "$dir/copy"

expect 0 compact "$p"
says '^moved [0-9.]+ [KMG]?i?B; free in whole pieces of 2 MiB: [0-9.]+ MiB before, [0-9.]+ MiB after$'
expect 0 compact --json "$p"
field_is "j['schema'], j['whole_after'] >= j['whole_before'] > 0, j['moved'] >= 0" "(1, True, True)"
expect 1 compact "$p.no"
expect 0 rm "$p:/pages" "$p:/blocks"
expect 0 fsck "$p"

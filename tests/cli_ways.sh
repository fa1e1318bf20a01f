#!/bin/sh
# Every way into a pool gives the same bytes: sizes around pages and 2 MiB, holes, nothing at all; -v says the way; a killed copy leaves no name.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p
disk=$(mktemp -d ./cli_ways.XXXXXX) # on a disk, if the build is
trap 'rm -rf "$disk"; clean_up' EXIT

expect 0 mkfs "$p" --size 64M
expect 0 info "$p" --json
free=$(field "j['pages']['free']")
head -c 9000000 /dev/urandom >"$dir/bytes"
for size in 0 1 4095 4096 4097 8192 1048575 1048576 2097151 2097152 2097153 4194304 4198401 9000000; do
	head -c "$size" "$dir/bytes" >"$disk/$size"
done
truncate -s 7000001 "$disk/hole"
truncate -s 6000000 "$disk/holes"
for at in 0 300 1000; do
	dd if="$dir/bytes" of="$disk/holes" bs=4096 seek=$at count=$((at + 1)) conv=notrunc status=none
done
sync "$disk"/* # what is not written yet cannot leave the page cache
for way in auto disk cached copy; do
	for file in "$disk"/*; do
		expect 0 cp -v --way $way "$file" "$p:/file"
		cp "$dir/out" "$dir/way"
		expect 0 cat "$p:/file"
		same "$dir/out" "$file"
		cp "$dir/way" "$dir/out"
		case $way:${file##*/} in
		copy:* | *:0 | *:1 | *:4095 | *:hole) says ": copied$" ;;
		cached:*) says ': read from the page cache into pinned pages$|: copied$' ;;
		auto:4097) says ': copied$' ;;
		esac
		# grown over what was read, it goes on with zeros
		expect 0 truncate "$p:/file" 9500000
		expect 0 cat "$p:/file"
		{ cat "$file"; head -c 9500000 /dev/zero; } | head -c 9500000 | cmp - "$dir/out" || fail "$file, grown"
	done
done
expect 0 rm "$p:/file"
expect 0 info "$p" --json
field_is "j['pages']['free']" "$free"
expect 2 cp --way nowhere "$disk/1" "$p:/"

# killed while it reads
for way in disk cached copy; do
	for try in 1 2 3 4 5; do
		"$PINFOLD" cp --way $way "$disk/9000000" "$disk/4198401" "$disk/4194304" "$p:/" &
		victim=$!
		kill -9 $victim || :
		wait $victim || :
		for name in 9000000 4198401 4194304; do
			code=0
			pinfold cat "$p:/$name" >"$dir/out" 2>/dev/null || code=$?
			[ $code = 1 ] || same "$dir/out" "$disk/$name"
		done
		expect 0 rm -f "$p:/9000000" "$p:/4198401" "$p:/4194304"
	done
done
expect 0 reap "$p"
expect 0 fsck "$p"
says '^clean$'

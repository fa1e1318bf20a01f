#!/bin/sh
# Every way into a pool, out of it and within gives the same bytes: sizes around sectors, pages, 1 and 2 MiB, tails that are not aligned, holes everywhere; -v says the way; holes stay.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p
disk=$(mktemp -d ./cli_ways.XXXXXX) # on a disk, if the build is
trap 'rm -rf "$disk"; clean_up' EXIT

expect 0 mkfs "$p" --size 96M
expect 0 mkfs "$dir/q" --size 64M
expect 0 info "$p" --json
free=$(field "j['pages']['free']")
head -c 5000000 /dev/urandom >"$dir/bytes"
mkdir "$disk/in"
for size in 0 1 511 512 513 4095 4096 4097 131071 131072 131073 1048575 1048576 1048577 2097151 2097152 2097153 4194304 4198401; do
	head -c "$size" "$dir/bytes" >"$disk/in/$size"
done

# holes NAME SIZE PAGE...: a file of that size with data in these pages alone
holes()
{
	file=$disk/in/$1
	truncate -s "$2" "$file"
	shift 2
	for page; do
		dd if="$dir/bytes" of="$file" bs=4096 seek="$page" skip="$page" count=1 conv=notrunc status=none
	done
}
holes all-hole 7000001
holes hole-first 3000000 700 731 732
holes hole-middle 3000000 0 1 731 732
holes hole-last 3000000 0 1 2
truncate -s 3000000 "$disk/in/hole-middle" # its last page is not whole
holes holes 2500000 0 30 31 100 300 610
truncate -s 5000001 "$disk/in/hole-large" # pieces that are large enough to be read from disk
dd if="$dir/bytes" of="$disk/in/hole-large" bs=65536 seek=2 count=40 conv=notrunc status=none
dd if="$dir/bytes" of="$disk/in/hole-large" bs=65536 seek=60 count=10 conv=notrunc status=none
sync "$disk"/in/* # what is not written yet cannot leave the page cache

evict()
{
	python3 -c 'import os, sys
for path in sys.argv[1:]:
    f = os.open(path, os.O_RDONLY)
    os.posix_fadvise(f, 0, 0, os.POSIX_FADV_DONTNEED)' "$@"
}

# way_of NAME: what -v said of the file
way_of()
{
	sed -n "s,^'.*/$1' -> '.*/$1': ,,p" "$dir/said"
}

# told HOW NAME...
told()
{
	how=$1
	shift
	for name; do
		[ "$(way_of "$name")" = "$how" ] || { cp "$dir/said" "$dir/out"; fail "way $way: $name: '$(way_of "$name")', not '$how'"; }
	done
}

nothing='0 all-hole'
tiny='1 511 512 513 4095'
small='4096 4097 131071'
large='131072 131073 1048575 1048576 1048577 2097151 2097152 2097153 4194304 4198401 hole-large'
sparse='hole-first hole-middle hole-last holes'
from_disk='read from disk into pinned pages'
evict "$disk/in/1048576"
expect 0 cp -v --way disk "$disk/in/1048576" "$p:/"
grep -q "$from_disk" "$dir/out" || { echo "skip: files here cannot be read past the page cache"; from_disk=copied; }
expect 0 rm "$p:/1048576"

for way in disk cached copy auto warm; do
	asked=$way
	case $way in
	auto) evict "$disk"/in/* ;;
	warm) asked=auto && cat "$disk"/in/* >/dev/null ;;
	esac
	expect 0 cp -rv --way $asked "$disk/in" "$p:/"
	cp "$dir/out" "$dir/said"
	told copied $nothing $tiny
	case $way in
	disk) told "$from_disk" $small $large $sparse ;;
	cached) told 'read from the page cache into pinned pages' $small $large $sparse ;;
	auto) told copied $small $sparse && told "$from_disk" $large ;;
	copy | warm) told copied $small $large $sparse ;;
	esac
	grep -q "^'$disk/in' -> '/in'$" "$dir/said" || fail "no line of the directory"
	trees=$p:/in
	if [ $way = disk ]; then
		trees="$p:/in $p:/within $dir/q:/"
		expect 0 cp -rv "$p:/in" "$p:/within"
		cp "$dir/out" "$dir/said"
		told copied $nothing
		told 'copied from page to page' $tiny $small $large $sparse
		expect 0 cp -r "$p:/in/." "$dir/q:/"
	fi
	for tree in $trees; do
		rm -rf "$dir/host"
		expect 0 cp -rv "$tree" "$dir/host"
		cp "$dir/out" "$dir/said"
		told copied $nothing
		told 'written from pinned pages' $tiny $small $large $sparse
		diff -r "$disk/in" "$dir/host" >&2 || fail "way $way: $tree"
		# holes: as much memory as there is data, in the pool and out of it
		expect 0 stat --json "${tree%/}/all-hole" "${tree%/}/holes" "${tree%/}/hole-first" "${tree%/}/hole-last" "${tree%/}/hole-large"
		field_is "[f['allocated'] for f in j['files']]" "[0, 24576, 12288, 12288, 3276800]"
		(cd "$dir/host" && stat -c %b all-hole holes hole-first) >"$dir/blocks"
		[ "$(echo $(cat "$dir/blocks"))" = "0 48 24" ] || fail "holes are filled"
	done
	# grown over what was read, they go on with zeros
	for name in 1 513 4097 1048577 4198401 hole-last; do
		for tree in $trees; do
			expect 0 truncate "${tree%/}/$name" 5100000
			expect 0 cat "${tree%/}/$name"
			{ cat "$disk/in/$name"; head -c 5100000 /dev/zero; } | head -c 5100000 | cmp - "$dir/out" || fail "$tree/$name, grown"
		done
	done
	expect 0 rm -rf "$p:/in" "$p:/within"
	expect 0 info "$p" --json
	field_is "j['pages']['free']" "$free"
done
expect 2 cp --way nowhere "$disk/in/1" "$p:/"

# symbolic links with -r, and other names with -a, have their lines, too; a pipe its own
mkdir "$disk/kinds"
echo text >"$disk/kinds/a"
ln "$disk/kinds/a" "$disk/kinds/b"
ln -s a "$disk/kinds/c"
expect 0 cp -av "$disk/kinds" "$p:/"
sed "s,$disk/,," "$dir/out" >"$dir/said"
printf "%s\n" "'kinds' -> '/kinds'" "'kinds/a' -> '/kinds/a': copied" \
	"'kinds/b' -> '/kinds/b': another name of a file copied before" "'kinds/c' -> '/kinds/c'" >"$dir/wanted"
same "$dir/said" "$dir/wanted"
expect 0 cp -av "$p:/kinds" "$dir/"
says "^'/kinds/a' -> '$dir/kinds/a': written from pinned pages$"
says "^'/kinds/b' -> '$dir/kinds/b': another name of a file copied before$"
says "^'/kinds/c' -> '$dir/kinds/c'$"
expect 0 cp -v /dev/stdin "$p:/piped" <"$disk/kinds/a"
expect 0 cp -vr "$disk/kinds" "$p:/" # what was there has no line of its own
[ "$(wc -l <"$dir/out")" = 3 ] || fail "three lines"
expect 0 fsck "$p"

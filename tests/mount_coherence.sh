#!/bin/sh
# What others change, through the library or another mount, is seen through a mount, however long the kernel may keep what it knows.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
. "$PF_SOURCE_DIR/tests/lib/mount.sh"

# until COMMAND...: within some seconds it succeeds.
until_true()
{
	end=$(($(date +%s) + 5))
	until "$@"; do
		[ "$(date +%s)" -lt $end ] || fail "not seen: $*"
	done
}
has_size() { [ "$(stat -c %s "$m/$1")" = "$2" ]; }
is_gone() { ! stat "$m/$1" >/dev/null 2>&1; }

expect 0 mkfs "$p" --size 64M
long=entry_timeout=10000,attr_timeout=10000
mounts "$p" "$m" -o $long
n=$dir/n
mkdir "$n"
expect 0 mount "$p" "$n" -o $long
children="$children $(server_of "$n")"

# attributes, without an open: the kernel is told
echo 12345 >"$m/f"
has_size f 6 || fail "size"
expect 0 truncate "$p:/f" 3
until_true has_size f 3

# bytes: the very next open has them, though size and name stay
printf 'old bytes' >"$m/g"
cat "$m/g" "$n/g" >/dev/null
stat "$m/g" >/dev/null
printf 'new bytes' | dd of="$n/g" conv=notrunc status=none
read -r line <"$m/g" || : # which asks for no attributes, as cat does
[ "$line" = 'new bytes' ] || fail "$line"
for i in 1 2 3 4 5 6 7 8 9; do
	printf "byte no $i" | dd of="$n/g" conv=notrunc status=none
	[ "$(cat "$m/g")" = "byte no $i" ] || fail "$i: $(cat "$m/g")"
	printf "back no $i" | dd of="$m/g" conv=notrunc status=none
	[ "$(cat "$n/g")" = "back no $i" ] || fail "$i: $(cat "$n/g")"
done

# a file that takes another's name: the very next open finds it
echo new >"$dir/new"
for i in 1 2 3; do
	echo "old $i" >"$m/h"
	cat "$m/h" >/dev/null
	expect 0 cp "$dir/new" "$p:/tmp"
	expect 0 mv "$p:/tmp" "$p:/h"
	[ "$(cat "$m/h")" = new ] || fail "$i: $(cat "$m/h")"
done

# a name that was not there
is_gone late || fail "late"
expect 0 cp "$dir/new" "$p:/late"
until_true stat "$m/late" >"$dir/out" 2>&1
same "$m/late" "$dir/new"

# names that go
stat "$m/late" >/dev/null
expect 0 rm "$p:/late"
until_true is_gone late
mkdir "$m/dir"
echo a >"$m/dir/a"
stat "$m/dir/a" >/dev/null
expect 0 mv "$p:/dir" "$p:/moved"
until_true is_gone dir/a
[ "$(cat "$m/moved/a")" = a ] || fail "moved"

# mapped pages, of a file that stays open
python3 - "$m/g" "$n/g" <<'END' || fail "mapped"
import mmap, sys, time
with open(sys.argv[1], "rb") as reader, open(sys.argv[2], "r+b", buffering=0) as writer:
    memory = mmap.mmap(reader.fileno(), 4, prot=mmap.PROT_READ)
    for round in range(3):
        new = b"map%d" % round
        assert memory[:] != new
        writer.seek(0)
        writer.write(new)
        end = time.monotonic() + 5
        while memory[:] != new:
            if time.monotonic() > end:
                sys.exit(1)
END

# what is read of the pool is read, for the time of access
head -c 300000 /dev/urandom >"$dir/much"
expect 0 cp "$dir/much" "$p:/much"
touch -a -d @5 "$m/much"
same "$dir/much" "$m/much"
[ "$(stat -c %X "$m/much")" != 5 ] || fail "the time of access"

# appends from both sides: each is whole, and in the end both see the same
append()
{
	i=0
	while [ $i -lt 300 ]; do
		echo "$2 $i ..............................................................."
		i=$((i + 1))
	done >>"$1"
}
append "$m/log" m &
one=$!
append "$n/log" n &
two=$!
wait $one
wait $two
same "$m/log" "$n/log"
expect 0 cat "$p:/log"
same "$dir/out" "$m/log"
[ "$(grep -cE '^[mn] [0-9]+ \.+$' "$m/log")" = 600 ] || fail "lines"
[ "$(sort -u "$m/log" | wc -l)" = 600 ] || fail "lines twice"

unmounts
fusermount3 -u "$n"
expect 0 fsck "$p" --live

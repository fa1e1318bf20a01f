#!/bin/sh
# The kernel keeps what a directory had and which names were not there, and hears of it when others change the directory.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
. "$PF_SOURCE_DIR/tests/lib/mount.sh"

# seen NAME: within some seconds it is there.
seen()
{
	end=$(($(date +%s) + 5))
	until [ -e "$m/$1" ]; do
		[ "$(date +%s)" -lt $end ] || fail "not seen: $1"
	done
}
absent() { [ ! -e "$m/$1" ] || fail "there: $1"; }

expect 0 mkfs "$p" --size 64M
long=entry_timeout=10000,attr_timeout=10000,negative_timeout=10000
mounts "$p" "$m" -o $long
n=$dir/n
mkdir "$n"
expect 0 mount "$p" "$n" -o $long
children="$children $(server_of "$n")"
echo content >"$dir/file"
mkdir "$m/d" "$m/d/sub"
echo 1 >"$m/d/old"
sleep_a_tick() { python3 -c 'import time; time.sleep(0.05)'; }

# It is kept: who serves the mount is stopped and yet there is an answer.
sleep_a_tick
cat >"$dir/kept.py" <<'END'
import os, signal, sys, time
top, server = sys.argv[1], int(sys.argv[2])
fd = os.open(top + "/d", os.O_RDONLY)
names = sorted(os.listdir(fd))
assert names == ["old", "sub"], names
assert sorted(os.listdir(fd)) == names # which asks for the time of access, by fstat()
assert not os.path.exists(top + "/d/none")
os.kill(server, signal.SIGSTOP)
while " T " not in open("/proc/%d/stat" % server).read():
    pass
assert not os.path.exists(top + "/d/none")
assert sorted(os.listdir(fd)) == names
END
kept=0
timeout 5 python3 "$dir/kept.py" "$m" "$server" || kept=$?
kill -CONT "$server"
[ $kept = 0 ] || fail "not kept: $kept"

# Names that others make, by each way; the directory's attributes, which the kernel has asked for meanwhile, are no hint.
absent d/created
expect 0 cp "$dir/file" "$p:/d/created"
stat "$m/d" "$m/d/sub" >/dev/null
seen d/created
[ "$(cat "$m/d/created")" = content ] || fail "created"
absent d/made
expect 0 mkdir "$p:/d/made"
seen d/made
absent d/moved
absent d/created2
expect 0 mv "$p:/d/created" "$p:/d/moved"
seen d/moved
absent d/linked
ln "$n/d/moved" "$n/d/linked"
seen d/linked
absent d/by_other
echo x >"$n/d/by_other"
seen d/by_other
absent d/sub/moved
mv "$n/d/moved" "$n/d/sub/moved"
seen d/sub/moved
absent root
mkdir "$n/root"
seen root

# The mount's own changes between: what it made itself hides nothing that others make.
absent d/theirs
: >"$m/d/ours"
mv "$m/d/ours" "$m/d/ours2"
rm "$m/d/ours2"
absent d/ours
absent d/ours2
expect 0 cp "$dir/file" "$p:/d/theirs"
seen d/theirs
: >"$m/d/ours"
[ -e "$m/d/ours" ] || fail "ours"
rm "$m/d/ours"
absent d/ours
expect 0 cp "$dir/file" "$p:/d/ours"
seen d/ours

# More names than are remembered: the kernel believes none that it could not be told of.
i=0
while [ $i -lt 300 ]; do
	absent d/many$i
	i=$((i + 1))
done
expect 0 cp "$dir/file" "$p:/d/many299"
expect 0 cp "$dir/file" "$p:/d/many0"
seen d/many299
seen d/many0

# A listing: the very next open of the directory has what others made and took away.
i=0
while [ $i -lt 8 ]; do
	ls "$m/d/sub" >/dev/null
	[ $((i % 2)) = 0 ] || sleep_a_tick
	ls "$m/d/sub" >/dev/null
	if [ $((i % 4)) -lt 2 ]; then
		: >"$n/d/sub/listed"
		ls "$m/d/sub" | grep -qx listed || fail "not listed: $i"
	else
		rm -f "$n/d/sub/listed"
		! ls "$m/d/sub" | grep -qx listed || fail "still listed: $i"
	fi
	i=$((i + 1))
done

unmounts
fusermount3 -u "$n"
expect 0 fsck "$p" --live

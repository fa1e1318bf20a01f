#!/bin/sh
# A mount's life: it shows as what it is, ends cleanly, leaves files whole when it is killed, and says what is wrong when it cannot be.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
. "$PF_SOURCE_DIR/tests/lib/mount.sh"
expect 0 mkfs "$p" --size 64M

# up, in use, and down: what was written is in the pool
mounts "$p" "$m"
[ "$(findmnt -n -o SOURCE,FSTYPE "$m" | tr -s ' ')" = "$p fuse.pinfold" ] || fail "$(findmnt "$m")"
expect 0 info "$p" --json
field_is "j['processes']" 2
total=$(field "j['pages']['total'] * 4")
[ "$(df --output=source,size "$m" | tail -1 | tr -s ' ')" = "$p $total" ] || fail "$(df "$m")"
mkdir "$m/d"
echo hello >"$m/d/a"
expect 0 cat "$p:/d/a"
says '^hello$'
unmounts
expect 0 fsck "$p"

# options before, between and behind operands
for order in "-o ro $p $m" "$p -o ro,noatime $m" "$p $m -oro"; do
	mounts $order
	findmnt -n -o OPTIONS "$m" | grep -q '^ro,' || fail "$order: $(findmnt "$m")"
	! (: >"$m/new") 2>"$dir/err" || fail "written"
	complains 'Read-only'
	unmounts
done
mounts -o uid=61000 -o gid=61001 "$p" "$m"
echo new >"$m/new"
[ "$(stat -c %u:%g "$m/d" "$m/new" | sort -u)" = 61000:61001 ] || fail "$(ls -ln "$m")"
unmounts
expect 0 stat "$p:/new" --json
field_is "j['files'][0]['uid'], j['files'][0]['gid']" '(61000, 61001)'

# SIGTERM: what the kernel still has of mapped pages is written first; the process in the foreground ends with 0
"$PINFOLD" mount -f "$p" "$m" 2>"$dir/err" &
server=$!
children="$children $server"
until mountpoint -q "$m"; do
	kill -0 "$server" || fail "no mount in the foreground"
done
python3 - "$m/d/a" "$server" <<'END'
import mmap, os, signal, sys
memory = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 5)
memory[:] = b"HELLO"
os.kill(int(sys.argv[2]), signal.SIGTERM)
try:
    while " Z " not in open(f"/proc/{sys.argv[2]}/stat").read():
        pass
except OSError:
    pass
END
ends "$server" 0
! mountpoint -q "$m" || fail "still mounted"
expect 0 cat "$p:/d/a"
says '^HELLO$'

# killed: write() had returned, so the bytes are there; who has a file open gets errors, and is not stuck; the next mount clears what is left
mounts "$p" "$m"
exec 9>"$m/d/b"
head -c 3M /dev/urandom >"$dir/bytes"
cat "$dir/bytes" >&9
kill -9 "$server"
gone "$server"
! echo more >&9 2>/dev/null || fail "written to a dead mount"
exec 9>&-
! ls "$m" 2>/dev/null || fail "a dead mount lists"
mounts "$p" "$m"
same "$m/d/b" "$dir/bytes"
expect 0 fsck "$p" --live

# a second one at the same place is refused, at another it is not; so is a place with something in it
expect 1 mount "$p" "$m"
complains 'a pool is mounted there already'
mkdir "$dir/n"
expect 0 mount "$p" "$dir/n"
echo two >"$m/two"
same "$dir/n/two" "$m/two"
fusermount3 -u "$dir/n"
unmounts
mkdir "$m/x"
expect 1 mount "$p" "$m"
complains "$m: the directory is not empty.*nonempty"
mounts "$p" "$m" -o nonempty
unmounts
rmdir "$m/x"

# what cannot be
expect 1 mount "$p" "$dir/absent"
complains "$dir/absent: No such file or directory"
expect 1 mount "$p" "$dir/bytes"
complains "$dir/bytes: Not a directory"
expect 1 mount "$dir/nopool" "$m"
complains "$dir/nopool: No such file or directory"
expect 1 mount "$dir/bytes" "$m"
complains "not a pinfold pool"
expect 2 mount "$p" "$m" -o ro,writeback
complains "'writeback' is not an option"
expect 2 mount "$p" "$m" -o attr_timeout=long
complains "attr_timeout=long"
expect 2 mount "$p"
complains "too few operands"
! mountpoint -q "$m" || fail "mounted all the same"
[ -z "$(server_of "$m")" ] || fail "a process is left"

# built without libfuse3
mkdir "$dir/bin"
cp "$PINFOLD" "$dir/bin/pinfold"
code=0
LD_LIBRARY_PATH=$PF_BUILD_DIR "$dir/bin/pinfold" mount "$p" "$m" 2>"$dir/err" || code=$?
[ $code = 1 ] || fail "exit code $code without pinfold-fuse"
complains 'libfuse3-dev'

if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
	echo "skip: fstab and a machine without /dev/fuse want root"
	exit 0
fi

# by a line in fstab
mkdir "$dir/sbin"
cp "$PF_BUILD_DIR/mount.pinfold" "$dir/sbin"
echo "$p $m pinfold ro,allow_other,nofail,x-systemd.automount 0 0" >"$dir/fstab"
PINFOLD=$PINFOLD unshare -m sh -eu -c '
	mount --bind "$1/sbin" /usr/sbin
	mount -T "$1/fstab" "$1/m"
	findmnt -n -o FSTYPE,OPTIONS "$1/m"
	cat "$1/m/d/a"
	umount "$1/m"' sh "$dir" >"$dir/out" 2>"$dir/err" || fail "by fstab"
says '^fuse.pinfold  *ro,.*allow_other'
says '^HELLO$'

# an ordinary user, with a device that everybody may open; and where there is none
mkdir "$dir/dev" "$dir/u" "$dir/u/m"
cat >"$dir/ordinary" <<'END'
set -eu
export PINFOLD_RUNTIME_DIR="$1/u"
cd "$1/u"
"$PINFOLD" mkfs p --size 16M
"$PINFOLD" mount p m
findmnt -n -o OPTIONS "$1/u/m"
echo mine >m/a
ls -ln m/a
! "$PINFOLD" mount p /usr || exit 1
fusermount3 -u m
"$PINFOLD" cat p:/a
END
chown -R 65534:65534 "$dir/u"
unshare -m sh -c 'mount -t tmpfs none "$1/dev" && mknod "$1/dev/null" c 1 3 && : >"$1/dev/null"' sh "$dir" 2>/dev/null || {
	echo "skip: an ordinary user's mount wants a /dev of its own"
	exit 0
}
code=0
unshare -m sh -eu -c '
	mount -t tmpfs none "$1/dev"
	mkdir "$1/dev/shm"
	mknod -m 666 "$1/dev/null" c 1 3
	mknod -m 666 "$1/dev/fuse" c 10 229
	mount --bind /dev/shm "$1/dev/shm"
	mount --rbind "$1/dev" /dev
	setpriv --reuid 65534 --regid 65534 --clear-groups sh "$1/ordinary" "$1"
	rm /dev/fuse
	"$PINFOLD" mount "$1/p" "$1/m" || exit 55' sh "$dir" >"$dir/out" 2>"$dir/err" || code=$?
[ $code = 55 ] || fail "as an ordinary user: $code"
says 'user_id=65534'
says '^-rw-r--r-- 1 65534 65534 5 '
says '^mine$'
complains 'there is no /dev/fuse'

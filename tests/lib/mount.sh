# For tests of the mount, after cli.sh: a pool $p, a mount point $m; mounts that go with the test.
p=$dir/p
m=$dir/m

skip()
{
	echo "skip: $*"
	exit 77
}

[ -x "$PF_BUILD_DIR/pinfold-fuse" ] || skip "built without libfuse3"
(: <>/dev/fuse) 2>/dev/null || skip "/dev/fuse cannot be used here"

unmount_all()
{
	awk -v dir="$dir/" 'index($2, dir) == 1 { print $2 }' /proc/self/mounts | while read -r at; do
		fusermount3 -uzq "$at" || umount -l "$at" || :
	done
	clean_up
}
trap unmount_all EXIT
chmod 755 "$dir"
mkdir "$m"

# server_of DIR: the process that serves it, which has it on its command line.
server_of()
{
	pgrep -f -- "^pinfold-fuse .*$1\$" || :
}

# gone PID: the process has ended, though nobody may have waited for it.
gone()
{
	while [ -d "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; do
		:
	done
}

# mounts ARGUMENT...: it is up; $server is its process.
mounts()
{
	expect 0 mount "$@"
	server=$(server_of "$m")
	[ -n "$server" ] || fail "no process serves $m"
	children="$children $server"
}

unmounts()
{
	fusermount3 -u "$m" || fail "unmount"
	gone "$server"
}

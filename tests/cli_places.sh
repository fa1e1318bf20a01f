#!/bin/sh
# Places that are too small, read-only, somebody else's or not agreed upon: what is wrong there, and what to do, is said; nothing is left behind.
# test: suite=short timeout=60
set -eu
mounted=${1:-}
[ -z "$mounted" ] || mount -t tmpfs -o size=64M none /dev/shm # as containers have it
. "$PF_SOURCE_DIR/tests/lib/cli.sh"

# ---- mounts, in a namespace of its own ----
if [ -n "$mounted" ]; then
	unset PINFOLD_RUNTIME_DIR
	mkdir $dir/ro $dir/big
	trap "umount -q $dir/ro $dir/big; clean_up" EXIT
	mount -t tmpfs -o size=64M none $dir/big
	p=/dev/shm/pool
	expect 1 mkfs $p --size 1G
	complains '1024 MiB wanted, its file system has 6[34] MiB free: No space left on device; take a smaller --size'
	[ ! -e $p ] || fail "a pool that does not fit is left"
	left=$(df -k --output=avail /dev/shm | tail -n 1)
	expect 0 mkfs $p --size "$((left - 16))K"
	complains 'made, but /dev/shm has less than 1 MiB left for its users. runtime; make it smaller, or set PINFOLD_RUNTIME_DIR'
	expect 1 ls $p
	complains 'no space for the runtime in its directory; enlarge that tmpfs or set PINFOLD_RUNTIME_DIR'
	rm $p
	expect 0 mkfs $p --size 32M
	[ ! -s $dir/err ] || fail "a warning without a reason"
	head -c 40M /dev/zero >$dir/big/large
	expect 1 cp $dir/big/large $p:/
	complains 'KiB wanted, [0-9]+ KiB free, .*the pool is full'
	expect 0 ls $p
	[ ! -s $dir/out ] || fail "half a file"

	expect 1 bench /dev/shm tree
	complains '^pinfold: bench: /dev/shm/pinfold-bench.*: [0-9]+ MiB wanted, its file system has [0-9]+ MiB free: No space left on device$'
	[ -z "$(ls /dev/shm | grep bench)" ] || fail "something of bench is left"

	# read-only
	mount -t tmpfs -o size=64M none $dir/ro
	cp $p $dir/ro/pool
	mount -o remount,bind,ro $dir/ro
	expect 1 mkfs $dir/ro/new --size 8M
	complains 'Read-only file system'
	expect 1 ls $dir/ro/pool
	complains 'Read-only file system; who opens a pool writes into it'
	PINFOLD_RUNTIME_DIR=$dir/ro expect 1 ls $p
	complains 'making the runtime, see PINFOLD_RUNTIME_DIR: Read-only file system'
	exit 0
fi
if unshare -rm true 2>/dev/null; then
	unshare -rm sh "$0" mounted || fail "in a namespace of its own"
else
	echo "skip: mounts, as unshare -rm is not allowed"
fi

# ---- runtime directories ----
p=$dir/p
expect 0 mkfs "$p" --size 16M
echo text >"$dir/file"
expect 0 cp "$dir/file" "$p:/"
mkdir "$dir/other" "$dir/open"
chmod 777 "$dir/open"
for runtime in "$dir/nothing" "$dir/file" "$dir/open"; do
	PINFOLD_RUNTIME_DIR=$runtime expect 1 ls "$p"
	complains "$runtime.*: the runtime directory \(PINFOLD_RUNTIME_DIR\) cannot be used"
done
holds "$p:/file" --map
for command in ls recover info; do
	PINFOLD_RUNTIME_DIR=$dir/other expect 1 $command "$p"
	complains "no $dir/other/pinfold-.*in use through another runtime directory, .*see PINFOLD_RUNTIME_DIR, or 'pinfold recover --force'"
done
cp "$p" "$dir/copy"
expect 1 ls "$dir/copy"
complains "the pool is a copy of one that is in use now; copy a closed pool, or 'pinfold recover --force' the copy"
expect 0 recover --force "$dir/copy"
expect 0 ls "$dir/copy"
says '^file$'
kill -TERM "$holder"
ends "$holder" 0
expect 0 ls "$p"

# ---- somebody else's ----
chmod 755 "$dir"
chmod 600 "$p"
if [ "$(id -u)" != 0 ]; then
	chmod 400 "$p" # of one's own, and it cannot be written
elif ! setpriv --reuid 65534 --regid 65534 --clear-groups "$PINFOLD" --version >/dev/null 2>&1; then
	echo "skip: another user, as there is no setpriv, or nobody may not run $PINFOLD"
	exit 0
fi
pinfold()
{
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid 65534 --regid 65534 --clear-groups env PINFOLD_RUNTIME_DIR=/dev/shm "$PINFOLD" "$@"
	else
		"$PINFOLD" "$@"
	fi
}
expect 1 ls "$p"
complains "Permission denied; it belongs to $(id -un) and has mode [46]00: its file's owner and mode say who may use a pool"
mkdir -m 555 "$dir/closed"
expect 1 mkfs "$dir/closed/pool" --size 8M
complains "Permission denied; you may not make files in $dir/closed, but in /dev/shm"

#!/bin/sh
# The demonstration of "make run": its report has the lines that say that nothing leaked, and it fails if held bytes change; nothing is left.
# test: suite=short timeout=120
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
case $(ldd "$PF_BUILD_DIR/libpinfold.so") in
*libasan* | *libtsan*)
	echo "skip: the demonstration is for builds without sanitizers"
	exit 77
	;;
esac
ninja -C "$PF_BUILD_DIR" --quiet examples/pinfold-run
run=$PF_BUILD_DIR/examples/pinfold-run
mkdir -p "$dir/tree/deep/er"
head -c 300000 /dev/urandom >"$dir/tree/deep/er/large"
for i in 1 2 3 4 5 6 7 8; do
	head -c $((i * 9000)) /dev/urandom >"$dir/tree/deep/$i"
done
: >"$dir/tree/empty"
ln -s er/large "$dir/tree/deep/link"
ln -s /nowhere "$dir/tree/dangling"
chmod 750 "$dir/tree/deep/er"

code=0
"$run" "$dir/tree" 2 "$dir/scratch" >"$dir/out" 2>"$dir/err" || code=$?
[ $code = 0 ] || fail "exit code $code"
for line in 'rules violated: 0' 'bytes that differed from the source: 0' 'leaked pages: 0' 'pages freed early: 0'; do
	grep -qx "$line" "$dir/out" || fail "no line '$line'"
done
says '10 files, 0.6 MiB, in 3 directories, and 2 symbolic links copied into the pool'
says 'put back whole: 14 names, and compared'
[ ! -e "$dir/scratch" ] || fail "the scratch file is left"

# interrupted: it ends soon, says so, and leaves nothing either
: >"$dir/out" # what the last one said
"$run" "$dir/tree" 100 "$dir/scratch" >>"$dir/out" 2>"$dir/err" &
demo=$!
children="$children $demo"
until grep -q '^pool: ' "$dir/out"; do
	kill -0 $demo 2>/dev/null || fail "it ended"
done
kill -TERM $demo
ends $demo 1
says '^Interrupted'
[ ! -e "/dev/shm/pinfold-run.$demo" ] || fail "its pool is left"
[ ! -e "$dir/scratch" ] || fail "the scratch file is left"

code=0
"$run" "$dir/nothing" 1 "$dir/scratch" >"$dir/out" 2>"$dir/err" || code=$?
[ $code = 1 ] || fail "a source that is not there: exit code $code"
complains 'nothing: No such file'

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
says '^  copied  *10 files, 2 directories, 2 symbolic links: 6[0-9]*.0 KiB in '
says '^  killed  *[1-9][0-9]* processes; [1-9][0-9]* of them held something: '
says '^  came back  *all of it: whoever was alive gave it back'
says 'then all was put back, and its 14 names compared'
# who held what, as a table: each line a process, a kind of hold, memory, a file
says '^    PID COMMAND  *KIND  *KEEPS  FILE$'
sed -n '/^    PID/,/^$/p' "$dir/out" | sed 1d | grep -v '^ *and [0-9]* more$\|^$' >"$dir/table"
[ -s "$dir/table" ] || fail "an empty table"
! grep -vE '^ *[0-9]+ run-(reader|changer|disk) +(map|pin|longterm|read) +[1-9][0-9.]* [KMG]iB  .' "$dir/table" || fail "a line of the table"
says 'Then process [0-9]+ was killed; [0-9.]+ ms later the others had given its [0-9.]+ [KM]iB back'
killed=$(sed -n 's/.*Then process \([0-9]*\) was killed.*/\1/p' "$dir/out")
grep -q "^ *$killed run-.*<- killed next$" "$dir/table" || fail "process $killed is not in the table"
[ ! -e "$dir/scratch" ] || fail "the scratch file is left"

# interrupted: it ends soon, says so, and leaves nothing either
: >"$dir/out" # what the last one said
"$run" "$dir/tree" 100 "$dir/scratch" >>"$dir/out" 2>"$dir/err" &
demo=$!
children="$children $demo"
until grep -q '^  copied ' "$dir/out"; do
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

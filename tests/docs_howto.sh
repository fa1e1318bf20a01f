#!/bin/sh
# The programs in docs/howto/ compile without warnings and do what their pages say.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
command -v cc >/dev/null || { echo "skip: no compiler"; exit 77; }
if nm -D "$PF_BUILD_DIR/libpinfold.so" | grep -qE '__(asan|tsan)_'; then
	echo "skip: the library has a sanitizer, which programs have to be linked with"
	exit 77
fi

# program PAGE [LIBRARY]: the block of C in docs/howto/PAGE.md, compiled
program()
{
	sed -n '/^```c$/,/^```$/p' "$PF_SOURCE_DIR/docs/howto/$1.md" | grep -v '^```' >"$dir/$1.c"
	cc -std=gnu11 -Wall -Wextra -Werror -I"$PF_SOURCE_DIR/include" "$dir/$1.c" -o "$dir/$1" -L"$PF_BUILD_DIR" -lpinfold ${2:-} ||
		fail "$1.c"
}

export LD_LIBRARY_PATH="$PF_BUILD_DIR"
p=$dir/pool
expect 0 mkfs "$p" --size 64M

program publish
for text in first "second and longer" ""; do
	code=0
	"$dir/publish" "$p" current "$text" 2>"$dir/err" || code=$?
	if [ -n "$text" ]; then
		[ $code = 0 ] || fail publish
		expect 0 cat "$p:/current"
		[ "$(cat "$dir/out")" = "$text" ] || fail "published $text"
	else
		[ $code = 1 ] || fail "published nothing"
	fi
done
expect 0 stat --json "$p:/current"
field_is "j['files'][0]['nlink']" 1

program io -luring
head -c 10000001 /dev/urandom >"$dir/from"
code=0
"$dir/io" "$p" "$dir/from" loaded >"$dir/out" 2>"$dir/err" || code=$?
if [ $code = 77 ] || grep -q 'Cannot allocate memory' "$dir/err"; then
	echo "io_uring is not to be had here: $(cat "$dir/out" "$dir/err")"
else
	[ $code = 0 ] || fail io
	expect 0 cat "$p:/loaded"
	same "$dir/out" "$dir/from"
fi

program windows
"$dir/windows" "$p" >"$dir/out" || fail windows
printf 'near 11, far -1\nnear 11, far 22\nnear 11, far -1\n' | diff - "$dir/out" || fail "windows: what is there"
expect 0 fsck "$p"

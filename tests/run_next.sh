#!/bin/sh
# What "make run" prints to be typed next works as it is printed, in a shell that stands anywhere, twice, and shows holder and truncation.
# test: suite=short timeout=120
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
case $(ldd "$PF_BUILD_DIR/libpinfold.so") in
*libasan* | *libtsan*)
	echo "skip: the demonstration is for builds without sanitizers"
	exit 77
	;;
esac

# run SOURCE: the demonstration, and the commands that it prints in $dir/next
run()
{
	(cd "$PF_SOURCE_DIR" && BUILD="$PF_BUILD_DIR" SRC="$1" WORK=0.3 POOL="$dir/pool" sh scripts/run.sh) >"$dir/out" 2>"$dir/err" || fail "make run"
	says '^All is well'
	sed -n '/^Now with files of your own/,$s/^  //p' "$dir/out" >"$dir/next"
	[ "$(wc -l <"$dir/next")" = 10 ] || fail "commands: $(cat "$dir/next")"
}

# follow NAME: types them, and sees what they were to show: a hold of that file, whose bytes have left it, and nobody after the kill
follow()
{
	mkdir -p "$dir/elsewhere"
	(cd "$dir/elsewhere" && exec bash -u "$dir/next") >"$dir/out" 2>"$dir/err" || fail "$(cat "$dir/next")"
	! grep -v Killed "$dir/err" >&2 || fail "messages"
	says '^held$'
	says "^ *[0-9]+ pinfold  *longterm .* $1$"
	says "^held, but no longer in a file:$"
	says "iB  of $1$"
	says '^reaped 1 killed process'
	[ "$(tail -n 1 "$dir/out")" = 'nobody holds anything' ] || fail "the end"
	[ ! -e "$dir/pool" ] || fail "the pool is left"
}

# a directory of one's own, with a name that a shell would take apart
mkdir -p "$dir/it's mine/sub"
head -c 300000 /dev/urandom >"$dir/it's mine/sub/a b"
head -c 3000 /dev/urandom >"$dir/it's mine/small"
run "$dir/it's mine"
follow "it's mine/sub/a b"
follow "it's mine/sub/a b"

# what is there already is not touched: another path is printed; and where there is nothing to hold it is docs/
mkdir "$dir/tree"
: >"$dir/tree/empty"
: >"$dir/pool"
run "$dir/tree"
grep -q "^pinfold mkfs $dir/pool-2 " "$dir/next" || fail "a pool's path that is taken: $(cat "$dir/next")"
grep -qxF "pinfold cp -r $PF_SOURCE_DIR/docs $dir/pool-2:/" "$dir/next" || fail "docs/: $(cat "$dir/next")"

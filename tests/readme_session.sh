#!/bin/sh
# The session in README.md prints what README.md says, but for numbers, times and who it is; and a second time, too.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
cd "$PF_SOURCE_DIR"

# The block, with this test's directories for /dev/shm and build.
awk '/^```/ { inside = 0 } /^\$ PATH=/ { inside = 1 } inside' README.md | sed "s#/dev/shm#$dir#g; s#\$PWD/build#$PF_BUILD_DIR#" >"$dir/session"
[ "$(grep -c '^\$ ' "$dir/session")" -gt 10 ] || fail "no session"

# What is typed next waits for what the one in the background says.
sed -n 's/^\$ //p' "$dir/session" | sed "s#&\$#\\&\nuntil grep -q '^held' '$dir/printed'; do :; done#" >"$dir/script"

normal()
{
	sed -E "s/[0-9]+/N/g; s/\\b($(id -un)|$(id -gn)|me|root)\\b/NAME/g; s/ +/ /g" "$1"
}

grep -v '^\$ ' "$dir/session" >"$dir/said"
for time in 1 2; do
	: >"$dir/printed"
	bash "$dir/script" >>"$dir/printed" 2>"$dir/err" || :
	! grep -v Killed "$dir/err" >&2 || fail "messages"
	normal "$dir/said" >"$dir/said.normal"
	normal "$dir/printed" >"$dir/printed.normal"
	diff "$dir/said.normal" "$dir/printed.normal" >&2 || fail "< README.md, > printed"
done
[ ! -e "$dir/pool" ] || fail "the pool is left"

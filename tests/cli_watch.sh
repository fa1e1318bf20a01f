#!/bin/sh
# pinfold watch prints what came, went and was replaced, and ends when it is told to.
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/pool
expect 0 mkfs "$p" --size 16M
expect 0 mkdir "$p:/d"
expect 0 touch "$p:/d/old" "$p:/new"

# watch LINES OPTION...: it has begun, that is, it has printed the line for a file made again and again
watch()
{
	: >"$dir/seen"
	"$PINFOLD" watch "$p:/d" "$@" >"$dir/seen" 2>"$dir/watch.err" &
	watcher=$!
	children="$children $watcher"
	while [ ! -s "$dir/seen" ]; do
		pinfold touch "$p:/d/begin"
		pinfold rm "$p:/d/begin"
		kill -0 $watcher 2>/dev/null || [ -s "$dir/seen" ] || fail "the watcher has ended"
	done
}

# seen PATTERN: the watcher prints a line like it, some time
seen()
{
	while ! grep -q -e "$1" "$dir/seen"; do
		kill -0 $watcher || fail "the watcher has ended without '$1'"
	done
}

watch
expect 0 touch "$p:/d/a"
seen '^+ a$'
expect 0 mv "$p:/new" "$p:/d/old"
seen '^= old$'
expect 0 rm "$p:/d/a"
seen '^- a$'
expect 0 rm -r "$p:/d"
code=0
wait $watcher || code=$?
[ $code = 1 ] || fail "watching a directory that was removed ends with $code"
grep -q 'was removed' "$dir/watch.err" || fail "why watching ended"

expect 0 mkdir "$p:/d"
watch --json
expect 0 touch "$p:/d/json"
seen '"name":"json"'
kill $watcher
wait $watcher 2>/dev/null || :
python3 - "$dir/seen" <<-'END'
	import json, sys
	for line in open(sys.argv[1]):
	    one = json.loads(line)
	    assert sorted(one) == ["event", "inode", "name", "schema"] and one["event"] in ("added", "removed", "replaced"), one
END

watch --once
wait $watcher || fail "--once after a change"
[ "$(wc -l <"$dir/seen")" = 1 ] || fail "--once prints more than the first change"
expect 1 watch "$p:/d" --once --timeout 20
[ ! -s "$dir/out" ] || fail "it saw a change where none was"
expect 0 watch "$p:/d" --timeout 20
expect 1 watch "$p:/d/json"
grep -q 'not a directory' "$dir/err" || fail "what it says of a file"
expect 1 watch "$p:/none"
expect 2 watch "$p:/d" "$p:/d"
echo fine

#!/bin/sh
# Files into a pool, out of it, within and between; a failed, interrupted or killed copy leaves nothing; mv, rm, truncate, punch; names of any bytes.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p
q=$dir/q

free_pages()
{
	expect 0 info "$1" --json
	field "j['pages']['free']"
}

expect 0 mkfs "$p" --size 32M
expect 0 mkfs "$q" --size 32M --sparse
before=$(free_pages "$p")
head -c 3000001 /dev/urandom >"$dir/big"
echo small >"$dir/small"
chmod 640 "$dir/small"
: >"$dir/empty"

# in, listed by name, and out
expect 0 cp "$dir/big" "$dir/small" "$dir/empty" "$p:/"
expect 0 cp "$dir/big" "$p:/other"
expect 0 ls "$p" --json
field_is "j['schema']" 1
field_is "[f['name'] for f in j['files']]" "['big', 'empty', 'other', 'small']"
field_is "[f['size'] for f in j['files']]" "[3000001, 0, 3000001, 6]"
field_is "[f['allocated'] for f in j['files']]" "[3002368, 0, 3002368, 4096]"
field_is "j['files'][3]['mode']" 0640
expect 0 ls "$p:/"
[ "$(wc -l <"$dir/out")" = 4 ] || fail "ls does not show four files"
expect 0 cat "$p:/small" "$p:/big"
cat "$dir/small" "$dir/big" | cmp - "$dir/out" || fail "cat of two files"
mkdir "$dir/to"
expect 0 cp "$p:/big" "$p:/small" "$dir/to"
same "$dir/to/big" "$dir/big"
same "$dir/to/small" "$dir/small"
expect 0 cp "$p:/empty" "$dir/to/renamed"
[ -f "$dir/to/renamed" ] && [ ! -s "$dir/to/renamed" ] || fail "an empty file"
expect 0 cp /dev/stdin "$p:/piped" <"$dir/small"
expect 0 cat "$p:/piped"
same "$dir/out" "$dir/small"

# replaced in one step, within a pool, onto itself, to another pool
expect 0 cp "$dir/small" "$p:/other"
expect 0 cat "$p:/other"
same "$dir/out" "$dir/small"
expect 0 cp "$p:/big" "$p:/copy"
expect 1 cp "$p:/big" "$p:/big"
complains 'are the same file'
ln -s p "$dir/p2"
expect 1 cp "$p:/big" "$dir/p2:/"
complains 'are the same file'
expect 0 cp "$p:/big" "$q:/"
for f in "$p:/copy" "$p:/big" "$q:/big"; do
	expect 0 cat "$f"
	same "$dir/out" "$dir/big"
done

# what fails leaves what was there, and nothing else
kept=$(free_pages "$p")
head -c 40M /dev/zero >"$dir/huge"
expect 1 cp "$dir/huge" "$p:/other"
complains 'the pool is full'
mkdir "$dir/huges"
ln "$dir/huge" "$dir/huges/1"
ln "$dir/huge" "$dir/huges/2"
expect 1 cp -r "$dir/huges/." "$p:/"
[ "$(wc -l <"$dir/err")" = 1 ] || fail "more than one message of a full pool"
expect 1 cp "$dir/nothing" "$p:/other"
expect 1 cp "$dir/to" "$p:/other"
complains 'directory'
expect 1 cp "$dir/small" "$p:/a/b"
expect 1 cp "$p:/nothing" "$dir/to"
expect 1 cp "$p:/big" "$dir/no/such/place"
expect 1 cp "$dir/nothing" "$dir/small" "$p:/"
mkfifo "$dir/pipe"
"$PINFOLD" cp "$dir/pipe" "$p:/other" 2>"$dir/err" &
copier=$!
children="$children $copier"
exec 3>"$dir/pipe"
head -c 1000000 /dev/urandom >&3
while [ "$(free_pages "$p")" = "$kept" ]; do :; done
kill -TERM $copier # (in the background of a script SIGINT is ignored)
ends $copier 1
exec 3>&-
expect 0 ls "$p" --json
field_is "[f['name'] for f in j['files']]" "['big', 'copy', 'empty', 'other', 'piped', 'small']"
[ "$(free_pages "$p")" = "$kept" ] || fail "failed copies keep pages"

# a killed copy leaves nothing either: its file had no name yet
"$PINFOLD" cp "$dir/pipe" "$p:/other" 2>"$dir/err" &
copier=$!
children="$children $copier"
exec 3>"$dir/pipe"
head -c 1000000 "$dir/big" >&3
while [ "$(free_pages "$p")" = "$kept" ]; do :; done
kill -9 $copier
ends $copier 137
exec 3>&-
expect 0 reap "$p"
expect 0 ls -a "$p"
[ "$(wc -l <"$dir/out")" = 6 ] || fail "a killed copy left a name"
[ "$(free_pages "$p")" = "$kept" ] || fail "a killed copy keeps pages"

# an interrupted mkfs leaves no file
"$PINFOLD" mkfs "$dir/new" --size 512M &
maker=$!
children="$children $maker"
until [ -e "$dir/new" ]; do
	kill -0 $maker 2>/dev/null || break
done
kill -INT $maker 2>/dev/null || :
code=0
wait $maker 2>/dev/null || code=$?
case $code in
0) expect 0 fsck "$dir/new" ;; # it was done by then
1) [ ! -e "$dir/new" ] || fail "an interrupted mkfs left a file" ;;
*) fail "an interrupted mkfs ended with $code" ;;
esac
rm -f "$dir/new"

# a pool is not a target: ":/" was forgotten
for pool in "$p" "$q"; do
	expect 1 cp "$p:/small" "$pool"
	complains 'is a pool'
done
# a local path with ":/" in it
mkdir "$dir/odd:"
echo local >"$dir/odd:/name"
(cd "$dir" && pinfold cp ./odd:/name p:/) || fail "a local path with ':/'"
expect 0 cat "$p:/name"
same "$dir/out" "$dir/odd:/name"

# names of any bytes: whole in the pool, readable in tables and JSON
odd=$(printf 'tab\tline\nlatin\351 snow\342\230\203')
expect 0 cp "$dir/small" "$p:/$odd"
expect 0 ls "$p"
says 'tab\?line\?latin'
expect 0 ls "$p" --json
field_is "ascii([f['name'] for f in j['files']][-1])" "'tab\\tline\\nlatin\\ufffd snow\\u2603'"
expect 0 mv "$p:/$odd" "$p:/even"
expect 0 rm "$p:/even"

# mv replaces; across pools it does not go
expect 0 mv "$p:/big" "$p:/other"
expect 0 cat "$p:/other"
same "$dir/out" "$dir/big"
expect 1 cat "$p:/big"
expect 1 mv "$p:/other" "$q:/other"
complains 'use cp -r and rm -r'
expect 1 mv "$p:/nothing" "$p:/other"

# truncate both ways, punch
expect 0 truncate "$p:/other" 10000
expect 0 truncate "$p:/other" 20000
{ head -c 10000 "$dir/big"; head -c 10000 /dev/zero; } >"$dir/wanted"
expect 0 cat "$p:/other"
same "$dir/out" "$dir/wanted"
expect 0 punch "$p:/copy" --offset 100 --length 10000
{ head -c 100 "$dir/big"; head -c 10000 /dev/zero; tail -c +10101 "$dir/big"; } >"$dir/wanted"
expect 0 cat "$p:/copy"
same "$dir/out" "$dir/wanted"

expect 1 rm "$p:/nothing" "$p:/copy"
expect 0 rm "$p:/other" "$p:/empty" "$p:/small" "$p:/name" "$p:/piped"
expect 0 ls "$p"
[ ! -s "$dir/out" ] || fail "files are left"
[ "$(free_pages "$p")" = "$before" ] || fail "pages are not given back"
expect 0 fsck "$p"
expect 0 fsck "$q"

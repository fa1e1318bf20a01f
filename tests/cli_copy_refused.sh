#!/bin/sh
# What cp cannot do it refuses as coreutils do, in words that say what to do, within a pool and across; a pool that fills half way keeps what was whole, and what was there.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/both.sh"

# refused COMPLAINT ARGUMENT...: in a pool as on the host, and nothing changes
refused()
{
	complaint=$1
	shift
	both cp "$@"
	[ "$pool" = 1 ] || fail "cp $*: not refused"
	complains "^pinfold: cp: $complaint\$"
	[ "$(wc -l <"$dir/err")" = 1 ] || fail "more than one line"
}

for where in "$h" "$p:"; do
	run=
	[ "$where" = "$h" ] || run=pinfold
	$run mkdir "$where/d" "$where/d/below" "$where/other" "$where/other/d" "$where/e"
	echo one >"$dir/one"
	for name in a b d/a d/below/a other/b; do
		$run cp "$dir/one" "$where/$name"
	done
	$run ln "$where/a" "$where/hard"
	$run ln -s a "$where/to-a"
	$run ln -s d "$where/to-d"
	$run ln -s nowhere "$where/dangling"
	$run ln -s loop2 "$where/loop1"
	$run ln -s loop1 "$where/loop2"
done
compare the beginning

# onto itself, under any name
refused "'/a' and '/a' are the same file" @a @a
refused "'/a' and '/hard' are the same file" @a @hard
refused "'/a' and '/to-a' are the same file" @a @to-a
refused "'/to-a' and '/a' are the same file" @to-a @a
refused "'/a' and '/d/../a' are the same file" @a @d/../a
refused "'/a' and '//a' are the same file" @a @/a
# a directory into itself (cp(1) makes the first directory and then refuses)
for target in d d/ d/new d/below to-d to-d/below d/below/..; do
	expect 1 cp -r "$p:/d" "$p:/$target"
	complains "^pinfold: cp: cannot copy a directory, '/d', into itself, '/.*'$"
	compare "cp -r d $target"
done
expect 1 cp -r "$p:/" "$p:/d/all"
complains "into itself"
compare cp -r / d/all
refused "/d is a directory; -r copies it with what is in it" @d @new
# onto what is something else
refused "cannot overwrite directory '/e' with non-directory" -T @a @e
refused "cannot overwrite non-directory '/a' with directory '/d'" -r @d @a
refused "cannot overwrite non-directory '/a' with directory '/d'" -rT @d @a
refused "several files go to a directory, and '/a' is none" @b @d/a @a
refused "several files go to a directory, and '/nothing' is none" @a @b @nothing
refused "'/nothing/' is no directory; 'pinfold mkdir' makes one in a pool" @a @nothing/
refused "/nothing/x: /nothing/: no such file or directory in the pool.*" @a @nothing/x
refused "/a/x: /a/: a part of the path is not a directory" @b @a/x
# links that lead nowhere
refused "'/dangling' is a symbolic link to 'nowhere', which is not there; -r copies the link itself" @dangling @new
refused "not writing through dangling symbolic link '/dangling'" @a @dangling
refused "/loop1: .*too many symbolic links.*" @loop1 @new
refused "not writing through dangling symbolic link '/loop1'" @a @loop1
both cp -r @dangling @e
both cp -r @loop1 @e
# what is not there, beside what is
both cp @a @nothing @b @e
[ "$pool" = 1 ] || fail "a source that is not there"
complains "^pinfold: cp: /nothing: no such file or directory in the pool"
# two files of one name: the second does not take the first one's place
both cp @a @b @d/a @e
[ "$pool" = 1 ] || fail "two of one name"
complains "^pinfold: cp: '/d/a' is not copied: another source was copied to 'a' just before$"
both cp -r @d @other/d @e
expect 2 cp '' "$p:/"
complains "an operand is empty"
expect 2 cp "$p:/a" ''
expect 1 cp "$p:/a" /dev/full
complains "^pinfold: cp: /dev/full: No space left on device$"
expect 1 cp -r /dev/null "$p:/new"
complains "pipe, socket or device, which a pool cannot have"
mkdir "$dir/no"
expect 1 cp "$p:/a" "$dir/nothing/x"
expect 1 cp "$p:/dangling" "$dir/no"
complains "which is not there"
[ -z "$(ls -A "$dir/no")" ] || fail "something was copied"
compare all of it

# a pool that is full half way: what was whole stays, what was to be replaced stays, no other message, no page lost
q=$dir/q
expect 0 mkfs "$q" --size 16M
expect 0 cp "$dir/one" "$q:/kept"
mkdir "$dir/tree" "$dir/tree/b"
head -c 5000000 /dev/urandom >"$dir/tree/a"
cp "$dir/tree/a" "$dir/tree/b/b"
cp "$dir/tree/a" "$dir/tree/b/c"
cp "$dir/tree/a" "$dir/tree/d"
expect 0 info "$q" --json
free=$(field "j['pages']['free']")
full()
{
	expect 1 cp "$@"
	complains ': the pool is full; it was not copied: remove files, or take a larger pool$'
	[ "$(wc -l <"$dir/err")" = 1 ] || fail "more than one line"
}
full -r "$dir/tree" "$q:/"
complains '/tree/b/c: '
expect 0 ls -R "$q:/tree" --json
field_is "[f['name'] for f in j['files']]" "['a', 'b', 'b/b']"
expect 0 cat "$q:/tree/a"
same "$dir/out" "$dir/tree/a"
expect 0 cat "$q:/tree/b/b"
same "$dir/out" "$dir/tree/a"
full "$q:/tree/a" "$q:/kept"
full "$q:/tree/b/../a" "$dir/tree/a" "$q:/tree/b"
full "$q:/tree/a" "$q:/tree/b/b" # both are there for a while
full -r "$q:/tree" "$q:/tree2"
expect 0 cat "$q:/kept"
same "$dir/out" "$dir/one"
expect 0 rm -r "$q:/tree" "$q:/tree2"
expect 0 info "$q" --json
field_is "j['pages']['free']" "$free"
# from a pipe it is seen late; sparse files where their data has no room
full /dev/zero "$q:/kept"
truncate -s 1G "$dir/sparse"
dd if="$dir/tree/a" of="$dir/sparse" bs=1M seek=10 conv=notrunc status=none
expect 0 cp "$dir/sparse" "$q:/sparse"
expect 0 cp "$q:/sparse" "$q:/kept2"
full "$q:/sparse" "$q:/kept"
expect 0 rm "$q:/sparse" "$q:/kept2"
expect 0 info "$q" --json
field_is "j['pages']['free']" "$free"
# as many files as it can have
expect 0 mkfs "$dir/r" --size 16M --inodes 5
mkdir "$dir/many"
for name in 1 2 3 4 5 6 7 8; do
	echo $name >"$dir/many/$name"
done
expect 1 cp -r "$dir/many" "$dir/r:/"
complains "as many files as it can have \('mkfs --inodes'\)"
[ "$(wc -l <"$dir/err")" = 1 ] || fail "more than one line"
mkdir "$dir/many2"
mkdir "$dir/many2/1" "$dir/many2/2"
expect 1 cp -r "$dir/many2/." "$dir/r:/"
[ "$(wc -l <"$dir/err")" = 1 ] || fail "more than one line"
for pool in "$p" "$q" "$dir/r"; do
	expect 0 fsck "$pool"
done

#!/bin/sh
# The program's usage: help and example of each command, options anywhere, sizes, exit codes 0, 1 and 2, output that cannot be written.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p

expect 0 --help
says 'Example:'
commands=$(sed -n 's/^  \([a-z][a-z]*\)  *[a-z].*/\1/p' "$dir/out" | grep -v pinfold)
[ "$(echo "$commands" | wc -l)" -ge 27 ] || fail "commands: $commands"
for command in $commands; do
	expect 0 "$command" --help
	says "^usage: pinfold $command"
	says "^Example: .*pinfold $command "
	says '^Exit codes: 0 fine, 1 it failed, 2 wrong usage'
	if [ "$command" != bench ]; then # which has none that it needs
		expect 2 "$command"
		complains "^pinfold: $command: too few operands"
		complains "^usage: pinfold $command "
	fi
	expect 2 "$command" --nonsense x
	complains "^pinfold: $command: '--nonsense' is not an option"
	complains "^usage: pinfold $command "
	complains "^'pinfold $command --help' says more$"
	pinfold "$command" --help >"$dir/help"
	expect 0 help "$command"
	same "$dir/out" "$dir/help"
done
expect 0 --version
says '^pinfold [0-9]+\.[0-9]+\.[0-9]+$'
expect 2
says '^usage: pinfold COMMAND'
expect 2 frobnicate
complains "^pinfold: no command 'frobnicate'; 'pinfold --help' has them"
for typed in mkf mkfss mfks hodl whom fsk sl; do
	expect 2 $typed
	complains "^pinfold: no command '$typed'; is it '(mkfs|hold|who|fsck|ls)'?"
done
expect 2 help nothing

# mkfs, and what is no size
expect 2 mkfs "$p"
complains '--size'
for size in '' ' ' '1 ' 0 -1 +1 1X 1KK 1.5G 0x10 99999999999999999999 16777216T 1KiBs; do
	expect 2 mkfs "$p" --size "$size"
	complains "is not a value"
done
expect 2 mkfs "$p" --size
complains 'wants a value'
expect 1 mkfs "$p" --size 1M
complains 'size'
[ ! -e "$p" ] || fail "a refused mkfs left a file"
expect 0 mkfs --size=32M "$p" --inodes 50
expect 1 mkfs "$p" --size 32M
complains '^pinfold: mkfs: .*something at this path'

# options before and after operands, abbreviated, and operands that look like options
expect 0 info --json "$p"
cp "$dir/out" "$dir/first"
expect 0 info "$p" --js
field_is "j['pages'] == json.load(open('$dir/first'))['pages']" True
echo text >"$dir/-x"
(cd "$dir" && pinfold cp -- -x p:/) || fail "an operand that begins with '-'"
expect 0 cat "$p:/-x"
same "$dir/out" "$dir/-x"

# sizes with their units
for pair in 0:0 1:1 4095:4095 1k:1024 3K:3072 2m:2097152 2M:2097152 1MiB:1048576 1G:1073741824 1T:1099511627776; do
	expect 0 truncate "$p:/-x" "${pair%:*}"
	expect 0 ls --json "$p"
	field_is "j['files'][0]['size']" "${pair#*:}"
done

expect 2 truncate "$p:/-x" many
expect 2 truncate "$p:/-x" 1 --policy perhaps
expect 2 hold "$p:/-x"
expect 2 hold "$p:/-x" --map --pin
expect 2 hold "$p:/-x" --map --for ever
expect 2 cat "$p"
complains "is not POOL:/path"
expect 2 cp "$dir/-x" "$dir/y"
for command in mkdir rmdir rm stat readlink touch 'chmod 644' 'chown 0' 'attr list' 'truncate -- 1'; do
	expect 2 $command "$dir"
done
expect 2 mv "$p:/-x" "$dir"
expect 2 mv --exchange "$p:/-x" "$p:/-x" "$p:/"
expect 2 chmod u+q "$p:/-x"
expect 2 chmod 8 "$p:/-x"
expect 2 chmod 17777 "$p:/-x"
expect 2 mkdir -m rwx "$p:/d"
expect 2 mkdir -pm
complains 'wants a value'
expect 2 ls -lx "$p"
complains "'-x' is not an option"
expect 2 chown no-such-user "$p:/-x"
expect 2 chown 0:no-such-group "$p:/-x"
for date in now 2026 2026-13-01T00:00:00 @ @x 2026-01-31T12:00:00+1; do
	expect 2 touch -d "$date" "$p:/-x"
done
expect 2 attr show "$p:/-x"
expect 2 attr get "$p:/-x"
expect 2 attr list "$p:/-x" more
expect 2 attr flag "$p:/-x" sticky

# the same operands, but not as they are used
expect 1 cp "$dir/-x" "$dir/-x" "$p:/one-name"
expect 1 cp "$p:/" "$dir/y"
complains 'is a directory; -r copies it'
expect 1 rm "$p:/"
expect 0 ls "$p:/-x"
says '^/-x$'

# what is not there, or no pool
expect 1 cat "$p:/nothing"
complains '^pinfold: cat: /nothing: no such file or directory in the pool; .pinfold ls .*/p:/. lists what is there$'
expect 1 info "$dir/nothing"
complains 'No such file'
expect 1 info "$dir/-x"
complains 'not a pinfold pool'
expect 1 fsck "$dir/-x"

# output that does not reach anybody
for command in "ls $p" "info $p" "info $p --json" "who $p" "who $p --json" "cat $p:/-x" "ls -lR $p" "stat $p:/-x" "stat $p:/-x --json" "cp --help" "fsck $p" "reap $p" --help --version; do
	code=0
	pinfold $command >/dev/full 2>"$dir/err" || code=$?
	[ $code = 1 ] || fail "$command to a full device: $code"
	complains 'standard output: No space left'
	code=0
	pinfold $command >&- 2>"$dir/err" || code=$?
	[ $code = 1 ] || fail "$command without standard output: $code"
	complains 'standard output: Bad file descriptor'
done
pinfold info "$p" <&- >&- 2>&- || :
expect 0 fsck "$p"
says '^clean$'

#!/bin/sh
# What a newcomer does wrong: each mistake ends with its exit code, changes nothing, and its message says what is wrong and what to do.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
cd "$dir"

expect 0 mkfs p --size 16M
mkdir docs empty
echo text >docs/file
echo more >file
head -c 32M /dev/zero >large
: >nothing-in-it
expect 0 cp -r docs p:/
cp p short && truncate -s 8M short
cp p cut && truncate -s 100 cut
name=$(printf 'a%.0s' $(seq 256))

# CODE | COMMAND | what the message has to say, each between ' & ' (patterns of grep -E). In the directory there are the pool p with
# /docs/file, directories docs and empty, ordinary files file and nothing-in-it.
table()
{
	cat <<'END'
# the command
2 | | POOL:/path
2 | fsk p | no command 'fsk'; is it 'fsck'
2 | copy a b | no command 'copy'; 'pinfold --help' has them
2 | help copy | no command 'copy'
2 | ls --jsn p | '--jsn' is not an option & ^usage: pinfold ls & pinfold ls --help
2 | ls -x p | '-x' is not an option & ^usage: pinfold ls
2 | who | too few operands & ^usage: pinfold who POOL
2 | rm | too few operands & ^usage: pinfold rm
2 | who p extra | too many operands: 'extra' & ^usage: pinfold who POOL
2 | cp file | too few operands & ^usage: pinfold cp & ^       pinfold cp .*POOL:/path... FILE
# making a pool
2 | mkfs new | --size says how large & --size 1G
2 | mkfs new 64M | too many operands: '64M' & --size SIZE
2 | mkfs new --size | --size wants a value & ^usage: pinfold mkfs
2 | mkfs new --size 64Q | '64Q' is not a value for --size & K, M, G, T
2 | mkfs new --size 0 | '0' is not a value for --size
2 | mkfs new --size -5 | '-5' is not a value for --size
2 | mkfs new --size lots | 'lots' is not a value for --size
1 | mkfs new --size 1M | 1048576 bytes, of at least 8 MiB & a pool of this size cannot be made
1 | mkfs new --size 900T | MiB wanted, its file system has [0-9]+ MiB free
1 | mkfs new --size 2000T | of at least 8 MiB and at most 1024 TiB
1 | mkfs new --size 16M --inodes 20M | 20971520 inodes, of at most 16777216
2 | mkfs new --size 16M --durability no | 'no' is not a value for --durability & volatile
1 | mkfs p --size 16M | p: there is something at this path already; remove it first & it is a pool: 'pinfold ls p'
1 | mkfs file --size 16M | file: there is something at this path already; remove it first
1 | mkfs docs --size 16M | docs is a directory; a pool is one file, as docs/pool
1 | mkfs new/ --size 16M | a pool is one file, as new/pool
1 | mkfs p:/ --size 16M | p is a pool already
1 | mkfs no/such/pool --size 16M | no/such/pool: No such file or directory; there is no directory no/such
1 | mkfs $name --size 16M | File name too long
# a pool that is none
1 | info nothing | nothing: No such file or directory; 'pinfold mkfs nothing --size 1G' makes a pool
1 | info no/such/pool | there is no directory no/such
1 | ls docs | docs: Is a directory; a pool is one file
1 | fsck docs | a pool is one file
1 | who file | file has [0-9]+ bytes: this is not a pinfold pool; make one with 'pinfold mkfs'
1 | ls nothing-in-it | has 0 bytes: this is not a pinfold pool
1 | ls large | this is not a pinfold pool
1 | cp file file:/x | this is not a pinfold pool
1 | cp file docs:/x | docs: Is a directory; a pool is one file
1 | cp file nothing:/x | 'pinfold mkfs nothing --size 1G' makes a pool
1 | info short | 8388608 of 16777216 bytes: the device is shorter than the pool on it
1 | info cut | this is not a pinfold pool
# the colon
1 | ls p/docs | p/docs: Not a directory; write p:/docs
1 | ls p:docs | p:docs: No such file or directory; write p:/docs
1 | ls p: | write p:/
1 | who p:/docs | who takes the pool alone: p
1 | reap p:/ | reap takes the pool alone: p
1 | fsck p:/docs | fsck takes the pool alone: p
1 | info p/docs | info takes the pool alone: p
2 | cat p | 'p' is not POOL:/path; it is a pool, and what is in it is p:/
2 | cat p/docs/file | 'p/docs/file' is not POOL:/path; write p:/docs/file
2 | cat p:docs/file | write p:/docs/file
2 | cat file | 'file' is not POOL:/path; what is in a pool is written as in /dev/shm/pool:/models/a.bin
2 | rm -r p | it is a pool, and what is in it is p:/
2 | truncate p 0 | it is a pool
2 | hold p --map | it is a pool
2 | hold p/docs/file --map | write p:/docs/file
2 | cp -r docs p | neither 'docs' nor 'p' is POOL:/path; it is a pool, and what is in it is p:/
2 | cp file p/x | neither 'file' nor 'p/x' is POOL:/path; write p:/x
2 | cp file p: | neither 'file' nor 'p:' is POOL:/path; write p:/
2 | cp file copy | neither 'file' nor 'copy' is POOL:/path; what is in a pool
2 | mv file p:/x | 'file' is not POOL:/path
2 | mkdir p/new | write p:/new
# what is not in the pool, or something else
1 | cat p:/docs/flie | /docs/flie: no such file or directory in the pool; 'pinfold ls p:/docs' lists
1 | cat p:/no/such/file | 'pinfold ls p:/' lists
1 | hold p:/nothing --map | no such file or directory in the pool; 'pinfold ls p:/' lists
1 | ls p:/nothing | 'pinfold ls p:/' lists
1 | rm p:/nothing | 'pinfold ls p:/' lists
1 | mv p:/nothing p:/x | 'pinfold ls p:/' lists
1 | cp p:/nothing copy | 'pinfold ls p:/' lists
1 | cp nothing p:/ | nothing: No such file or directory
1 | cp file p:/no/such/ | '/no/such/' is no directory; 'pinfold mkdir' makes one
1 | cp file p:/no/such/x | /no/such/: no such file or directory in the pool; 'pinfold ls p:/' lists
1 | cat p:/docs | it is a directory
1 | cat p:/docs/file/x | a part of the path is not a directory
1 | cp docs p:/ | docs is a directory; -r copies it
1 | rm p:/docs | /docs is a directory; -r removes it
1 | rmdir p:/docs | the directory is not empty
1 | mkdir p:/docs | the pool has a file of this name already
1 | mkdir p:/$name | a name in a path has at most 255 bytes
1 | cp large p:/ | KiB wanted, [0-9]+ KiB free, .*: the pool is full
1 | truncate p:/docs 0 | it is a directory
2 | truncate p:/docs/file 1Q | '1Q' is not a size
1 | mv p:/docs p:/docs/x | cannot move '/docs' into itself
# holding, asking for
2 | hold p:/docs/file | one of --map, --window, --pin and --longterm says how to hold
2 | hold p:/docs/file --map --for ever | 'ever' is not a value for --for
1 | hold p:/docs/file --map --offset 1M | 0 bytes at 1048576 of a file of 5: the range is empty
2 | evict p | either --pid says whose holds, or --all; 'pinfold who p' shows them
2 | evict p --all --pid 1 | either --pid says whose holds, or --all; 'pinfold who p' shows them
2 | evict p --pid mine | 'mine' is not a value for --pid
1 | evict p --pid 1 | ^pinfold: evict: process 1 does not have the pool open
2 | attr get p:/docs/file | get: too few operands
1 | attr get p:/docs/file user.x | /docs/file has no attribute user.x; 'pinfold attr list' has all
1 | attr set p:/docs/file version 1 | version is no name for an attribute: one begins with 'user.'
# measuring
1 | bench files | files: No such file or directory; the first operand is the directory for pools
1 | bench file | file: Not a directory; the first operand is the directory
2 | bench . nonsense | ^pinfold: bench: nonsense is not a subject & ^subjects: .*lookup
END
}

# All that is there, less what the test writes itself.
present()
{
	find . -not -name out -not -name err -not -name table | sort
}

tried=0
table | grep -v '^#' >"$dir/table"
before=$(present)
while IFS= read -r line; do
	code=${line%% | *}
	line=${line#* | }
	command=${line%% | *}
	words=${line#* | }
	[ "$command" != "$line" ] || command= words=${line#| }
	wanted=$code code=0
	eval "pinfold $command" >"$dir/out" 2>"$dir/err" </dev/null || code=$?
	[ "$code" = "$wanted" ] || fail "pinfold $command: exit code $code, not $wanted"
	if [ -z "$command" ]; then # the help is what is wanted
		says "$words"
		continue
	fi
	[ ! -s "$dir/out" ] || fail "pinfold $command: an error on standard output"
	while [ -n "$words" ]; do
		word=${words%% & *}
		complains "$word" || fail "pinfold $command"
		[ "$word" != "$words" ] || break
		words=${words#* & }
	done
	[ "$(grep -c '^pinfold: ' "$dir/err")" = 1 ] || fail "pinfold $command: not one message"
	tried=$((tried + 1))
done <"$dir/table"
[ "$tried" -gt 90 ] || fail "only $tried tried"

# nothing was made, and the pool is as it was
[ "$(present)" = "$before" ] || fail "something was made: $(present)"
expect 0 ls -R p
[ "$(cat out | tr '\n' ' ')" = "/: docs/  /docs: file " ] || fail "the pool was changed"
expect 0 fsck p

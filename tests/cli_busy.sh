#!/bin/sh
# Commands side by side on the same few files and directories, some of them killed: each succeeds or says why not, and afterwards nothing is wrong or lost.
# test: suite=short timeout=120
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p
seed=${PF_TEST_SEED:-$$}
echo "seed: $seed"
end=$(($(date +%s) + ${PF_TEST_SECONDS:-5}))

# A number below $1 into $n.
choose()
{
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	n=$((seed / 65536 % $1))
}

# A command, of which killed after a few milliseconds some.
maybe_killed()
{
	choose 4
	if [ $n = 0 ]; then
		choose 30
		timeout -s KILL "0.0$((10 + n))" "$PINFOLD" "$@"
	else
		pinfold "$@"
	fi
}

one_command()
{
	choose 5
	f=$p:/$n
	choose 5
	to=$p:/$n
	choose 3
	d=$p:/d$n
	choose 14
	case $n in
	0) maybe_killed cp "$dir/large" "$f" ;;
	1) maybe_killed cp "$dir/small" "$f" ;;
	2) maybe_killed cp "$f" "$to" ;;
	3) maybe_killed mv "$f" "$to" ;;
	4) maybe_killed truncate "$f" $((seed / 65536 % 700 * 4096)) ;; # held bytes are not zeroed
	5) maybe_killed rm "$f" ;;
	6) pinfold hold "$f" --pin --verify --for 0.05 ;;
	7) pinfold who "$p" --json ;;
	8) pinfold fsck "$p" ;;
	9) maybe_killed cp -r "$dir/tree" "$d" ;;
	10) maybe_killed mv "$d" "$p:/d1" ;;
	11) maybe_killed rm -rf "$d" ;;
	12) maybe_killed ln -f "$f" "$to" ;;
	13) pinfold ls -lR "$p" ;;
	esac
}

# What may go wrong here: a file that is not there, empty, with a hole or in pieces, or cut meanwhile; a full pool; a directory
# that another has made, filled or moved meanwhile.
may_be='no such file|the range is empty|has a hole|pool is full|are the same file|has a file of this name|is not empty|itself'
worker()
{
	seed=$((seed + $1))
	while [ "$(date +%s)" -lt $end ]; do
		code=0
		one_command >"$dir/out.$1" 2>"$dir/err.$1" || code=$?
		case $code in
		0 | 137) ;;
		1) grep -qE "$may_be" "$dir/err.$1" || return 1 ;;
		*) return 1 ;;
		esac
	done
}

expect 0 mkfs "$p" --size 64M
expect 0 info "$p" --json
empty=$(field "j['pages']['free'], j['inodes']['free']")
head -c 3000000 /dev/urandom >"$dir/large"
head -c 10000 /dev/urandom >"$dir/small"
mkdir -p "$dir/tree/a/b"
cp "$dir/small" "$dir/tree/a/b"
ln -s a/b "$dir/tree/link"
workers=
for i in 1 2 3 4; do
	worker $i &
	workers="$workers $!"
	children="$children $!"
done
i=0
for worker in $workers; do
	i=$((i + 1))
	wait "$worker" || fail "worker $i: $(cat "$dir/out.$i" "$dir/err.$i")"
done

expect 0 reap "$p"
expect 0 who "$p" --json
field_is "j['holders'], j['orphans'], j['quarantine']" "([], [], 0)"
expect 0 fsck "$p"
expect 0 fsck "$p" --live
expect 0 ls "$p" --json
for name in $(field "' '.join(f['name'] for f in j['files'])"); do
	expect 0 rm -r "$p:/$name"
done
expect 0 info "$p" --json
field_is "j['pages']['free'], j['inodes']['free']" "$empty"

# For tests that run coreutils on tmpfs, in $h, and pinfold in a pool, $p, and compare: both have the same tree.
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p
h=$dir/h
umask 022
expect 0 mkfs "$p" --size 64M
mkdir "$h"

# Name, type, mode, target of a link, size of a file, number of links, of everything below.
host_tree()
{
	(cd "$1" && find . -mindepth 1 \( -type d -printf '%P d %m %n\n' \) -o \( -type l -printf '%P l %l %n\n' \) -o -printf '%P f %m %s %n\n' 2>/dev/null) | sort
}

pool_tree()
{
	pinfold ls -R --json "$1" 2>/dev/null | python3 -c 'import json, sys
for f in json.load(sys.stdin)["files"]:
    mode = f["mode"].lstrip("0") or "0"
    if f["type"] == "directory": print(f["name"], "d", mode, f["nlink"])
    elif f["type"] == "link": print(f["name"], "l", f["target"], f["nlink"])
    else: print(f["name"], "f", mode, f["size"], f["nlink"])' | sort
}

compare()
{
	host_tree "$h" >"$dir/host"
	pool_tree "$p:/" >"$dir/pool"
	diff "$dir/host" "$dir/pool" >&2 || fail "after $*: < coreutils, > pinfold"
}

# both COMMAND ARGUMENT...: with coreutils and with pinfold; @path is a path in either.
both()
{
	host=0 pool=0
	(
		cd "$h"
		for word; do
			shift
			case $word in
			@*) set -- "$@" "./${word#@}" ;;
			*) set -- "$@" "$word" ;;
			esac
		done
		"$@" 2>"$dir/host.err"
	) || host=$?
	(
		for word; do
			shift
			case $word in
			@*) set -- "$@" "$p:/${word#@}" ;;
			*) set -- "$@" "$word" ;;
			esac
		done
		"$PINFOLD" "$@" >"$dir/out" 2>"$dir/err"
	) || pool=$?
	[ "$host" = "$pool" ] || { cat "$dir/host.err"; fail "$*: $host with coreutils, $pool with pinfold"; }
	[ "$pool" = 0 ] || [ -s "$dir/err" ] || fail "$*: no message"
	compare "$@"
}

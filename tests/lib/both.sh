# For tests that run coreutils on tmpfs, in $h, and pinfold in a pool, $p, and compare: both have the same tree.
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p
h=$dir/h
umask 022
expect 0 mkfs "$p" --size 64M
mkdir "$h"

# Name, type and mode, number of links, target of a link or size of a file, of everything below.
host_tree()
{
	(cd "$1" && find . -mindepth 1 \( -type d -printf '%P %M %n\n' \) -o \( -type l -printf '%P %M %n %l\n' \) -o -printf '%P %M %n %s\n' 2>/dev/null) | sort
}

# From "ls -lRa": names without spaces.
pool_tree()
{
	pinfold ls -lRa "$1" 2>/dev/null | awk '
	/^\/.*:$/ { directory = substr($0, 2, length($0) - 2); if (directory != "") directory = directory "/" }
	NF >= 9 {
		sub(/\/$/, "", $9)
		print directory $9, $1, $2 (/^l/ ? " " $11 : /^-/ ? " " $5 : "")
	}' | sort
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

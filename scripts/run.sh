#!/bin/sh
# What "make run" does after the build: the demonstration, on a pool of its own that goes with it; then what to type on files of one's own.
#   SRC=DIRECTORY   whose files are copied in (default /usr/include)
#   WORK=SECONDS    how long processes work and are killed (default 12)
#   POOL=PATH       the pool in what is printed at the end (default /dev/shm/pool, or the next that is not there)
set -eu
BUILD=${BUILD:-build}
SRC=${SRC:-/usr/include}
WORK=${WORK:-12}
ninja -C "$BUILD" --quiet examples/pinfold-run
scratch=$(mktemp "$BUILD/run-scratch.XXXXXX")
trap 'rm -f "$scratch"' EXIT
trap 'exit 1' INT TERM HUP # after the program, which ends by them too
"$BUILD/examples/pinfold-run" "${SRC%/}" "$WORK" "$scratch"

# For the shell: in quotes if it needs them.
quoted()
{
	case $1 in
	*[!A-Za-z0-9_./+,@%=:-]*) printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")" ;;
	*) printf %s "$1" ;;
	esac
}

# The largest file below $1; none if all are empty.
largest()
{
	find "$1" -type f -size +0 -readable -printf '%s %P\n' | grep -v ':/' | sort -n | tail -n 1 | cut -d ' ' -f 2-
}

# What $1 needs as a pool, in MiB: twice that, in powers of 2.
pool_size()
{
	wanted=$(($(du -sk "$1" 2>/dev/null | cut -f 1) / 512))
	mib=64
	while [ $mib -lt "$wanted" ]; do
		mib=$((mib * 2))
	done
	echo $mib
}

# The directory that was given, if it may be copied as it is; otherwise docs/. Beside the pool there is its runtime.
free=$(df -k /dev/shm | awk 'NR == 2 { print int($4 / 1024) - 8 }')
own=$(cd "$SRC" && pwd)
hint=
if [ "$SRC" = /usr/include ]; then
	hint="'make run SRC=DIRECTORY' does and prints the same with a directory of yours; "
elif [ "$own" = / ] || [ -z "$(largest "$own")" ] || [ "$(pool_size "$own")" -gt "$free" ]; then
	hint="($own is too large for /dev/shm, or has no file to hold.) "
fi
[ -z "$hint" ] || own=$(cd "$(dirname "$0")/../docs" && pwd)
size=$(pool_size "$own")
[ "$size" -le "$free" ] || size=16
pool=${POOL:-/dev/shm/pool}
i=1
while [ -e "$pool" ]; do
	i=$((i + 1))
	pool=${POOL:-/dev/shm/pool}-$i
done
name=$(basename "$own")
file=$(quoted "$pool:/$name/$(largest "$own")")
directory=$(quoted "$pool:/$name")
root=$(quoted "$pool:/")
pool=$(quoted "$pool")
cat <<END

Now with files of your own: a pool, a directory into it, a process that holds a file, another that truncates it, and who has what; then
the holder is killed, and its memory comes back. This works as it is, from anywhere:

  PATH=$(quoted "$(cd "$BUILD" && pwd)"):\$PATH
  pinfold mkfs $pool --size ${size}M
  pinfold cp -r $(quoted "$own") $root
  pinfold ls -l $directory
  pinfold hold $file --longterm & sleep 1
  pinfold truncate $file 0
  pinfold who $pool
  kill -9 \$!; wait \$!; pinfold reap $pool
  pinfold who $pool
  rm $pool

${hint}'pinfold --help' has all commands, README.md the library.
END

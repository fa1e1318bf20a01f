#!/bin/sh
# Configures a build directory, and configures it again when source files came or went, a test's
# tags changed, or the options are others than last time. Quick and silent when nothing changed.
#
#   configure.sh DIR [meson options, e.g. -Db_sanitize=thread]
set -eu
export LC_ALL=C
dir=$1
shift
here=$(cd "$(dirname "$0")/.." && pwd)

now=$(echo "$@"; sh "$here/scripts/sources.sh" all)
again=
if [ -f "$dir/build.ninja" ]; then
	[ "$now" = "$(cat "$dir/configured-for" 2>/dev/null)" ] && exit 0
	again=--reconfigure
fi
mkdir -p "$dir"
echo "configuring $dir"
meson setup $again "$@" "$dir" "$here" >"$dir/configure.log" 2>&1 || {
	cat "$dir/configure.log" >&2
	exit 1
}
grep WARNING "$dir/configure.log" >&2 || true
echo "$now" >"$dir/configured-for"

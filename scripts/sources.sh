#!/bin/sh
# Says which files belong to what: the tree decides, so that a new file needs no list edited.
#
#   sources.sh lib|cli|fuse|fixtures|bench   file names, sorted, relative to the meson.build that asks
#   sources.sh tests                    "FILE suite=S timeout=N root=R parallel=P", one per line
#   sources.sh cpu CPU                  the same, of those that run on another CPU (tests/cpu/tests)
#   sources.sh all                      all of the above: changes when the build must be configured again
#
# A test may say how it wants to be run in a comment in its first ten lines:
#   test: suite=short|long|torture|fuzz timeout=SECONDS root=yes|no parallel=yes|no
# What it does not say is suite=short timeout=60 root=no parallel=yes.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."

# The files among the arguments: a pattern that matches nothing is left as it is by the shell.
existing()
{
	for f; do
		[ -f "$f" ] && echo "$f"
	done
	return 0
}

tests()
{
	(cd tests && existing *.c *.sh) | while read -r f; do
		awk -v file="$f" '
		function fail(why) { print "tests/" file ":" NR ": " why > "/dev/stderr"; bad = 1; exit 1 }
		BEGIN { v["suite"] = "short"; v["timeout"] = 60; v["root"] = "no"; v["parallel"] = "yes" }
		NR > 10 { exit }
		match($0, /^[\/ *#]*test:[ \t]/) {
			n = split(substr($0, RLENGTH + 1), w, /[ \t]+/)
			for (i = 1; i <= n; i++) {
				if (w[i] == "" || w[i] == "*/")
					continue
				if (split(w[i], kv, "=") != 2 || !(kv[1] in v))
					fail("unknown tag " w[i])
				v[kv[1]] = kv[2]
			}
			if (v["suite"] !~ /^(short|long|torture|fuzz)$/)
				fail("suite is short, long, torture or fuzz, not " v["suite"])
			if (v["timeout"] !~ /^[1-9][0-9]*$/)
				fail("timeout is a number of seconds, not " v["timeout"])
		}
		END {
			if (!bad)
				print file, "suite=" v["suite"], "timeout=" v["timeout"],
				      "root=" v["root"], "parallel=" v["parallel"]
			exit bad
		}' "tests/$f" || exit 1
	done
}

# The lines of tests() that tests/cpu/tests chooses for a CPU.
cpu_tests()
{
	tests | awk -v cpu="$1" '
	BEGIN {
		while ((getline line < "tests/cpu/tests") > 0) {
			n = split(line, w)
			if (w[1] == "not" && (w[3] == cpu || w[3] == "all"))
				out[w[2]] = 1
			for (i = 2; w[1] == "run" && i <= n; i++) {
				gsub(/\*/, ".*", w[i])
				run = run "|" w[i]
			}
		}
		run = "^(" substr(run, 2) ")\\.c$"
	}
	$1 ~ run && !(substr($1, 1, length($1) - 2) in out)'
}

case $1 in
lib)	(cd src && existing */*.c) | grep -Ev '^(cli|fuse)/' || true ;;
cli|fuse) (cd src && existing "$1"/*.c) ;;
fixtures) (cd tests && existing lib/*.c) ;;
bench)	(cd bench && existing *.c) ;;
tests)	tests ;;
cpu)	cpu_tests "$2" ;;
all)	for part in lib cli fuse fixtures bench tests; do sh scripts/sources.sh $part; done; cat tests/cpu/tests ;;
*)	echo "sources.sh: lib, cli, fuse, fixtures, bench, tests, cpu or all, not $1" >&2; exit 2 ;;
esac

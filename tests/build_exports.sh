#!/bin/sh
# The library exports what pinfold.h declares and nothing else, all of it with the version PINFOLD_0.1.
# test: suite=short timeout=30
set -eu
export LC_ALL=C
cd "$PF_SOURCE_DIR"

declared=$(gcc -E -P include/pinfold.h | grep -v '^static' | grep -o '\bpf_[a-z0-9_]* *(' | tr -d ' (' | sort -u)
exported=$(nm -D --defined-only "$PF_BUILD_DIR/libpinfold.so" | awk '$2 != "A" { print $3 }' | sort)

bad=0
for name in $declared; do
	echo "$exported" | grep -qx "$name@@PINFOLD_0.1" || { echo "not exported: $name"; bad=1; }
done
for symbol in $exported; do
	echo "$declared" | grep -qx "${symbol%@@*}" || { echo "not in pinfold.h: $symbol"; bad=1; }
done
[ -n "$declared" ] || { echo "pinfold.h declares nothing"; bad=1; }
exit $bad

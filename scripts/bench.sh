#!/bin/sh
# What "make bench" does after the build: the figures, as a table and in $BUILD/bench.json; of SUBJECTS only if it says some.
set -eu
BUILD=${BUILD:-build}
echo "machine: $(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), Linux $(uname -r)"
"$BUILD/bench/bench" "$BUILD/bench.json" ${SUBJECTS:-}
echo "figures: $BUILD/bench.json"

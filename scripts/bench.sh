#!/bin/sh
# What "make bench" does after the build: the figures, as a table and in $BUILD/bench.json.
set -eu
BUILD=${BUILD:-build}
echo "machine: $(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), Linux $(uname -r)"
"$BUILD/bench/bench" "$BUILD/bench.json"
echo "figures: $BUILD/bench.json"

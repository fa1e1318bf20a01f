#!/bin/sh
# What "make bench" does after the build: the figures, as a table, in $BUILD/bench.json and as a picture; of SUBJECTS only, and then without
# the picture, if it says some.
set -eu
BUILD=${BUILD:-build}
"$BUILD/bench/bench" --output "$BUILD/bench.json" ${SUBJECTS:-}
echo "figures: $BUILD/bench.json"
[ -z "${SUBJECTS:-}" ] || exit 0
python3 scripts/bench-svg.py "$BUILD/bench.json" "$BUILD/bench.svg"
echo "picture: $BUILD/bench.svg"

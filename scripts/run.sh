#!/bin/sh
# What "make run" does after the build: the demonstration, on a pool of its own that goes with it.
#   SRC=DIRECTORY   whose files are copied in (default /usr/include)
#   WORK=SECONDS    how long processes work and are killed (default 12)
set -eu
BUILD=${BUILD:-build}
SRC=${SRC:-/usr/include}
WORK=${WORK:-12}
ninja -C "$BUILD" --quiet examples/pinfold-run
scratch=$(mktemp "$BUILD/run-scratch.XXXXXX")
trap 'rm -f "$scratch"' EXIT
trap 'exit 1' INT TERM HUP # after the program, which ends by them too
"$BUILD/examples/pinfold-run" "${SRC%/}" "$WORK" "$scratch"

#!/bin/sh
# What "make bench" does after the build: the figures, as a table, in $BUILD/bench.json and as a picture; of SUBJECTS only, and then without
# the picture, if it says some. The subject "mount" is a program of its own, as its peer is; its figures are printed alone.
set -eu
BUILD=${BUILD:-build}
others=
for subject in ${SUBJECTS:-}; do
	[ "$subject" = mount ] || others="$others $subject"
done
if [ -z "${SUBJECTS:-}" ] || [ -n "$others" ]; then
	"$BUILD/bench/bench" --output "$BUILD/bench.json" $others
	echo "figures: $BUILD/bench.json"
fi
case " ${SUBJECTS:-mount} " in
*" mount "*) BUILD="$BUILD" scripts/bench-mount ;;
esac
[ -z "${SUBJECTS:-}" ] || exit 0
python3 scripts/bench-svg.py "$BUILD/bench.json" "$BUILD/bench.svg"
echo "picture: $BUILD/bench.svg"

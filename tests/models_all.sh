#!/bin/sh
# Every property and every mutation of the protocol's models, as many as the time given allows.
# test: suite=torture timeout=1200 parallel=no
set -eu
for tool in spin gcc; do
	command -v $tool >/dev/null || { echo "skip: $tool is not installed"; exit 77; }
done
case $PF_BUILD_DIR in
*-debug) echo "skip: the models are the same for every build"; exit 77 ;;
esac
export MODEL_SECONDS="${PF_TEST_SECONDS:-300}"
exec "$PF_SOURCE_DIR/models/check.sh" "$PF_SOURCE_DIR/models/cases"

#!/bin/sh
# The models of the protocol hold, and each of a choice of safeguards removed gives a counterexample.
# test: suite=long timeout=600 parallel=no
set -eu
for tool in spin gcc; do
	command -v $tool >/dev/null || { echo "skip: $tool is not installed"; exit 77; }
done
exec "$PF_SOURCE_DIR/models/check.sh" "$PF_SOURCE_DIR/models/cases-short"

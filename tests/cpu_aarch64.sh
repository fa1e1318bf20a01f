#!/bin/sh
# Units, page tables, and pools that one process uses work on AArch64 as they do here.
# test: suite=long timeout=300
exec sh "$PF_SOURCE_DIR/tests/cpu/run.sh" aarch64

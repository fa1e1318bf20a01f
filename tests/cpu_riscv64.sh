#!/bin/sh
# Units, page tables, and pools that one process uses work on RISC-V as they do here.
# test: suite=long timeout=300
exec sh "$PF_SOURCE_DIR/tests/cpu/run.sh" riscv64

#!/bin/sh
# pinfold.h by itself compiles as C11, C17 and C++17 without a warning.
# test: suite=short timeout=60
set -eu
cd "$PF_SOURCE_DIR"
for standard in c11 c17; do
	echo '#include <pinfold.h>' |
		gcc -std=$standard -Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude -x c -
done
if ! command -v g++ >/dev/null; then
	echo "skip: a part of header: g++ is not installed"
	exit 0
fi
echo '#include <pinfold.h>' |
	g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude -x c++ -

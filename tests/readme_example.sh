#!/bin/sh
# The example in README.md is examples/readme.c, compiles against the public header alone, and does what the README says.
# test: suite=short timeout=60
set -eu
cd "$PF_SOURCE_DIR"
dir=$(mktemp -d "${TMPDIR:-/dev/shm}/readme.XXXXXX")
trap 'rm -rf "$dir"' EXIT

awk '/^```/ { inside = $0 == "```c"; next } inside' README.md >"$dir/block.c"
diff -u examples/readme.c "$dir/block.c" || { echo "README.md and examples/readme.c differ"; exit 1; }

# A sanitizer's runtime must be the program's too.
sanitize=
case $(ldd "$PF_BUILD_DIR/libpinfold.so") in
*libasan*) sanitize=-fsanitize=address,undefined ;;
*libtsan*) sanitize=-fsanitize=thread ;;
esac
# shellcheck disable=SC2086
gcc -std=c17 -Wall -Wextra -Werror $sanitize -Iinclude examples/readme.c -L"$PF_BUILD_DIR" -lpinfold \
	-o "$dir/readme"

export LD_LIBRARY_PATH="$PF_BUILD_DIR" PINFOLD_RUNTIME_DIR="$dir"
"$dir/readme" "$dir/pool" >"$dir/printed"
sed -n '/^\$ LD_LIBRARY_PATH=build/,/^```/{/^[$`]/d;p;}' README.md >"$dir/wanted"
[ -s "$dir/wanted" ]
diff -u "$dir/wanted" "$dir/printed" || { echo "it prints something else than README.md says"; exit 1; }
"$PINFOLD" fsck "$dir/pool"

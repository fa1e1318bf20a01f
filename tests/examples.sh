#!/bin/sh
# The examples compile against the public header alone, as C17, and do what their first lines say.
# test: suite=short timeout=120
set -eu
cd "$PF_SOURCE_DIR"
dir=$(mktemp -d "${TMPDIR:-/dev/shm}/examples.XXXXXX")
trap 'rm -rf "$dir"' EXIT
export LD_LIBRARY_PATH="$PF_BUILD_DIR" PINFOLD_RUNTIME_DIR="$dir"

# A sanitizer's runtime must be the program's too.
sanitize=
case $(ldd "$PF_BUILD_DIR/libpinfold.so") in
*libasan*) sanitize=-fsanitize=address,undefined ;;
*libtsan*)
	echo "skip: the examples fork while they have threads, which ThreadSanitizer does not support"
	exit 77
	;;
esac
for example in share_model kv_cache uring_read supervisor; do
	# shellcheck disable=SC2086
	gcc -std=c17 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror $sanitize -Iinclude "examples/$example.c" \
		-o "$dir/$example" -L"$PF_BUILD_DIR" -lpinfold -luring
done

# has FILE TEXT...: the program printed each of these
has()
{
	printed=$1
	shift
	for text; do
		grep -q -- "$text" "$printed" || { echo "$printed lacks: $text"; cat "$printed"; exit 1; }
	done
}

"$PINFOLD" mkfs "$dir/pool" --size 64M
"$dir/share_model" "$dir/pool" >"$dir/out"
has "$dir/out" 'server 2 served' 'no server saw half a model'
"$dir/share_model" "$dir/pool" publish README.md >"$dir/out"
has "$dir/out" 'published [0-9]* bytes as models/current'
"$PINFOLD" cat "$dir/pool:/models/current" | cmp - README.md

"$dir/kv_cache" "$dir/pool" 1 >"$dir/out"
has "$dir/out" 'killed readers; 0 pages are left in no file; every value was whole'

"$PINFOLD" hold "$dir/pool:/models/current" --longterm --for 60 >"$dir/held" &
holder=$!
while ! grep -q held "$dir/held"; do :; done
"$PINFOLD" rm "$dir/pool:/models/current"
"$dir/supervisor" "$dir/pool" 2 1 >"$dir/out"
has "$dir/out" '2 processes' 'most of it models/current' 'of models/current are held and in no file'
kill $holder
wait $holder || true

rc=0
"$dir/uring_read" "$dir/pool" "$PF_BUILD_DIR/libpinfold.so" README.md LICENSE >"$dir/out" || rc=$?
if [ $rc = 77 ]; then
	echo "skip: a part of examples: io_uring is not to be had here"
else
	[ $rc = 0 ]
	has "$dir/out" 'libpinfold.so: [0-9]* bytes, the same' 'README.md: [0-9]* bytes, the same'
fi
"$PINFOLD" fsck "$dir/pool"

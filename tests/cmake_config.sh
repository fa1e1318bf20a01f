#!/bin/sh
# An installed pinfold is found by CMake's find_package(), with its version, and a program built with it runs.
# test: suite=short timeout=120
set -eu
command -v cmake >/dev/null || { echo "skip: cmake is not installed"; exit 77; }
case $(ldd "$PF_BUILD_DIR/libpinfold.so") in
*libasan* | *libtsan*) echo "skip: a library built with a sanitizer is not for installing"; exit 77 ;;
esac
dir=$(mktemp -d "${TMPDIR:-/dev/shm}/cmake.XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$PF_SOURCE_DIR"
DESTDIR="$dir/dest" meson install --no-rebuild --quiet -C "$PF_BUILD_DIR" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
config=$(find "$dir/dest" -name pinfold-config.cmake)

mkdir "$dir/user"
cat >"$dir/user/user.c" <<'END'
#include <pinfold.h>
#include <stdio.h>
int main(void)
{
	return puts(pf_strerror(-PF_ENOFILE)) < 0;
}
END
cat >"$dir/user/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.18)
project(user C)
find_package(pinfold 0.1 REQUIRED)
add_executable(user user.c)
target_link_libraries(user pinfold::pinfold)
END
cmake -S "$dir/user" -B "$dir/user/build" -Dpinfold_DIR="$(dirname "$config")" >"$dir/log" 2>&1 &&
	cmake --build "$dir/user/build" >>"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
"$dir/user/build/user" | grep -q 'no such file'

# A version that it is not is not found.
sed -i 's/pinfold 0.1/pinfold 0.2/' "$dir/user/CMakeLists.txt"
if cmake -S "$dir/user" -B "$dir/user/other" -Dpinfold_DIR="$(dirname "$config")" >"$dir/log" 2>&1; then
	echo "version 0.2 was found"
	exit 1
fi

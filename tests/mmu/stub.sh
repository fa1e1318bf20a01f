#!/bin/sh
# Builds the program that runs on a judging machine, and writes its bytes as a C array NAME, NAME_size long:
#   stub.sh NAME ADDRESS SOURCE OUTPUT GCC [OPTION...]     without GCC, the size is 0, and the judge is skipped
# objcopy is the one beside GCC: aarch64-linux-gnu-gcc -> aarch64-linux-gnu-objcopy.
set -eu
name=$1 address=$2 source=$3 output=$4 gcc=$5
shift 5

if command -v "$gcc" >/dev/null; then
	"$gcc" "$@" -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-Ttext="$address" \
		-MD -MF "$output.d" -MT "$output" -o "$output.elf" "$source"
	"${gcc%gcc}objcopy" -O binary -j .text "$output.elf" "$output.bin"
	size=$(wc -c <"$output.bin")
	bytes=$(od -An -v -tx1 "$output.bin" | sed 's/ *\([0-9a-f][0-9a-f]\)/0x\1,/g')
else
	echo "$output: /usr/bin/$gcc" >"$output.d" # tried again until it is there
	size=0 bytes=0
fi
cat >"$output.new" <<END
/* Made of ${source##*/}. */
enum { ${name}_size = $size };
static const unsigned char ${name}[] = {
$bytes
};
END
mv "$output.new" "$output"

#!/bin/sh
# hold: each kind, part of a file, --for, signals; --verify names the byte that changed; what cannot be held.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p

expect 0 mkfs "$p" --size 32M
head -c 3M /dev/zero | tr '\0' a >"$dir/file"
printf 'needle-in-the-pool' | dd of="$dir/file" bs=1 seek=70000 conv=notrunc 2>/dev/null
expect 0 cp "$dir/file" "$p:/file"

for kind in map pin longterm; do
	holds --$kind "$p:/file" --offset 8193 --length 5000
	expect 0 who "$p" --json
	field_is "[(h['kind'], h['offset'], h['length'], h['bytes'] >= 8192) for h in j['holders']]" "[('$kind', 8193, 5000, True)]"
	kill -INT $holder
	ends $holder 0
done

# it ends by itself, and what it held is free
holds "$p:/file" --pin --for 0.3 --verify
expect 0 rm "$p:/file"
ends $holder 0
expect 0 info "$p" --json
field_is "j['pages']['total'] - j['pages']['free']" 0

# --verify: a byte of the pool's memory is changed behind everybody's back
expect 0 cp "$dir/file" "$p:/file"
for kind in map pin; do
	holds "$p:/file" --$kind --offset 4096 --verify
	at=$(grep -abo needle-in-the-pool "$p" | cut -d: -f1)
	printf N | dd of="$p" bs=1 seek="$at" conv=notrunc 2>/dev/null
	ends $holder 1
	grep -q '^pinfold: hold: byte 70000 changed while held: it was 0x6e and is 0x4e$' "$dir/hold.err" ||
		fail "$(cat "$dir/hold.err")"
	printf n | dd of="$p" bs=1 seek="$at" conv=notrunc 2>/dev/null
done

# cut inside a page, removed, replaced: the held bytes are what they were
holds "$p:/file" --longterm --verify
expect 0 truncate "$p:/file" 1000001
expect 0 truncate "$p:/file" 5000
expect 0 cp "$dir/file" "$p:/file"
expect 0 truncate "$p:/file" 0
kill -TERM $holder
ends $holder 0
expect 0 cp "$dir/file" "$p:/file"

expect 1 hold "$p:/nothing" --map
complains 'no such file'
expect 1 hold "$p:/file" --map --offset 4M
expect 1 hold "$p:/file" --map --length 4M
expect 0 truncate "$p:/file" 8M
expect 1 hold "$p:/file" --map
complains 'has a hole.*--offset and --length choose a part without one'
# nobody can read that it holds
code=0
pinfold hold "$p:/file" --map --length 1 >/dev/full 2>"$dir/err" || code=$?
[ $code = 1 ] || fail "hold to a full device: $code"
complains 'standard output'

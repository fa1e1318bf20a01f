#!/bin/sh
# A pool's life by the program: copied in, held, cut and removed while held, the holder killed, reaped; every page is free again.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p

# pages TOTAL-FREE-MEMBER-ORPHAN-QUARANTINE, less what is free at the beginning
pages_are()
{
	expect 0 info "$p" --json
	field_is "j['pages']['free'] - $empty" "$1"
	field_is "j['pages']['member']" "$2"
	field_is "j['pages']['orphan']" "$3"
	field_is "j['pages']['quarantine']" 0
}

expect 0 mkfs "$p" --size 64M
expect 0 info "$p"
says "^pool  *$p$"
expect 0 info "$p" --json
field_is "j['schema'], j['pool'], j['size'], j['device'], j['durability'], j['processes']" \
	"(1, '$p', 67108864, 'file', 'volatile', 1)"
field_is "j['pages']['total'] == j['pages']['free'] > 0" True
field_is "j['granule'], j['host_page_size'] >= 4096, j['runtime']['bytes'] > 0" "(4096, True, True)"
field_is "j['inodes']['total'] >= j['inodes']['free'] > 0" True
empty=$(field "j['pages']['free']")
inodes=$(field "j['inodes']['free']")

head -c 8M /dev/urandom >"$dir/model"
expect 0 cp "$dir/model" "$p:/model"
expect 0 cat "$p:/model"
same "$dir/out" "$dir/model"
expect 0 who "$p"
says '^nobody holds anything$'

holds "$p:/model" --longterm --verify
expect 0 who "$p" --json
field_is "j['schema'], len(j['holders']), j['orphans'], j['quarantine']" "(1, 1, [], 0)"
field_is "[j['holders'][0][k] for k in ('pid', 'command', 'kind', 'alive', 'path', 'offset', 'length', 'bytes')]" \
	"[$holder, 'pinfold', 'longterm', True, 'model', 0, 8388608, 8388608]"
field_is "abs(__import__('time').time() - __import__('calendar').timegm(__import__('time').strptime(j['holders'][0]['since'], '%Y-%m-%dT%H:%M:%SZ'))) < 50" True
expect 0 who "$p"
says "^ *$holder pinfold  *longterm .* 8.0 MiB  model$"
expect 0 info "$p" --json
field_is "j['processes']" 2

# asked to, truncate waits or refuses and names the holder; otherwise held pages leave the file and stay with it
expect 1 truncate "$p:/model" 0 --policy try
complains "process $holder"
expect 1 truncate "$p:/model" 0 --policy wait --timeout 20
complains "process $holder"
expect 0 truncate "$p:/model" 2M
pages_are -2048 512 1536
expect 0 who "$p" --json
field_is "[(o['bytes'], o['path']) for o in j['orphans']]" "[(6291456, 'model')]"
expect 0 who "$p"
says 'no longer in a file'
expect 0 truncate "$p:/model" 4M
expect 0 punch "$p:/model" --length 1M
expect 0 cp "$dir/model" "$p:/other"
expect 0 rm "$p:/model"
pages_are -4096 2048 2048
expect 0 fsck "$p" --json
field_is "j['schema'], j['live'], j['clean'], j['violations']" "(1, True, True, [])"

# another user keeps the pool's runtime: what the killed one held is given back there, not by opening anew
first=$holder
holds "$p:/other" --map --length 1
kill -STOP "$holder"
kill -9 "$first"
ends "$first" 137
expect 0 reap "$p"
says '^reaped [01] killed process'
expect 0 who "$p" --json
field_is "[h['pid'] for h in j['holders']]" "[$holder]"
field_is "j['orphans']" "[]"
pages_are -2048 2048 0
kill -CONT "$holder"
kill -TERM "$holder"
ends "$holder" 0

expect 0 rm "$p:/other"
pages_are 0 0 0
expect 0 info "$p" --json
field_is "j['inodes']['free']" "$inodes"
expect 0 fsck "$p" --json
field_is "j['live'], j['clean']" "(False, True)"
expect 0 fsck "$p" --live
says '^clean$'

# the last one leaves nothing but the pool
[ "$(ls "$dir" | grep -c '^pinfold-')" = 0 ] || fail "a runtime is left: $(ls "$dir")"

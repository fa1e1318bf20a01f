#!/bin/sh
# maps: the windows of a process, with their leaves, as they are after each change of the file; a process that has none, and one that has no pool.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p

# window FIELD WANTED: of the only window of the holder
window()
{
	expect 0 maps "$p" $holder --json
	field_is "[w$1 for w in j['windows']]" "[$2]"
}

expect 0 mkfs "$p" --size 32M
head -c 4M /dev/urandom >"$dir/file"
expect 0 cp "$dir/file" "$p:/file"

holds "$p:/file" --window --offset 4096
window "['offset']" 4096
window "['length']" $((4 * 1024 * 1024 - 4096))
window "['path']" "'file'"
window "['resident']" $((4 * 1024 * 1024 - 4096))
expect 0 maps "$p" $holder
says '^ADDRESSES .* 4K +2M +1G +FILE$'
says '^[0-9a-f]+-[0-9a-f]+ r-- +4096 +4.0 MiB .* file$'
expect 0 who "$p" --json
field_is "{h['kind'] for h in j['holders']}" "{'window'}"

# what is cut off is not there, what comes back is
expect 0 truncate "$p:/file" 8192
window "['resident']" 4096
window "['leaves']" "{'4k': 1, '2m': 0, '1g': 0}"
window "['stale']" False
expect 0 mv "$p:/file" "$p:/other"
window "['path']" "'other'"
expect 0 rm "$p:/other"
window "['path']" None
expect 0 maps "$p" $holder
says ' \(removed\)$'
kill -TERM $holder
ends $holder 0
expect 0 info "$p" --json
field_is "j['pages']['total'] - j['pages']['free']" 0

# aligned, it takes the largest leaves
expect 0 cp "$dir/file" "$p:/file"
holds "$p:/file" --window
window "['leaves']" "{'4k': 0, '2m': 2, '1g': 0}"
kill -TERM $holder
ends $holder 0

holds "$p:/file" --map
expect 0 maps "$p" $holder
says "^process $holder has no windows$"
kill -TERM $holder
ends $holder 0
expect 1 maps "$p" 1
complains 'process 1 does not have the pool open'
expect 2 maps "$p"
expect 2 maps "$p" many
complains "'many' is not the PID of a process"
expect 2 hold "$p:/file" --window --map
expect 2 hold "$p:/file" --window --verify
complains 'a window shows what the file is'
expect 2 hold "$p:/file" --window --give-back
expect 1 hold "$p:/file" --window --offset 100
expect 0 fsck "$p"

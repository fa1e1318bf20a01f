#!/bin/sh
# Every --json: one document with schema 1, whose fields are exactly those that docs/cli.md has for the command; errors are told beside it.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p
mkdir "$dir/documents"

# kept NAME CODE ARGUMENT...: the document of a command, for the comparison at the end
kept()
{
	name=$1
	shift
	expect "$@" --json
	cp "$dir/out" "$dir/documents/$name"
}

kept mkfs 0 mkfs "$p" --size 32M
head -c 100000 /dev/urandom >"$dir/file"
expect 0 cp "$dir/file" "$p:/"
expect 0 ln -s file "$p:/link"
expect 0 attr set "$p:/file" user.version 17
kept info 0 info "$p"
expect 0 mkdev "$p:/device" 8K 4K
kept ls 0 ls "$p"
kept stat 0 stat "$p:/file" "$p:/link" "$p:/device"
kept attr-list 0 attr list "$p:/file"
kept attr-get 0 attr get "$p:/file" user.version
field_is "j['name'], j['value']" "('user.version', '17')"

: >"$dir/hold"
"$PINFOLD" hold "$p:/file" --map --offset 4096 --json >"$dir/hold" 2>"$dir/hold.err" &
holder=$!
children="$children $holder"
until grep -q '^}' "$dir/hold"; do
	kill -0 $holder || fail "hold"
done
cp "$dir/hold" "$dir/documents/hold"
cp "$dir/hold" "$dir/out"
field_is "j['pid'], j['kind'], j['path'], j['offset'], j['length']" "($holder, 'map', '/file', 4096, 95904)"
expect 0 truncate "$p:/file" 5000
kept who 0 who "$p"
field_is "[(h['pid'], h['kind']) for h in j['holders']], [o['bytes'] for o in j['orphans']]" "([($holder, 'map')], [94208])"
kept evict 1 evict "$p" --pid $holder --timeout 0
field_is "j['pid'], j['bytes'] > 0, len(j['holders'])" "($holder, True, 1)"
kill -9 $holder
ends $holder 137
kept reap 0 reap "$p"
field_is "j['reaped'], j['quarantine']" "(1, 0)"
holds "$p:/file" --window
kept maps 0 maps "$p" $holder
field_is "j['pid'], [(w['length'], w['rights'], w['path'], w['offset'], w['resident']) for w in j['windows']]" "($holder, [(8192, 'r--', 'file', 0, 8192)])"
kill -TERM $holder
ends $holder 0
kept compact 0 compact "$p"
field_is "j['whole_after'] >= j['whole_before']" True
kept recover 0 recover "$p"
kept fsck 1 fsck "$dir/file"
field_is "j['clean']" False
"$PINFOLD" watch "$p:/" --once --json >"$dir/documents/watch" &
watcher=$!
children="$children $watcher"
while kill -0 $watcher 2>/dev/null; do
	expect 0 touch "$p:/watched"
	expect 0 rm "$p:/watched"
done
cp "$dir/documents/watch" "$dir/out"
field_is "j['event'] in ('added', 'removed'), j['name']" "(True, 'watched')"
kept bench 0 bench "$dir" attach

# what fails has a message, and no half of a document
for command in "info $p.no" "ls $p:/no" "who $p.no" "attr list $p:/no" "attr get $p:/file user.no" "mkfs $p --size 16M" "hold $p:/no --map" "reap $dir/file" "recover $dir" "evict $p --pid 1" "maps $p 1" "fsck $p.no" "bench $p.no"; do
	# shellcheck disable=SC2086
	expect 1 $command --json
	complains '^pinfold: '
	[ ! -s "$dir/out" ] || fail "$command: a document"
done
# of several operands, what is there
expect 1 stat "$p:/file" "$p:/no" --json
field_is "[f['name'] for f in j['files']]" "['/file']"
complains '/no: no such file'

# each that has the option is among them, and each document is as it is said
for command in $(pinfold --help | sed -n 's/^  \([a-z][a-z]*\)  *[a-z].*/\1/p' | grep -v pinfold); do
	! pinfold "$command" --help | grep -q '^  --json ' || ls "$dir/documents" | grep -q "^$command\(-\|$\)" || fail "$command --json was not tried"
done
python3 - "$PF_SOURCE_DIR/docs/cli.md" "$dir/documents" <<'END' || fail "fields"
import json, os, re, sys

rows = {}
section = open(sys.argv[1]).read().split("## JSON", 1)[1]
for commands, fields in re.findall(r"^\| (`.*?) \| (.*) \|$", section, re.M):
    commands = re.findall(r"`([a-z ]+)`", re.sub("instead of.*", "", commands))
    fields = re.sub(r"as `(\w+)`", lambda m: rows[m.group(1)].split("]")[0], fields)
    while re.search(r"\([^()]*\)", fields):
        fields = re.sub(r"\([^()]*\)", "", fields)
    if "the same" in fields:
        fields += rows["ls"]
    for command in commands:
        rows[command] = fields
assert len(rows) > 10, rows

def keys(value):
    if isinstance(value, list):
        return set().union(*[keys(v) for v in value]) if value else set()
    if not isinstance(value, dict):
        return set()
    return set(value) | set().union(*[keys(v) for k, v in value.items() if k != "attributes"])

for name in sorted(os.listdir(sys.argv[2])):
    document = json.load(open(os.path.join(sys.argv[2], name)))
    command = name.replace("-", " ")
    assert document.pop("schema") == 1, name
    said, there = set(re.findall(r"`(\w+)`", rows[command])), keys(document)
    assert said == there, "%s: said but not there: %s; there but not said: %s" % (command, sorted(said - there), sorted(there - said))
missing = set(rows) - {n.replace("-", " ") for n in os.listdir(sys.argv[2])}
assert not missing, missing
END

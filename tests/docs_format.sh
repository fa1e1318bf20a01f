#!/bin/sh
# What docs/format.md says is enough to read a pool: a reader written from it (format_reader.py) finds the tree, attributes and bytes that pinfold shows, also with a
# transaction that was committed and not applied.
# test: suite=short timeout=120
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
[ -f /usr/include/xxhash.h ] || { echo "skip: no /usr/include/xxhash.h, which has XXH3's constants"; exit 77; }
p=$dir/pool
umask 022

reader()
{
	python3 -B "$PF_SOURCE_DIR/tests/format_reader.py" "$p" "$@"
}

# The same lines from the program.
program()
{
	pinfold stat --json "$p:/" >"$dir/root"
	pinfold ls -R --json "$p:/" | python3 -c 'import json, os, sys
root = json.load(open(sys.argv[1]))["files"][0]
root["name"] = ""
for f in [root] + json.load(sys.stdin)["files"]:
    kind = f["type"][0]
    print(kind, f["mode"].zfill(4), f["uid"], f["gid"], f["nlink"], f["size"], f["allocated"] if kind == "f" else 0, f["inode"],
          "/" + f["name"] + (" -> " + f["target"] if kind == "l" else ""))' "$dir/root" | sort -t/ -k2
}

compare()
{
	program | sort >"$dir/program"
	reader list >"$dir/list" || fail "list, $*"
	sort "$dir/list" >"$dir/reader"
	diff "$dir/program" "$dir/reader" >&2 || fail "$*: < pinfold, > the reader"
}

# a tree with all there is
s=$dir/src
mkdir -p "$s/many" "$s/a/b/c" "$s/empty"
python3 - "$s" <<'PYTHON'
import os, random, sys
top = sys.argv[1]
random.seed(4)
for i in range(400):
    open("%s/many/%s" % (top, ("name-%d-" % i).ljust(1 + i % 255, "x")), "w").close()
for i in range(1, 256):
    open("%s/a/%s" % (top, "n" * i), "w").close()
for name, size in ("one", 1), ("page", 4096), ("inline", 65536), ("more", 65537), ("block", 2 << 20), ("large", (9 << 20) + 5):
    open("%s/%s" % (top, name), "wb").write(random.randbytes(size))
with open(top + "/holes", "wb") as f:
    for at in 5000, 3 << 20, 70 << 30:
        f.seek(at)
        f.write(b"data")
for length in 1, 127, 128, 129, 3000, 4095:
    os.symlink("t" * length, "%s/link-%d" % (top, length))
os.link(top + "/one", top + "/a/b/c/another")
os.chmod(top + "/page", 0o640)
os.chmod(top + "/a/b", 0o2775)
PYTHON
expect 0 mkfs "$p" --size 64M --inodes 1500
compare "an empty pool"
expect 0 cp -a "$s/." "$p:/"
expect 0 attr set "$p:/page" user.colour "light green"
expect 0 attr set "$p:/a/b" user.empty ""
expect 0 truncate "$p:/block" 5M
expect 0 punch "$p:/large" --offset 2M --length 1000001
compare "a tree"

# bytes
rm "$s/holes"
cp -a "$s" "$dir/wanted"
expect 0 rm "$p:/holes"
truncate -s 5M "$dir/wanted/block"
python3 -c 'import sys
f = open(sys.argv[1], "r+b")
f.seek(2 << 20)
f.write(bytes(1000001))' "$dir/wanted/large"
mkdir "$dir/got"
reader extract "$dir/got" || fail extract
diff -r --no-dereference "$dir/wanted" "$dir/got" >&2 || fail "bytes differ"
for name in large block; do
	expect 0 cat "$p:/$name"
	cmp "$dir/out" "$dir/got/$name" >&2 || fail "$name"
done

# names by their hashes, of every length
set --
for length in 1 2 3 4 8 9 16 17 32 33 64 65 96 97 128 129 144 240 241 255; do
	name=a/$(printf "%${length}s" | tr ' ' n)
	set -- "$@" "$name"
done
reader find "$@" >"$dir/found" || fail "lookups"
pinfold ls -R --json "$p:/" >"$dir/out"
python3 -c 'import json, sys
inode = {f["name"]: f["inode"] for f in json.load(open(sys.argv[1]))["files"]}
print(*[inode[name] for name in sys.argv[2:]], sep="\n")' "$dir/out" "$@" | diff - "$dir/found" >&2 || fail "lookups by hash"
! reader find a/nobody 2>/dev/null || fail "found what is not there"

# attributes
[ "$(reader attributes page)" = "user.colour=light green" ] || fail attributes
[ "$(reader attributes a/b)" = "user.empty=" ] || fail attributes

# transactions that were committed: the reader sees them, and opening the pool applies them
for sum in "" nosum; do
	seconds=$((1000000000 + ${#sum}))
	reader commit $seconds $sum
	compare "a committed transaction"
	expect 0 stat --json "$p:/"
	field_is "j['files'][0]['mtime_ns']" "${seconds}000000000"
	expect 0 fsck "$p"
done

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

# what only a program makes: pages that were never written, pages past the end that were asked for, and those of a file that was growing when its process was killed
if command -v cc >/dev/null && ! ldd "$PF_BUILD_DIR/libpinfold.so" | grep -qE 'lib(asan|tsan)'; then
	cat >"$dir/grow.c" <<'PROGRAM'
#include <pinfold.h>
#include <signal.h>
#include <string.h>

int main(int argc, char **argv)
{
	static char bytes[100000];
	pf_pool *pool;
	pf_file *f[4];
	const char *name[4] = {"allocated", "small", "keeps", "grows"};

	memset(bytes, 'x', sizeof bytes);
	if (argc != 2 || pf_pool_open(argv[1], PF_POOL_NO_THREAD, &pool) < 0)
		return 1;
	for (int i = 0; i < 4; i++)
		if (pf_open(pool, name[i], PF_O_RDWR | PF_O_CREATE, 0644, &f[i]) < 0)
			return 1;
	if (pf_allocate(f[0], 0, 5000000, 0) < 0 || pf_write(f[0], "written", 7, 2500000) != 7 ||
	    pf_allocate(f[1], 0, 30000, 0) < 0 || pf_write(f[1], "written", 7, 9000) != 7 ||
	    pf_write(f[2], bytes, 5000, 0) != 5000 || pf_allocate(f[2], 0, 3000000, PF_ALLOC_KEEP_SIZE) < 0 ||
	    pf_write(f[3], bytes, sizeof bytes, 0) != sizeof bytes)
		return 1;
	return raise(SIGKILL);
}
PROGRAM
	cc -I"$PF_SOURCE_DIR/include" "$dir/grow.c" -o "$dir/grow" -L"$PF_BUILD_DIR" -lpinfold
	code=0
	LD_LIBRARY_PATH="$PF_BUILD_DIR" "$dir/grow" "$p" 2>/dev/null || code=$?
	[ $code = 137 ] || fail "grow: $code"
	mkdir "$dir/grown"
	reader list >"$dir/list"
	reader extract "$dir/grown" || fail "extract what a kill left"
	[ "$(sed -n 's,^f 0644 .* \([0-9]* [0-9]*\) [0-9]* /grows$,\1,p' "$dir/list")" = "100000 2097152" ] || fail "a file that was growing"
	for name in allocated small keeps grows; do
		expect 0 cat "$p:/$name"
		same "$dir/out" "$dir/grown/$name"
	done
	compare "what a program made"
fi

# transactions that were committed: the reader sees them, and opening the pool applies them
for sum in "" nosum; do
	seconds=$((1000000000 + ${#sum}))
	reader commit $seconds $sum
	compare "a committed transaction"
	expect 0 stat --json "$p:/"
	field_is "j['files'][0]['mtime_ns']" "${seconds}000000000"
	expect 0 fsck "$p"
done

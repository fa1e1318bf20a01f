#!/bin/sh
# What is stored in a shared map is data for SEEK_DATA on the mount at once, also of more files than the mount has threads, and cp copies it.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
. "$PF_SOURCE_DIR/tests/lib/mount.sh"
expect 0 mkfs "$p" --size 64M
mounts "$p" "$m"
python3 - "$m" >"$dir/out" 2>&1 <<'END_OF_PYTHON' || fail "seek"
import mmap, os, signal, subprocess, sys, threading
top, size, at = sys.argv[1], 1 << 20, 300000
signal.alarm(30)


def mapped(name):
    fd = os.open("%s/%s" % (top, name), os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, size)
    return mmap.mmap(fd, size), fd


def found(fd):
    first = os.lseek(fd, 0, os.SEEK_DATA)
    return first, os.lseek(fd, first, os.SEEK_HOLE)


page = (at & ~4095, (at & ~4095) + 4096)
map, fd = mapped("f")
reader = os.open(top + "/f", os.O_RDONLY)
map[at] = 7
assert found(reader) == page, found(reader)
map[at + 8192] = 8
subprocess.run(["cp", top + "/f", top + "/g"], check=True)
assert open(top + "/g", "rb").read() == map[:]
assert os.stat(top + "/g").st_blocks <= 64, os.stat(top + "/g").st_blocks

# many at once, whose stores are all still to be written
ready, seen = threading.Barrier(24), []


def one(i):
    map, fd = mapped(str(i))
    map[at] = 9
    ready.wait()
    seen.append(found(fd) == page)


threads = [threading.Thread(target=one, args=(i,)) for i in range(24)]
for t in threads:
    t.start()
for t in threads:
    t.join()
assert seen == [True] * 24, seen
END_OF_PYTHON
unmounts
expect 0 fsck "$p"

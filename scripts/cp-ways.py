#!/usr/bin/env python3
"""How long a file takes into a pool by each way of `pinfold cp`, by its size, cold (not in the page cache) and warm. What pinned.c chooses comes from this.

    scripts/cp-ways.py PINFOLD DIRECTORY [KIB...]     files are made in DIRECTORY, on a disk; the pool in /dev/shm

Microseconds a file, the quickest and the median of the rounds; the start of the program is not in it."""
import os, shutil, statistics, subprocess, sys, tempfile, time

SIZES = [64 << n for n in range(9)]  # KiB: 64 KiB to 16 MiB
TOTAL, MOST, ROUNDS = 96 << 20, 200, 7
WAYS = ["disk", "cached", "copy", "auto"]


def run(*arguments):
    begin = time.perf_counter()
    subprocess.run(arguments, check=True)
    return time.perf_counter() - begin


def prepare(files, cold):
    for path in files:
        with open(path, "rb") as f:
            if cold:
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            else:
                while f.read(1 << 20):
                    pass


def measure(pinfold, pool, files, way, cold):
    prepare(files, cold)
    seconds = run(pinfold, "cp", "--way", way, *files, pool + ":/")
    run(pinfold, "rm", *(pool + ":/" + os.path.basename(path) for path in files))
    return seconds


def main(pinfold, directory, *sizes):
    work = tempfile.mkdtemp(dir=directory)
    pool = tempfile.mktemp(dir="/dev/shm")
    run(pinfold, "mkfs", pool, "--size", "256M")
    try:
        nothing = os.path.join(work, "nothing")
        open(nothing, "w").close()
        start = statistics.median(measure(pinfold, pool, [nothing], "copy", False) for _ in range(ROUNDS))
        print("%8s %5s" % ("KiB", ""), *("%15s" % way for way in WAYS))
        for size in [int(size) << 10 for size in sizes or SIZES]:
            files = [os.path.join(work, "%d" % n) for n in range(min(MOST, TOTAL // size))]
            for path in files:
                with open(path, "wb") as f:
                    f.write(os.urandom(size))
                    os.fsync(f.fileno())
            for cold in (True, False):
                took = {way: [] for way in WAYS}
                for _ in range(ROUNDS):
                    for way in WAYS:
                        took[way].append(measure(pinfold, pool, files, way, cold) - start)
                print("%8d %5s" % (size >> 10, "cold" if cold else "warm"),
                      *("%7.0f %7.0f" % (min(took[way]) / len(files) * 1e6, statistics.median(took[way]) / len(files) * 1e6) for way in WAYS),
                      flush=True)
            for path in files:
                os.unlink(path)
    finally:
        shutil.rmtree(work)
        os.unlink(pool)


main(*sys.argv[1:])

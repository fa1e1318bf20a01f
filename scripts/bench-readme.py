#!/usr/bin/env python3
"""Writes the figures of bench.json into a README, between the two lines that say so, so that none is typed by hand.

    bench-readme.py BENCH.JSON README.MD PICTURE.SVG

PICTURE.SVG is made of the same figures by bench-svg.py; the README shows it, by its path from there.
"""
import os
import sys

import bench_rows

BEGIN, END = "<!-- figures: made by scripts/bench-readme.py -->\n", "<!-- end of figures -->\n"


def section(machine, rows, picture):
    out = ["Medians of one run of `make bench` on %s: %d CPUs (%s), %s GiB of memory, Linux %s, pages of %d bytes, huge pages of tmpfs `%s`, the pool on %s.\n"
           % (machine["date"], machine["cpus"], machine["cpu"], bench_rows.digits(machine["memory_mib"] / 1024), machine["kernel"],
              machine["page_size"], machine["shmem_huge"], machine["pool_file_system"]),
           "With %d CPUs it is a small machine, and other work ran on it meanwhile: noise. ± is half of what the middle half of the rounds spreads over;\n" % machine["cpus"],
           "the peers were measured in the same run. A file of a pool is mapped already in each process that opened the pool, so that mapping and pinning is counting;\n",
           "what is only a copy of memory is no faster than that. tmpfs-huge is a tmpfs mounted with huge=always.\n\n",
           "![how many times faster than the peer](%s)\n\n" % picture,
           "| | pinfold | ± | beside | which takes | times faster |\n|---|---:|---:|---|---:|---:|\n"]
    for row in rows:
        beside = row["peer"] if row["peer_does"] == "the same" else "%s: %s" % (row["peer"], row["peer_does"])
        out.append("| %s | %s | %.0f%% | %s | %s | %s |\n" % (
            row["label"], bench_rows.duration(row["ours"], row["unit"]), row["spread"] / 2, beside,
            bench_rows.duration(row["peer_value"], row["unit"]), bench_rows.digits(row["ratio"])))
    return "".join(out)


def main():
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    figures, readme, picture = sys.argv[1:]
    with open(readme, encoding="utf-8") as file:
        content = file.read()
    if content.count(BEGIN) != 1 or content.count(END) != 1 or content.index(END) < content.index(BEGIN):
        raise SystemExit("%s: the lines %sand %sare not there once, in this order" % (readme, BEGIN, END))
    path = os.path.relpath(picture, os.path.dirname(os.path.abspath(readme)))
    before, after = content.split(BEGIN)[0], content.split(END)[1]
    with open(readme, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + section(*bench_rows.load(figures), path) + END + after)


main()

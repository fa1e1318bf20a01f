#!/usr/bin/env python3
"""The ratios of bench.json as a picture: a bar for each, on a logarithmic scale; readable on light and on dark.

    bench-svg.py BENCH.JSON PICTURE.SVG
"""
import math
import sys
from xml.sax.saxutils import escape

import bench_rows

WIDTH, LEFT, RIGHT, TOP, ROW = 860, 370, 90, 64, 20
STYLE = """
    .back { fill: #ffffff } text { fill: #1f2328; font: 12px sans-serif } .title { font-size: 15px; font-weight: bold }
    .small { font-size: 11px; fill: #59636e } .grid { stroke: #d1d9e0 } .one { stroke: #59636e; stroke-width: 1.5 }
    .better { fill: #2f81c7 } .worse { fill: #c9742a }
    @media (prefers-color-scheme: dark) {
      .back { fill: #0d1117 } text { fill: #e6edf3 } .small { fill: #9198a1 } .grid { stroke: #30363d } .one { stroke: #9198a1 }
      .better { fill: #58a6ff } .worse { fill: #f0a35e }
    }
"""


def text(x, y, content, anchor="start", kind=None):
    return '<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>' % (x, y, anchor, ' class="%s"' % kind if kind else "", escape(content))


def line(x, y1, y2, kind):
    return '<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" class="%s"/>' % (x, x, y1, y2, kind)


def bar(row, y, place):
    ratio = row["ratio"]
    begin, end = sorted((place(1), place(ratio)))
    return [text(LEFT - 10, y + 14, "%s: %s" % (row["label"], row["peer"]), "end"),
            '<rect x="%.1f" y="%.1f" width="%.1f" height="%d" class="%s"/>' % (begin, y + 4, max(end - begin, 1), ROW - 7, "better" if ratio >= 1 else "worse"),
            text(max(end, place(1)) + 5, y + 14, "%s×" % bench_rows.digits(ratio))]


def picture(machine, rows):
    rows = [row for row in rows if row["ratio"] > 0]
    low = math.floor(min(0, *(math.log10(row["ratio"]) for row in rows)))
    high = math.ceil(max(1, *(math.log10(row["ratio"]) for row in rows)))
    bottom = TOP + ROW * len(rows)

    def place(ratio):
        return LEFT + (math.log10(ratio) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="pinfold beside its peers">' % (WIDTH, bottom + 48),
           "<style>%s</style>" % STYLE,
           '<rect class="back" width="100%" height="100%"/>',
           text(16, 24, "How many times faster than the peer", kind="title"),
           text(16, 44, "each power of ten is as wide as the next; left of 1×: slower", kind="small")]
    for power in range(low, high + 1):
        out.append(line(place(10 ** power), TOP, bottom, "one" if power == 0 else "grid"))
        out.append(text(place(10 ** power), bottom + 16, "%s×" % (format(10 ** power, ",") if power >= 0 else "%g" % 10 ** power), "middle", "small"))
    for i, row in enumerate(rows):
        out += bar(row, TOP + ROW * i, place)
    out.append(text(16, bottom + 38, "%d CPUs (%s), Linux %s, %s" % (machine["cpus"], machine["cpu"], machine["kernel"], machine["date"]), kind="small"))
    return "\n".join(out) + "\n</svg>\n"


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    content = picture(*bench_rows.load(sys.argv[1]))
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(content)


main()

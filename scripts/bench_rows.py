"""The figures of bench.json that matter to a user, in the order in which they are shown, and how numbers are written."""
import json

# (name in bench.json, what is done, what the peer does for it)
CHOSEN = [
    ("create", "create a file", "the same"),
    ("create_2_dirs", "create files, two processes", "the same"),
    ("rename", "rename", "the same"),
    ("unlink", "remove a file", "the same"),
    ("mkdir", "make a directory", "the same"),
    ("open", "open and close", "the same"),
    ("stat", "stat", "the same"),
    ("read_4k", "read 4 KiB", "the same"),
    ("append_4k", "append 4 KiB", "the same"),
    ("read_4k_random", "read 4 KiB anywhere in a large file", "the copy alone"),
    ("read_1m", "read 1 MiB", "the copy alone"),
    ("write_1m", "write 1 MiB", "the copy alone"),
    ("map_2m", "map and unmap 2 MiB", "mmap, touch each page, munmap"),
    ("map_1g", "map and unmap 1 GiB", "mmap, touch each page, munmap"),
    ("pin_1g", "pin and unpin 1 GiB for I/O", "register the buffer with io_uring"),
    ("truncate_1g", "truncate 1 GiB", "the same"),
    ("truncate_1g_held", "truncate 1 GiB that somebody holds", "the same, held by nobody"),
    ("ref_pair", "take a hold and give it back", "one atomic add and subtract"),
]
PEERS = ["tmpfs", "tmpfs-huge", "hugetlbfs", "memcpy", "best memcpy", "atomic pair"]
NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6}


def load(path):
    """The machine; the chosen rows that were measured, as dicts with "label" and "peer_does"."""
    with open(path) as file:
        document = json.load(file)
    if document.get("schema") != 1:
        raise SystemExit("%s: not figures of schema 1" % path)
    measured = {(row["name"], row["peer"]): row for row in document["rows"]}
    rows = []
    for name, label, peer_does in CHOSEN:
        for peer in PEERS:
            if (name, peer) in measured:
                rows.append(dict(measured[name, peer], label=label, peer_does=peer_does))
    if not rows:
        raise SystemExit("%s: none of its rows is for showing" % path)
    return document["machine"], rows


def digits(value):
    """Three digits that count, without an exponent."""
    if value >= 100:
        return "{:,.0f}".format(float("%.3g" % value))
    return "%.1f" % value if value >= 9.95 else "%.2f" % value


def duration(value, unit):
    ns = value * NANOSECONDS[unit]
    for name, scale in (("ms", 1e6), ("µs", 1e3)):
        if ns >= scale:
            return "%s %s" % (digits(ns / scale), name)
    return "%s ns" % digits(ns)

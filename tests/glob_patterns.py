"""Patterns on a tree in a pool, and on the same tree on the host by bash, have to find the same files in the same order.

    glob_patterns.py BASH PINFOLD POOL HOST tree            makes the tree in HOST, by chance
    glob_patterns.py BASH PINFOLD POOL HOST file FILE       the patterns of FILE, one a line
    glob_patterns.py BASH PINFOLD POOL HOST random SECONDS  patterns made by chance, of a seed that PF_TEST_SEED can set

The tree is deep enough below the root that no pattern leads above it. Every file has a time of its own, by which it is known. What is a pattern
here is typed into the shell, without quotes.
"""
import json, os, random, re, subprocess, sys, time

bash, pinfold, pool, host, what = sys.argv[1:6]
BELOW = b"t/t/t/t/t"
top = os.path.join(os.fsencode(host), BELOW)
SCRIPT = rb"""shopt -s nullglob
cd -- "$1" || exit
while IFS= read -r typed; do
	eval "set -- $typed"
	for name; do printf '%s\0' "$name"; done
	printf '\0'
done"""


# ---- the tree ---------------------------------------------------------------------------------------

def some_name(r):
    letters = [b"a", b"b", b".", b"-", b"*", b"?", b"[", b"]", b"!", b"^", b"\\", b"\n", b"\xff", b"\xc3\xa9"]
    while True:
        name = b"".join(r.choices(letters, [12, 8, 4, 2, 1, 1, 2, 2, 1, 1, 1, 1, 1, 1], k=r.randint(1, 4)))
        if name not in (b".", b".."):
            return name


def fill(r, directory, depth):
    for _ in range(14):
        path = os.path.join(directory, some_name(r))
        if os.path.lexists(path):
            continue
        kind = r.random()
        if depth and kind < 0.4:
            os.mkdir(path)
            fill(r, path, depth - 1)
        elif kind < 0.5:
            os.symlink(r.choice([b".", b"..", b"nowhere", b"a", b"b"]), path)
        else:
            open(path, "wb").close()


# What people have, and what is hard: for the table of patterns.
TABLE = [b"models/a.bin", b"models/b.bin", b"models/ab.bin", b"models/.hidden.bin", b"models/v1/x", b"models/v2/x", b"models/v2/y", b"models.old/a.bin",
         b"odd/*", b"odd/a*b", b"odd/axb", b"odd/report[1].pdf", b"odd/report1.pdf", b"odd/-r", b"odd/--", b"odd/new\nline", b"odd/\xff\xfe", b"odd/back\\slash",
         b"odd/backslash", b"odd/end\\", b"odd/x.", b"odd/[", b"odd/[a", b"odd/]", b"odd/!", b"odd/^", b"odd/...", b"odd/..x", b"odd/a[b/c]d", b"odd/\xc3\xa9", b"deep/1/2/3/4/5/6/7/8"]
LINKS = [(b"models", b"to-models"), (b"nowhere", b"dangling"), (b".", b"loop"), (b"models/a.bin", b"to-a")]


def fill_table(directory):
    for name in TABLE:
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "wb").close()
    for target, name in LINKS:
        os.symlink(target, os.path.join(directory, name))


def set_times(directory, next_time):
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if os.path.isdir(path) and not os.path.islink(path):
            next_time = set_times(path, next_time)
        os.utime(path, (next_time, next_time), follow_symlinks=False)
        next_time += 1
    return next_time


# ---- both sides -------------------------------------------------------------------------------------

def by_shell(patterns):
    done = subprocess.run([bash, "-c", SCRIPT, "bash", top], input=b"".join(p + b"\n" for p in patterns), stdout=subprocess.PIPE, check=True)
    found, lists = [], []
    for name in done.stdout.split(b"\0")[:-1]:
        if name:
            found.append(name)
        else:
            lists.append(found)
            found = []
    assert len(lists) == len(patterns)
    return lists


def there(name):
    return os.path.lexists(os.path.join(top, name))


def one_slash(name):
    """The shell keeps several of them in some cases only."""
    return re.sub("/+", "/", name)


def expected(pattern, found):
    """The shell's list, but for what differs: a file of exactly this name, and that a pattern which matches nothing is an error."""
    if b"\\" not in pattern and there(pattern):
        found = [pattern]
    return [one_slash((b"/" + BELOW + b"/" + name).decode("utf-8", "replace")) for name in found if there(name)], \
           [int(os.lstat(os.path.join(top, name)).st_mtime) for name in found if there(name)]


def in_pool(pattern):
    done = subprocess.run([pinfold, "stat", "--json", os.fsencode(pool) + b":/" + BELOW + b"/" + pattern], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode in (0, 1), done.stderr
    files = json.loads(done.stdout)["files"] if done.stdout else []
    assert bool(files) == (done.returncode == 0) == (not done.stderr), done.stderr
    return [one_slash(f["name"]) for f in files], [f["mtime_ns"] // 1000000000 for f in files]


def compare(patterns):
    matched = 0
    for pattern, found in zip(patterns, by_shell(patterns)):
        wanted, got = expected(pattern, found), in_pool(pattern)
        matched += len(wanted[0]) > 0
        if wanted != got:
            print("pattern %r\nshell: %r\npool:  %r" % (pattern, wanted, got))
            sys.exit(1)
    return matched


# ---- patterns ---------------------------------------------------------------------------------------

def bracket(r):
    inside = [b"a", b"b", b".", b"-", b"a-b", b"!-~", b"!", b"^", b"]", b"[", b"*", b"?", b"\\]", b"\\-", b"\\a", b"[:alpha:]", b"[:punct:]", b"[:cntrl:]"]
    return b"[" + r.choice([b"", b"", b"", b"!", b"]", b"!]"]) + b"".join(r.choices(inside, k=r.randint(1, 3))) + b"]"


def piece(r):
    kind = r.random()
    if kind < 0.3:
        return b"*"
    if kind < 0.45:
        return b"?"
    if kind < 0.6:
        return bracket(r)
    if kind < 0.7:
        return b"\\" + r.choice([b"a", b".", b"*", b"?", b"[", b"]", b"-", b"\\", b"!"])
    return r.choice([b"a", b"a", b"b", b".", b"-", b"[", b"]", b"!", b"^"])


def some_pattern(r):
    components = [b"".join(piece(r) for _ in range(r.randint(1, 4))) for _ in range(r.choice([1, 1, 2, 2, 3]))]
    if r.random() < 0.1:
        components[r.randrange(len(components))] = r.choice([b".", b"..", b"*"])
    pattern = r.choice([b"/", b"/", b"//"]).join(components) + r.choice([b"", b"", b"", b"/"])
    # what "[." in brackets means when no ".]" follows is nobody's promise
    return some_pattern(r) if re.search(rb"\[[^/]*\[\.", pattern) else pattern


def main():
    seed = int(os.environ.get("PF_TEST_SEED", time.time_ns() % 1000000000))
    r = random.Random(seed)
    if what == "tree":
        print("tree of seed %d" % seed)
        os.makedirs(top)
        fill(r, top, 2)
        fill_table(os.path.join(top, b"table"))
        set_times(os.fsencode(host), 1000)
    elif what == "file":
        patterns = [line for line in open(sys.argv[6], "rb").read().split(b"\n") if line]
        matched = compare(patterns)
        print("%d patterns, of which %d match something" % (len(patterns), matched))
    else:
        print("patterns of seed %d" % seed)
        end, count, matched = time.monotonic() + float(sys.argv[6]), 0, 0
        while time.monotonic() < end or not matched:
            patterns = [some_pattern(r) for _ in range(20)]
            matched += compare(patterns)
            count += len(patterns)
        print("%d patterns, of which %d match something" % (count, matched))


main()

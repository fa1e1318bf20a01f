"""The cases of cli_progress.sh, which says what they prove: PROGRAM POOL DIRECTORY."""
import os, re, signal, subprocess, sys, time

sys.path.insert(0, os.path.join(os.environ["PF_SOURCE_DIR"], "tests", "lib"))
import terminal

program, pool, directory = sys.argv[1:]
big, tree, pipe = (os.path.join(directory, name) for name in ("big", "tree", "pipe"))
out = os.path.join(directory, "stdout")
SIZE = r"\d+(\.\d)? [KMG]?i?B"


def check(condition, *what):
    if not condition:
        print("failed:", *what)
        sys.exit(1)


def cp(*arguments, columns=80, code=0):
    """A copy that ends by itself."""
    run = terminal.Run([program, "cp", *arguments], columns, out)
    got = run.end()
    check(got == code, "cp", *arguments, "ended with", got, run.screen.lines)
    check(not run.screen.wrapped, "wrapped at", columns, run.screen.lines)
    return run


def fed(*arguments, until, **more):
    """One whose source is a pipe that gets bytes until it is so, and then ends."""
    run = terminal.Run([program, "cp", *arguments], **more)
    feed = os.open(pipe, os.O_WRONLY)
    while not until(run):
        os.write(feed, b"x" * 1000)
        run.poll(0.01)
    return run, feed


# It appears, in every direction and way, and is gone at the end.
ways = [["--way", way, big, pool + ":/in"] for way in ("disk", "cached", "copy", "auto")]
for arguments in ways + [[pool + ":/in", directory + "/out"], [pool + ":/in", pool + ":/within"], [pool + ":/in", pool + "2:/"]]:
    run = cp("--progress", "always", *arguments)
    for line in run.screen.seen:
        check(re.fullmatch(r" *\d+%  \[#*-*\]  " + SIZE + " of 24.0 MiB  " + SIZE + r"/s(  \d+:\d\d left)?", line), arguments, line)
    check(run.screen.seen, arguments, "nothing was seen")
    check(run.screen.left() == [], arguments, run.screen.left())

# A tree is one copy, whose files are counted; so are several operands.
for arguments in (["-r", tree, pool + ":/"], ["-r", pool + ":/tree", directory + "/tree2"], ["-r", pool + ":/tree", pool + ":/tree2"],
                  [tree + "/1", tree + "/2", tree + "/3", tree + "/4", pool + ":/"]):
    run = cp("--progress", "always", *arguments, columns=120)
    check(re.search(r" of 1.2 MiB .*/4 files$", run.screen.seen[0]), arguments, run.screen.seen)
    check(run.screen.left() == [], arguments, run.screen.left())

# However narrow: it does not wrap, and the last column stays empty.
for columns in list(range(1, 31)) + [79, 300]:
    run = cp("--progress", "always", "-r", big, tree, pool + ":/", columns=columns)
    check(all(len(line) < columns for line in run.screen.seen), columns, run.screen.seen)
    check(columns < 5 or run.screen.seen, columns, "columns: nothing was seen")
    check(run.screen.left() == [], columns, run.screen.left())
    check(columns != 20 or re.fullmatch(r" *\d+%  .*", run.screen.seen[0]), run.screen.seen)

# Other output finds an empty line: what -v says, and complaints, after which it is there again.
run = terminal.Run([program, "cp", "-rv", "--progress", "always", big, pool + ":/nowhere", tree, pool + ":/"], columns=200)
check(run.end() == 1, "a source that is not there")
left = run.screen.left()
check(len(left) == 6 and all(re.fullmatch(r"'.*' -> '.*': .*|pinfold: cp: .*nowhere.*", line) for line in left), left)
check(any("%" in line for line in run.screen.seen), run.screen.seen)
run = cp("--progress", "always", big, pool + "2:/again", columns=300, code=1)
check(len(run.screen.left()) == 1 and run.screen.left()[0].startswith("pinfold: cp: /again: "), run.screen.left())

# A copy to the terminal is all that is there.
run = cp("--progress", "always", pool + ":/tree/2", "/dev/tty")
check(run.screen.left() == ["2"] and run.bytes == 3, run.screen.lines)

# By itself: not on a short copy, on a long one after half a second, ten times a second at most.
run = cp(big, pool + ":/in")
check(run.bytes == 0, run.screen.lines)
run, feed = fed(pipe, pool + ":/piped", until=lambda run: len(run.screen.seen) > 2)
check(run.shown >= 0.5, "shown after", run.shown)
check(time.monotonic() - run.begin >= 0.7, "drawn too often")
check(re.fullmatch(SIZE + "  " + SIZE + "/s", run.screen.seen[0]), run.screen.seen)
os.close(feed)
check(run.end() == 0 and run.screen.left() == [] and not run.screen.wrapped, run.screen.lines)

# An interruption: the line goes, the message is alone, nothing was copied. Some come just before the copy waits for the pipe.
for _ in range(8):
    run, feed = fed("--progress", "always", pipe, pool + ":/interrupted", until=lambda run: run.shown)
    run.key(b"\3")
    check(run.end() == 1 and run.screen.left() == ["pinfold: cp: interrupted; '/interrupted' was not copied"], run.screen.left())
    os.close(feed)

# With nohup(1) it goes on when the terminal goes.
copier = subprocess.Popen(["nohup", program, "cp", pipe, pool + ":/piped"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
with open(pipe, "wb", buffering=0) as feed:
    feed.write(b"x")
    copier.send_signal(signal.SIGHUP)
    feed.write(b"y")
check(copier.wait() == 0, "ended by a signal that it ignores")

# Long ones that say nothing: because they are told to, or in the background.
late = lambda run: time.monotonic() - run.begin > 0.7
run, feed = fed("--progress", "never", pipe, pool + ":/piped", until=late)
os.close(feed)
check(run.end() == 0 and run.bytes == 0, run.screen.lines)
run = terminal.Run(["/bin/sh", "-mc", '"$@" & wait', "sh", program, "cp", "--progress", "always", big, pool + ":/in"])
check(run.end() == 0 and run.bytes == 0, "in the background", run.screen.lines)

# Where standard error is no terminal: nothing, however long, unless asked; then lines.
copier = subprocess.Popen([program, "cp", pipe, pool + ":/piped"], stderr=subprocess.PIPE)
begin = time.monotonic()
with open(pipe, "wb", buffering=0) as feed:
    while time.monotonic() - begin < 0.7:
        feed.write(b"x")
check(copier.communicate()[1] == b"" and copier.returncode == 0, "a pipe is no terminal")
done = subprocess.run([program, "cp", "--progress", "always", "-r", tree, pool + ":/"], stderr=subprocess.PIPE)
lines = done.stderr.decode().splitlines()
check(done.returncode == 0 and b"\r" not in done.stderr and lines[-1].startswith("100%  1.2 MiB of 1.2 MiB") and lines[-1].endswith("4/4 files"), lines)

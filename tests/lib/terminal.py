"""Runs a program on a terminal of its own, and knows what a person would have seen of it."""
import fcntl, os, pty, select, signal, struct, subprocess, termios, time

PATIENCE = 30


class Screen:
    """What arrives, as a terminal shows it: it wraps when something comes behind the last column."""

    def __init__(self, columns):
        self.columns, self.lines, self.column, self.wrapped = columns, [""], 0, False
        self.seen = []  # each state of a line that a carriage return begins anew

    def feed(self, text):
        for c in text:
            if c == "\n":
                self.lines.append("")
            elif c == "\r":
                if self.lines[-1].strip():
                    self.seen.append(self.lines[-1].rstrip())
                self.column = 0
            elif c.isprintable():
                if self.column >= self.columns:
                    self.wrapped, self.column = True, 0
                    self.lines.append("")
                line = self.lines[-1].ljust(self.column)
                self.lines[-1] = line[: self.column] + c + line[self.column + 1 :]
                self.column += 1
            else:
                raise AssertionError("control character %r" % c)

    def left(self):
        """What is still there at the end: no line that has only been wiped out."""
        return [line.rstrip() for line in self.lines if line.strip()]


class Run:
    """`argv` on a terminal; with `out`, a file, only its standard error is there."""

    def __init__(self, argv, columns=80, out=None):
        self.screen, self.begin, self.bytes = Screen(columns), time.monotonic(), 0
        self.shown = None  # when the first byte came
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            mode = termios.tcgetattr(0)
            mode[3] &= ~termios.ECHO
            termios.tcsetattr(0, termios.TCSANOW, mode)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            if out:
                os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
            os.execv(argv[0], argv)

    def poll(self, seconds):
        """Takes in what has come within the time; False: the program has ended."""
        if not select.select([self.fd], [], [], seconds)[0]:
            assert time.monotonic() - self.begin < PATIENCE, "it does not end"
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        if data and self.shown is None:
            self.shown = time.monotonic() - self.begin
        self.bytes += len(data)
        self.screen.feed(data.decode("ascii"))
        return bool(data)

    def key(self, byte):
        os.write(self.fd, byte)

    def end(self):
        """Its exit code."""
        while self.poll(1):
            pass
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return code

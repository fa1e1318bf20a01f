"""Two processes lock one file, each through a mount of its own (mount_locks.sh)."""
import errno, fcntl, os, signal, struct, sys

first, second = sys.argv[1:]
OFD_SETLK = 37


def flock_of(kind, start, length):
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0)


def refused(call, *arguments):
    try:
        call(*arguments)
    except OSError as e:
        assert e.errno in (errno.EAGAIN, errno.EACCES), e
        return True
    return False


def other(work):
    """Another process does it; what it waits for is let go when it says so by a byte."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        work(lambda: os.write(w, b"x"))
        os._exit(0)
    os.read(r, 1)
    return pid


def ended(pid):
    assert os.waitpid(pid, 0)[1] == 0


signal.alarm(20)

# locks on bytes: refused, asked for, waited for; a close of another descriptor of the file gives them back
a = open(first, "w+")
fcntl.lockf(a, fcntl.LOCK_EX, 10, 0)


def bytes_of_another(say):
    b = open(second, "r+")
    assert refused(fcntl.lockf, b, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 3)
    fcntl.lockf(b, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 10)
    kind, _, start, length, _ = struct.unpack("hhqqi4x", fcntl.fcntl(b, fcntl.F_GETLK, flock_of(fcntl.F_WRLCK, 3, 5)))
    assert (kind, start, length) == (fcntl.F_WRLCK, 0, 10)
    say()
    fcntl.lockf(b, fcntl.LOCK_EX, 5, 3)


pid = other(bytes_of_another)
open(first).close()
ended(pid)

# flock: waits, may be interrupted, and ends with the last descriptor
fcntl.flock(a, fcntl.LOCK_EX)


class Alarm(Exception):
    pass


def ring(*_):
    raise Alarm


def flock_of_another(say):
    a.close()
    b = open(second, "r+")
    assert refused(fcntl.flock, b, fcntl.LOCK_SH | fcntl.LOCK_NB)
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        fcntl.flock(b, fcntl.LOCK_SH)
        os._exit(1)
    except Alarm:
        pass
    say()
    fcntl.flock(b, fcntl.LOCK_SH)


pid = other(flock_of_another)
a.close()
ended(pid)

# of an open file
a, b = open(first, "w+"), open(second, "w+")
fcntl.fcntl(a, OFD_SETLK, flock_of(fcntl.F_WRLCK, 0, 0))
assert refused(fcntl.fcntl, b, OFD_SETLK, flock_of(fcntl.F_WRLCK, 0, 0))
a.close()
while refused(fcntl.fcntl, b, OFD_SETLK, flock_of(fcntl.F_WRLCK, 0, 0)):
    pass  # the kernel says later that a file was closed

# each waits for the other, on different mounts: one is told
def waits_for_another(say):
    x, y = open(second, "r+"), open(second + "2", "w+")
    fcntl.lockf(y, fcntl.LOCK_EX)
    say()
    os._exit(7 if deadlocked(x) else 8)


def deadlocked(file):
    try:
        fcntl.lockf(file, fcntl.LOCK_EX)
    except OSError as e:
        assert e.errno == errno.EDEADLK, e
        return True
    return False


b.close()
a, c = open(first, "w+"), open(first + "2", "w+")
fcntl.lockf(a, fcntl.LOCK_EX)
pid = other(waits_for_another)
told = deadlocked(c)
a.close()
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == (8 if told else 7), told

"""A WAL database on a mount that is killed.

  mount_sqlite.py make DB             an empty one
  mount_sqlite.py load DB COMMITTED [PATIENCE]
                                      three clients, each transaction noted in COMMITTED once it is committed; until the database is gone. Once one has
                                      ended, the others are killed after so many seconds: sqlite itself tries for 10 to begin to read
  mount_sqlite.py check DB COMMITTED  whole, and every transaction that was noted is there, with both of its rows
"""
import multiprocessing
import multiprocessing.connection
import os
import sqlite3
import sys
import time

command, path = sys.argv[1:3]


def connect():
    db = sqlite3.connect(path, timeout=0.2, isolation_level=None)
    db.execute("pragma synchronous=full")
    return db


# sqlite takes any failure to lock the shared index for a busy one; here it is, unless the mount is there no more.
def begin(db):
    while True:
        os.statvfs(path)
        try:
            return db.execute("begin immediate")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise


def client(me, first, note):
    try:
        db = connect()
        for i in range(first, first + 10**6):
            key = "%d-%d" % (me, i)
            begin(db)
            db.execute("insert into t values (?, ?)", (key + "a", os.urandom(700)))
            db.execute("insert into t values (?, ?)", (key + "b", os.urandom(700)))
            db.execute("commit")
            os.write(note, (key + "\n").encode())
    except (sqlite3.Error, OSError) as error:
        print(me, error, file=sys.stderr)
    os._exit(0)  # what is mapped of a dead mount is not touched again


if command == "make":
    db = sqlite3.connect(path)
    assert db.execute("pragma journal_mode=wal").fetchone() == ("wal",)
    db.execute("create table t (key text primary key, value blob)")
    db.commit()
elif command == "load":
    note = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND)
    first = len(open(sys.argv[3]).read().split()) * 1000
    workers = [multiprocessing.Process(target=client, args=(i, first, note)) for i in range(3)]
    for worker in workers:
        worker.start()
    multiprocessing.connection.wait([w.sentinel for w in workers])
    end = time.monotonic() + float(sys.argv[4] if len(sys.argv) > 4 else 60)
    for worker in workers:
        worker.join(max(0, end - time.monotonic()))
        if worker.is_alive() and len(sys.argv) > 4:
            worker.kill()
            worker.join()
            continue
        # SIGBUS is what a page of a mapping that is gone gives
        assert worker.exitcode in (0, -7), worker.exitcode
else:
    db = connect()
    assert db.execute("pragma journal_mode").fetchone() == ("wal",)
    assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    there = {row[0] for row in db.execute("select key from t")}
    noted = open(sys.argv[3]).read().split()
    lost = [key for key in noted if key + "a" not in there or key + "b" not in there]
    assert not lost, lost
    halves = [k for k in there if k[:-1] + ("b" if k.endswith("a") else "a") not in there]
    assert not halves, halves

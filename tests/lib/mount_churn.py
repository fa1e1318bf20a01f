"""mount_churn.py DIRECTORY PROCESSES OPERATIONS: processes create, rename, read and remove files of a directory that they share; each knows what
became of its own, and at the end the tree is what they know, no more and no less."""
import multiprocessing
import os
import random
import sys

top, processes, operations = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
seed = int(os.environ.get("PF_TEST_SEED", random.randrange(1 << 32)))


def churn(me, results):
    chance, mine = random.Random(seed + me), {}
    for i in range(operations):
        what = chance.choice("ccrrxxd") if mine else "c"
        where = "%s/d%d" % (top, chance.randrange(4))
        new = "%s/%d-%d" % (where, me, i)
        if what == "c":
            mine[new] = chance.randbytes(chance.choice([0, 100, 4096, 20000]))
            with open(new, "xb") as file:
                file.write(mine[new])
            continue
        old = chance.choice(sorted(mine))
        if what == "r":
            os.rename(old, new)
            mine[new] = mine.pop(old)
        elif what == "x":
            with open(old, "rb") as file:
                assert file.read() == mine[old], old
        else:
            os.unlink(old)
            del mine[old]
            assert not os.path.lexists(old), old
    results.put(mine)


print("seed", seed)
for i in range(4):
    os.mkdir("%s/d%d" % (top, i))
results = multiprocessing.Queue()
workers = [multiprocessing.Process(target=churn, args=(i, results)) for i in range(processes)]
for worker in workers:
    worker.start()
model = {}
while len(model) >= 0 and any(w.is_alive() for w in workers) or not results.empty():
    try:
        model.update(results.get(timeout=0.2))
    except Exception:
        pass
for worker in workers:
    worker.join()
    assert worker.exitcode == 0, worker.exitcode
tree = {os.path.join(where, f) for where, _, files in os.walk(top) for f in files}
assert tree == set(model), sorted(tree ^ set(model))
for path, content in model.items():
    assert open(path, "rb").read() == content, path

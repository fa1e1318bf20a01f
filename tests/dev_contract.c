/* Every kind of memory device does what dev.h says, the real one or a stand-in that refuses the same. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sys.h"
#include "dev/media.h"
#include "kinds.h"
#include "test.h"

static const struct kind *k; /* the kind that is being tested */

static struct dev *make(void)
{
	struct dev *dev;

	must_be(kind_make(k, false, &dev), 0);
	return dev;
}

static struct dev *open_again(const struct dev *dev, bool readonly)
{
	struct dev *other;

	must_be(kind_open(k, dev->fd, readonly, &other), 0);
	return other;
}

static uint8_t *map(struct dev *dev, int prot)
{
	void *at;

	must_be(dev_map(dev, 0, kind_bytes(k), prot, NULL, &at), 0);
	must((uintptr_t)at % k->granule == 0);
	return at;
}

static uint8_t *map_rw(struct dev *dev)
{
	return map(dev, PROT_READ | PROT_WRITE);
}

static void unmap(void *at)
{
	munmap(at, kind_bytes(k));
}

static void end(struct dev *dev)
{
	dev_close(dev);
	kind_remove(k);
}

static void geometry(void)
{
	struct dev *dev = make();

	must(!strcmp(dev->ops->name, k->device));
	must_be(dev->size, kind_bytes(k));
	must_be(dev->granule, k->granule);
	must_be(dev->durability, k->durability);
	must_be(dev->can_discard, k->discards);
	must_be(dev->page_cache, k->volatile_ok);
	must(!dev->readonly);
	must((dev->persist != NULL) == (dev->durability == DEV_PERSISTENT));
	must((dev->drain != NULL) == (dev->durability == DEV_PERSISTENT));
	must(fcntl(dev->fd, F_GETFD) & FD_CLOEXEC);
	must(dev->granule >= BLOCK_BYTES ? !dev->ops->huge_hint(dev) : !!dev->ops->huge_hint(dev));
	end(dev);
}

static void space_is_reserved(void)
{
	struct dev *dev;

	if (k->fixed_size)
		return;
	dev = make();
	must(kind_reserved(dev) >= kind_bytes(k));
	end(dev);
	must_be(kind_make(k, true, &dev), 0);
	must_be(dev->size, kind_bytes(k));
	must_be(kind_reserved(dev), 0);
	end(dev);
}

static void make_refuses(void)
{
	struct dev *dev = make(), *other;

	if (k->fixed_size) {
		must_be(dev_make(k->path, dev->size + 1, false, false, &other), -PF_ESHORT);
		must_be(dev_make(k->path, 0, false, false, &other), 0);
		must_be(other->size, dev->size);
		dev_close(other);
	} else if (k->path[0]) {
		must_be(kind_make(k, false, &other), -PF_EEXISTPOOL);
		must_be(access(k->path, F_OK), 0);
		unlink(k->path);
		must_be(dev_make(k->path, 0, false, k->volatile_ok, &other), -PF_EPOOLSIZE);
		must_be(access(k->path, F_OK), -1);
		must_be(kind_make(k, false, &other), 0);
		dev_close(other);
	}
	end(dev);
}

static void stores_are_seen(void)
{
	struct dev *a = make(), *b = open_again(a, false);
	uint8_t *at = map_rw(a), *seen = map(b, PROT_READ);

	for (uint64_t i = 0; i < kind_bytes(k); i += k->granule) {
		must_be(seen[i], k->fixed_size ? seen[i] : 0);
		at[i] = (uint8_t)(1 + i / k->granule);
		dev_persist(a, at + i, 1);
	}
	dev_drain(a);
	dev_close(a);
	at[1] = 77; /* a mapping outlives its device */
	must_be(seen[1], 77);
	for (uint64_t i = 0; i < kind_bytes(k); i += k->granule)
		must_be(seen[i], (uint8_t)(1 + i / k->granule));
	unmap(at);
	unmap(seen);
	end(b);
}

static void fixed_address(void)
{
	struct dev *dev = make();
	uint64_t room = 4 * MAX(k->granule, BLOCK_BYTES), big = MAX(k->granule, BLOCK_BYTES);
	uint8_t *all = map_rw(dev), *fixed;
	void *range, *mapped;

	must_be(dev_reserve_addresses(room, big, &range), 0);
	must((uintptr_t)range % big == 0);
	fixed = (uint8_t *)range + big;
	must_be(dev_map(dev, k->granule, 2 * k->granule, PROT_READ, fixed, &mapped), 0);
	must(mapped == fixed);
	all[k->granule] = 5;
	all[3 * k->granule - 1] = 6;
	must(fixed[0] == 5 && fixed[2 * k->granule - 1] == 6);
	munmap(range, room);
	unmap(all);
	must_be(dev_reserve_addresses(-1ul << 12, big, &range), -ENOMEM);
	end(dev);
}

static bool same_media(const struct dev *a, const struct dev *b)
{
	return !memcmp(&a->identity, &b->identity, sizeof a->identity);
}

static void identity(void)
{
	struct dev *a = make(), *b = open_again(a, true), *other;
	char old[300];

	must(same_media(a, b));
	dev_close(b);
	if (!k->fixed_size) {
		snprintf(old, sizeof old, "%s.old", k->path);
		must(!k->path[0] || rename(k->path, old) == 0);
		other = make();
		must(!same_media(a, other));
		end(other);
		must(!k->path[0] || rename(old, k->path) == 0);
	}
	end(a);
}

static void readonly(void)
{
	struct dev *dev = make(), *r = open_again(dev, true);
	uint8_t *at = map(r, PROT_READ);
	void *mapped;

	must(r->readonly && !r->can_discard);
	must_be(at[0], at[0]);
	must_be(dev_map(r, 0, k->granule, PROT_READ | PROT_WRITE, NULL, &mapped), -EACCES);
	must_be(dev_discard(r, 0, k->granule), -EOPNOTSUPP);
	must_be(dev_lock(r, 0), 0);
	must_be(dev_lock(dev, 0), -PF_EBUILDING);
	dev_unlock(r);
	must_be(dev_lock(dev, 0), 0);
	unmap(at);
	dev_close(r);
	end(dev);
}

/* The kernel has a page of a process that died: its I/O goes on with the old memory. */
static void discard_replaces_memory(void)
{
	struct dev *dev = make(), *other = open_again(dev, false);
	uint8_t *at = map_rw(dev), *seen = map(other, PROT_READ), old[16];
	struct iovec page = {at + k->granule, sizeof old};
	uint64_t reserved = kind_reserved(dev);
	int ends[2];

	memset(at, 9, kind_bytes(k));
	must_be(seen[k->granule], 9);
	must(pipe(ends) == 0);
	must_be(vmsplice(ends[1], &page, 1, 0), sizeof old);
	must_be(dev_discard(dev, k->granule, 2 * k->granule), 0);
	must_be(kind_reserved(dev), reserved);
	for (uint64_t i = 0; i < kind_bytes(k); i++)
		if (seen[i] != (i >= k->granule && i < 3 * k->granule ? 0 : 9))
			test_fail(__FILE__, __LINE__, "byte %lu is %d", (unsigned long)i, seen[i]);
	memset(at + k->granule, 3, sizeof old);
	must_be(read(ends[0], old, sizeof old), sizeof old);
	for (size_t i = 0; i < sizeof old; i++)
		must_be(old[i], 9);
	close(ends[0]);
	close(ends[1]);
	unmap(at);
	unmap(seen);
	dev_close(other);
	end(dev);
}

static void discard(void)
{
	struct dev *dev;

	if (k->discards) {
		discard_replaces_memory();
		return;
	}
	dev = make();
	must_be(dev_discard(dev, 0, k->granule), -EOPNOTSUPP);
	end(dev);
}

struct locker {
	int fd; /* the media, to be opened again: a forked child has no device */
	int has, go, forked;
};

/* Not killed with its parent: it lives on with what it inherited. */
static void live_on(const struct locker *l, const struct dev *dev)
{
	must_be(dev->fd, -1);
	test_gate_open(l->forked);
	test_gate_wait(l->go);
	_exit(0);
}

static int lock_and_fork(void *arg)
{
	struct locker *l = arg;
	struct dev *dev;

	must_be(kind_open(k, l->fd, false, &dev), 0);
	must_be(dev_lock(dev, 0), 0);
	if (fork() == 0)
		live_on(l, dev);
	test_gate_open(l->has);
	return pause();
}

/* A lock goes with the process that took it, though a child that it forked lives on. */
static void lock(void)
{
	struct dev *dev = make(), *second = open_again(dev, false);
	struct locker l = {dup(dev->fd), test_gate(), test_gate(), test_gate()};
	pid_t pid = test_fork(lock_and_fork, &l);

	test_gate_wait(l.has);
	test_gate_wait(l.forked);
	must_be(dev_lock(dev, 20), -PF_EBUILDING);
	test_kill(pid);
	must_be(dev_lock(dev, TEST_PATIENCE), 0);
	must_be(dev_lock(second, 5), -PF_EBUILDING);
	dev_unlock(dev);
	must_be(dev_lock(second, 0), 0);
	test_gate_open(l.go);
	close(l.fd);
	close(l.has);
	close(l.go);
	close(l.forked);
	dev_close(second);
	end(dev);
}

static int has_no_mapping(void *at)
{
	unsigned char resident;

	return mincore(at, PAGE_BYTES, &resident) < 0 && errno == ENOMEM ? 0 : 1;
}

static void forked_child_has_nothing(void)
{
	struct dev *dev = make();
	uint8_t *at = map_rw(dev);

	must_be(test_in_child(has_no_mapping, at), 0);
	unmap(at);
	end(dev);
}

/* ---- the Nth system call fails ---- */

static struct dev *victim; /* what the operations below are done on */

static int try_make(void)
{
	struct dev *dev;
	int rc = kind_make(k, false, &dev);

	if (rc == 0)
		end(dev);
	else if (k->path[0] && !k->fixed_size)
		must(access(k->path, F_OK) < 0);
	return rc;
}

static int try_open(void)
{
	struct dev *dev;
	int rc = kind_open(k, victim->fd, false, &dev);

	if (rc == 0)
		dev_close(dev);
	return rc;
}

static int try_map(void)
{
	void *at;
	int rc = dev_map(victim, 0, kind_bytes(k), PROT_READ, NULL, &at);

	if (rc == 0)
		unmap(at);
	return rc;
}

static int try_lock(void)
{
	int rc = dev_lock(victim, 0);

	dev_unlock(victim);
	return rc;
}

static int try_discard(void)
{
	return k->discards ? dev_discard(victim, 0, kind_bytes(k)) : 0;
}

static unsigned mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned n = 0;

	must(f != NULL);
	for (int c; (c = getc(f)) != EOF;)
		n += c == '\n';
	fclose(f);
	return n;
}

static void fail_each_call(int (*operation)(void), int error)
{
	for (long n = 1;; n++) {
		unsigned fds = test_fds(), maps = mappings();
		int rc;

		sys_fail_nth(n, error);
		rc = operation();
		if (rc < 0 && rc != -error && rc != -ENOMEM)
			test_fail(__FILE__, __LINE__, "call %ld, error %d: %d", n, error, rc);
		if (sys_calls() < n) {
			must_be(rc, 0);
			break;
		}
		sys_fail_nth(0, 0);
		must_be(test_fds(), fds);
		must(mappings() <= maps + (error == 0));
	}
	sys_fail_nth(0, 0);
}

static void failures_leave_nothing(void)
{
	static const int errors[] = {ENOMEM, EMFILE, ENOSPC};

	mappings(); /* what stdio and allocators map for themselves is there before it is counted */
	try_make();
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		fail_each_call(try_make, errors[i]);
	victim = make();
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		fail_each_call(try_open, errors[i]);
		fail_each_call(try_map, errors[i]);
		fail_each_call(try_lock, errors[i]);
		fail_each_call(try_discard, errors[i]);
	}
	if (k->discards)
		must(kind_reserved(victim) >= kind_bytes(k));
	end(victim);
}

static void contract(void)
{
	geometry();
	space_is_reserved();
	make_refuses();
	stores_are_seen();
	fixed_address();
	identity();
	readonly();
	discard();
	lock();
	forked_child_has_nothing();
	failures_leave_nothing();
}

int main(void)
{
	unsigned fds;

	test_dir();
	fds = test_fds();
	for (unsigned i = 0; i < kinds_count; i++) {
		k = &kinds[i];
		if (kinds[i].start(&kinds[i])) {
			contract();
			printf("%s: as the contract says\n", k->name);
		}
		kind_end();
		must_be(test_fds(), fds);
	}
	return 0;
}

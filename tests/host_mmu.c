/* The host's MMU shows the pool, zeros, SIGBUS or nothing, on every kind of device, and counts its mappings as the kernel does. */
/* test: suite=short timeout=120 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sys.h"
#include "host/host.h"
#include "kinds.h"
#include "test.h"

#define RW (PROT_READ | PROT_WRITE)

static const struct kind *k;
static uint64_t g; /* its granule */

/* ---- what an address does ---- */

static sigjmp_buf out;

static void caught(int number)
{
	siglongjmp(out, number);
}

/* 0, or the signal of a load; *byte gets what was there. A store of what is there. */
static int load(uint64_t address, uint8_t *byte)
{
	int number = sigsetjmp(out, 1);

	if (!number)
		*byte = *(volatile uint8_t *)(uintptr_t)address;
	return number;
}

static int store(uint64_t address, uint8_t byte)
{
	int number = sigsetjmp(out, 1);

	if (!number)
		*(volatile uint8_t *)(uintptr_t)address = byte;
	return number;
}

static void must_show(uint64_t address, int wanted)
{
	uint8_t byte = 0;

	must_be(load(address, &byte), 0);
	must_be(byte, wanted);
}

static void must_raise(uint64_t address, int at_load, int at_store)
{
	uint8_t byte;

	must_be(load(address, &byte), at_load);
	must_be(store(address, 1), at_store);
}

/* ---- one device ---- */

static struct dev *make(void)
{
	struct dev *dev;
	uint8_t *at;
	void *mapped;

	must_be(kind_make(k, false, &dev), 0);
	must_be(dev_map(dev, 0, kind_bytes(k), RW, NULL, &mapped), 0);
	at = mapped;
	for (unsigned i = 0; i < 4; i++)
		at[i * g] = (uint8_t)(10 + i);
	munmap(mapped, kind_bytes(k));
	return dev;
}

static uint64_t mappings(uint64_t address, uint64_t length);

/* The kernel has no more of them than we know of. */
static void must_count(struct host *h, uint64_t address, uint64_t length, uint64_t wanted)
{
	uint64_t limit;

	must_be(h->extents, wanted);
	must_be(host_extents(&limit), wanted);
	must(mappings(address, length) <= wanted);
}

/* Nothing is there, or what a sanitizer has put there since: not our SIGBUS. */
static int in_child(void *arg)
{
	uint64_t *at = arg;
	uint8_t byte = 0;

	for (unsigned i = 0; i < 4; i++)
		must(load(*at + i * g, &byte) == SIGSEGV || !byte);
	return 0;
}

static void shows(struct host *h)
{
	uint64_t at;

	must_be(h->ops->reserve(h, 0, 4 * g, 2 * g, false, false, &at), 0);
	must(at % (2 * g) == 0);
	must_raise(at, SIGSEGV, SIGSEGV);
	must_count(h, at, 4 * g, 1);
	must_be(h->ops->map(h, at, 2 * g, g, RW), 0);
	must_show(at, 11);
	must_show(at + g, 12);
	must_be(store(at, 31), 0);
	must_be(h->ops->zeros(h, at + 2 * g, g, RW), 0);
	must_show(at + 2 * g, 0);
	must_be(store(at + 2 * g, 1), SIGSEGV);
	must_be(h->ops->sigbus(h, at + 3 * g, g, RW), 0);
	must_raise(at + 3 * g, SIGBUS, SIGBUS);
	must_count(h, at, 4 * g, 3);
	must_be(test_in_child(in_child, &at), 0);
	must_be(h->ops->sigbus(h, at + 3 * g, g, PROT_READ), 0);
	must_raise(at + 3 * g, SIGBUS, SIGSEGV);
	must_be(h->ops->map(h, at, 2 * g, g, PROT_READ), 0);
	must_show(at, 31);
	must_be(store(at, 1), SIGSEGV);
	h->ops->populate(h, at, 2 * g, false);
	must_be(h->ops->nothing(h, at + g, g), 0);
	must_raise(at + g, SIGSEGV, SIGSEGV);
	must_show(at, 31);
	must_be(h->ops->map(h, at, g, g, RW), 0);
	must_be(store(at, 11), 0);
	must_be(h->ops->release(h, at, 4 * g), 0);
	must_count(h, at, 4 * g, 0);
}

static void fixed(struct host *h)
{
	uint64_t at, again;

	must_be(h->ops->reserve(h, 0, 4 * g, g, false, false, &at), 0);
	must_be(h->ops->release(h, at + g, g), 0);
	must_be(h->ops->reserve(h, at, 2 * g, g, true, false, &again), -PF_EMAPPED);
	must_be(h->ops->reserve(h, at + g, g, g, true, false, &again), 0);
	must(again == at + g);
	must_be(h->ops->map(h, at, g, 0, RW), 0);
	must_be(h->ops->reserve(h, at, g, g, true, true, &again), 0);
	must(again == at);
	must_raise(at, SIGSEGV, SIGSEGV);
	must_be(h->ops->release(h, at + 2 * g, 2 * g), 0);
	must_be(h->ops->reserve(h, at + 2 * g, g, g, false, false, &again), 0);
	must(again == at + 2 * g); /* the wish */
	must_be(h->ops->reserve(h, at, g, g, false, false, &again), 0);
	must(again != at);
	must_be(h->ops->release(h, again, g), 0);
	must_be(h->ops->release(h, at, 3 * g), 0);
	must_count(h, at, 4 * g, 0);
}

/* What fails leaves what was there, or nothing. */
static void refused(struct host *h)
{
	uint64_t at, other;
	long calls = 1;
	int rc = -1;
	uint8_t byte = 0;

	must_be(h->ops->reserve(h, 0, 2 * g, g, false, false, &at), 0);
	must_be(h->ops->map(h, at, g, 0, RW), 0);
	for (; rc < 0; calls++) {
		sys_fail_nth(calls, ENOMEM);
		rc = h->ops->reserve(h, 0, g, g, false, false, &other);
		sys_fail_nth(0, 0);
		must(rc == 0 || rc == -ENOMEM);
	}
	must_be(h->ops->release(h, other, g), 0);
	for (rc = -1, calls = 1; rc < 0; calls++) {
		sys_fail_nth(calls, ENOMEM);
		rc = h->ops->sigbus(h, at, g, RW);
		sys_fail_nth(0, 0);
		if (rc < 0)
			must(load(at, &byte) == SIGSEGV || byte == 10);
	}
	must(calls > 2);
	must_raise(at, SIGBUS, SIGBUS);
	must_be(h->ops->release(h, at, 2 * g), 0);
}

/* ---- counting ---------------------------------------------------------------------------------------- */

static uint64_t mappings(uint64_t address, uint64_t length)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	uint64_t n = 0;
	char line[512];

	must(f);
	while (fgets(line, sizeof line, f))
		n += sscanf(line, "%lx-%lx ", &from, &to) == 2 && from < address + length &&
		     to > address;
	fclose(f);
	return n;
}

static void one_change(struct host *h, struct test_random *r, uint64_t at, uint64_t granules)
{
	uint64_t first = test_below(r, granules), n = 1 + test_below(r, MIN(4ul, granules - first));
	uint64_t start = at + first * g;
	int prot = test_below(r, 4) ? RW : PROT_READ;
	uint8_t byte;

	switch (test_below(r, 6)) {
	case 0:
		must_be(h->ops->zeros(h, start, n * g, prot), 0);
		must_be(load(start, &byte), 0);
		break;
	case 1:
		must_be(h->ops->sigbus(h, start, n * g, prot), 0);
		break;
	case 2:
		must_be(h->ops->nothing(h, start, n * g), 0);
		break;
	default: /* often what goes on beside it */
		n = MIN(n, 4 - first % 4);
		must_be(h->ops->map(h, start, n * g, first % 4 * g, prot), 0);
		must_show(start, 10 + (int)(first % 4));
	}
}

static void counts(struct host *h)
{
	struct test_random r = {test_seed()};
	double share = 0.5 * (double)(k - kinds + 1) / kinds_count;
	uint64_t at, granules = 64, real;

	/* Neighbours of others are not in the way of counting. */
	must_be(h->ops->reserve(h, 0, (granules + 2) * g, g, false, false, &at), 0);
	must_be(h->ops->release(h, at, g), 0);
	must_be(h->ops->release(h, at + (granules + 1) * g, g), 0);
	at += g;
	for (unsigned i = 0; i < 2000 && (i < 200 || test_time_left(share)); i++) {
		one_change(h, &r, at, granules);
		real = mappings(at, granules * g);
		if (h->extents < real || h->extents > 2 * real)
			test_fail(__FILE__, __LINE__, "change %u: %lu mappings, taken for %lu", i,
				  (unsigned long)real, (unsigned long)h->extents);
	}
	printf("%s: %lu mappings at last, taken for %lu\n", k->name,
	       (unsigned long)mappings(at, granules * g), (unsigned long)h->extents);
	must_be(h->ops->release(h, at, granules * g), 0);
	must_count(h, at, granules * g, 0);
}

/* ---- all kinds ---------------------------------------------------------------------------------------- */

static void each_kind(struct kind *kind)
{
	struct host h, second;
	struct dev *dev;
	uint64_t at, limit;

	if (!kind->start(kind))
		return;
	k = kind;
	g = MAX(kind->granule, 4096ul);
	dev = make();
	must_be(host_mmu(dev, &h), 0);
	shows(&h);
	must_be(host_mmu(dev, &second), 0);
	must_be(second.ops->reserve(&second, 0, g, g, false, false, &at), 0);
	must_be(host_extents(&limit), 1);
	must(limit > 1000);
	host_end(&second);
	must_be(host_extents(&limit), 0);
	munmap((void *)(uintptr_t)at, g);
	fixed(&h);
	refused(&h);
	counts(&h);
	host_end(&h);
	dev_close(dev);
	kind_remove(k);
	kind_end();
}

int main(void)
{
	test_dir();
	signal(SIGSEGV, caught);
	signal(SIGBUS, caught);
	for (unsigned i = 0; i < kinds_count; i++)
		each_kind(&kinds[i]);
	return 0;
}

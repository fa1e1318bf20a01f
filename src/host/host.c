/*
 * The host's MMU by mmap(2), see host.h.
 *
 * How many mappings the kernel has of our windows is not asked but known: a tree of extents, ordered by address, says what is where, and two that the kernel
 * makes one mapping of are one extent here. So the number that a change leads to is known before it is made. The tree is a treap: ordered by address, a heap by random
 * priorities. It needs no lock: calls for one host come from one thread at a time.
 *
 * The kernel makes one of neighbours that show contiguous bytes of one file with the same permissions and advice; not of huge pages. SIGBUS is offset `address` of an empty
 * file, so neighbours always go on. Zeros are private anonymous memory: a new piece joins one of its neighbours, but perhaps not both, when each of these was read before. It is counted so.
 */
#include "host/host.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "base/check.h"
#include "base/err.h"
#include "base/sys.h"

#define MAP_COUNT_DEFAULT 65530u
#define SPARES            3u /* extents that one change may need: two cut, one new */

enum kind { RELEASED, POOL, ZEROS, BUS, NOTHING };

struct extent {
	uint64_t start, end; /* addresses */
	uint64_t offset;     /* POOL: of the first byte, in the device */
	enum kind kind;
	int prot;
	bool huge;  /* the host was advised to map huge pages */
	bool alone; /* it never becomes one with another */
	unsigned priority;
	struct extent *left, *right;
};

struct mmu {
	struct extent *root;
	struct extent *spare; /* by `right` */
	unsigned spares;
	unsigned random;
};

static _Atomic uint64_t all_extents; /* of this process */
static _Atomic uint64_t most;        /* it may have; 0: not asked yet */

/* ---- how many ---------------------------------------------------------------------------------------- */

static uint64_t ask_limit(void)
{
	unsigned long count = MAP_COUNT_DEFAULT;
	char text[32] = "";
	int fd = sys_open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC, 0);

	if (fd >= 0) {
		if (sys_pread(fd, text, sizeof text - 1, 0) <= 0 ||
		    sscanf(text, "%lu", &count) != 1)
			count = MAP_COUNT_DEFAULT;
		sys_close(fd);
	}
	return count / 4 * 3;
}

uint64_t host_extents(uint64_t *limit)
{
	if (!load_relaxed(&most))
		store_relaxed(&most, ask_limit());
	*limit = load_relaxed(&most);
	return load_relaxed(&all_extents);
}

/* ---- the tree ---------------------------------------------------------------------------------------- */

static uint64_t offset_at(const struct extent *e, uint64_t address)
{
	return e->kind == POOL ? e->offset + (address - e->start) : 0;
}

/* Those that start before `at`, and the others. */
static void split(struct extent *t, uint64_t at, struct extent **before, struct extent **others)
{
	if (!t) {
		*before = *others = NULL;
	} else if (t->start < at) {
		split(t->right, at, &t->right, others);
		*before = t;
	} else {
		split(t->left, at, before, &t->left);
		*others = t;
	}
}

static struct extent *join(struct extent *a, struct extent *b)
{
	if (!a || !b)
		return a ? a : b;
	if (a->priority > b->priority) {
		a->right = join(a->right, b);
		return a;
	}
	b->left = join(a, b->left);
	return b;
}

static struct extent *find(struct extent *t, uint64_t address)
{
	while (t && (address < t->start || address >= t->end))
		t = address < t->start ? t->left : t->right;
	return t;
}

static uint64_t overlapping(const struct extent *t, uint64_t start, uint64_t end)
{
	if (!t)
		return 0;
	if (t->end <= start)
		return overlapping(t->right, start, end);
	if (t->start >= end)
		return overlapping(t->left, start, end);
	return 1 + overlapping(t->left, start, end) + overlapping(t->right, start, end);
}

static struct extent *last_of(struct extent *t)
{
	while (t && t->right)
		t = t->right;
	return t;
}

static struct extent *first_of(struct extent *t)
{
	while (t && t->left)
		t = t->left;
	return t;
}

/* What is at `at` in `a` ends there, and `b` begins: one mapping. */
static bool goes_on(const struct extent *a, const struct extent *b, uint64_t at)
{
	return a && b && a->kind == b->kind && a->kind != RELEASED && a->prot == b->prot &&
	       a->huge == b->huge && !a->alone && offset_at(a, at) == offset_at(b, at);
}

/* How many extents more there are when `new` is in its place. */
static int64_t growth(const struct mmu *m, const struct extent *new)
{
	struct extent *left = find(m->root, new->start - 1), *right = find(m->root, new->end);
	bool joins_left = goes_on(left, new, new->start),
	     joins_right = goes_on(new, right, new->end);
	int64_t more = new->kind != RELEASED;

	more -= (int64_t)overlapping(m->root, new->start, new->end);
	more += left && left->end > new->start;
	more += right && right->start < new->end;
	more -= joins_left;
	more -= joins_right && !(joins_left && new->kind == ZEROS);
	return more;
}

/* ---- changing it ------------------------------------------------------------------------------------- */

static int have_spares(struct mmu *m)
{
	while (m->spares < SPARES) {
		struct extent *e = sys_malloc(sizeof *e);

		if (!e)
			return err(ENOMEM, "mapping");
		e->right = m->spare;
		m->spare = e;
		m->spares++;
	}
	return 0;
}

static struct extent *make(struct mmu *m, const struct extent *what, uint64_t start, uint64_t end)
{
	struct extent *e = m->spare;

	CHECK(m->spares > 0);
	m->spare = e->right;
	m->spares--;
	*e = *what;
	e->offset = offset_at(what, start);
	e->start = start;
	e->end = end;
	m->random = m->random * 1664525u + 1013904223u;
	e->priority = m->random;
	e->left = e->right = NULL;
	return e;
}

static void recycle(struct mmu *m, struct extent *e)
{
	if (m->spares < SPARES) {
		e->right = m->spare;
		m->spare = e;
		m->spares++;
	} else {
		free(e);
	}
}

static void recycle_all(struct mmu *m, struct extent *t)
{
	if (!t)
		return;
	recycle_all(m, t->left);
	recycle_all(m, t->right);
	recycle(m, t);
}

/* The part of `e` from `end` on, if there is one, comes first in *after. */
static void keep_rest(struct mmu *m, const struct extent *e, uint64_t end, struct extent **after)
{
	if (e && e->end > end)
		*after = join(make(m, e, end, e->end), *after);
}

/* `new` takes the place of what is there. */
static void replace(struct mmu *m, struct extent new)
{
	struct extent *before, *inside, *after, *left, *right, *gone;

	split(m->root, new.start, &before, &inside);
	split(inside, new.end, &inside, &after);
	left = last_of(before);
	keep_rest(m, left, new.end, &after);
	keep_rest(m, last_of(inside), new.end, &after);
	if (left)
		left->end = MIN(left->end, new.start);
	recycle_all(m, inside);
	if (left && left->end == new.start &&goes_on(left, &new, new.start)) {
		new.offset = left->offset;
		new.start = left->start;
		split(before, left->start, &before, &gone);
		recycle(m, gone);
	} else {
		left = NULL;
	}
	right = first_of(after);
	if (right && right->start == new.end &&goes_on(&new, right, new.end) &&
	    !(left && new.kind == ZEROS)) {
		new.end = right->end;
		split(after, right->start + 1, &gone, &after);
		recycle(m, gone);
	}
	if (new.kind != RELEASED)
		before = join(before, make(m, &new, new.start, new.end));
	m->root = join(before, after);
}

/* ---- changing the host ------------------------------------------------------------------------------- */

/* The host has done it. */
static void note(struct host *h, const struct extent *new)
{
	int64_t more = growth(h->arg, new);

	replace(h->arg, *new);
	h->extents += (uint64_t)more;
	atomic_fetch_add_explicit(&all_extents, (uint64_t)more, memory_order_relaxed);
}

static int too_many(struct host *h, const struct extent *new)
{
	uint64_t limit, now = host_extents(&limit);
	int64_t more = growth(h->arg, new);

	if (more <= 0 || now + (uint64_t)more <= limit)
		return 0;
	return err(PF_EMAPCOUNT, "%lu, of at most %lu", (unsigned long)now, (unsigned long)limit);
}

static void *pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

static int not_for_children(uint64_t address, uint64_t length)
{
	return sys_madvise(pointer(address), length, MADV_DONTFORK) < 0
		       ? err_errno("madvise at %#lx", (unsigned long)address)
		       : 0;
}

#define INACCESSIBLE (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

static int map_fixed(const struct extent *new, int flags, int fd, uint64_t offset)
{
	uint64_t length = new->end - new->start;
	void *at = sys_mmap(pointer(new->start), length, new->prot, flags | MAP_FIXED, fd,
			    (off_t)offset);
	int rc;

	if (at == MAP_FAILED)
		return err_errno("mmap of %lu KiB at %#lx", (unsigned long)(length >> 10),
				 (unsigned long)new->start);
	rc = not_for_children(new->start, length);
	if (rc < 0)
		mmap(at, length, PROT_NONE, INACCESSIBLE | MAP_FIXED, -1, 0);
	return rc;
}

/* As one would be that the host makes of it. */
static int put(struct host *h, const struct extent *new, int flags, int fd, uint64_t offset)
{
	int rc = have_spares(h->arg);

	if (rc == 0)
		rc = map_fixed(new, flags, fd, offset);
	if (rc == 0)
		note(h, new);
	return rc;
}

/* ---- the calls --------------------------------------------------------------------------------------- */

/* Just there, if nobody has it, or `replace`. */
static int reserve_at(uint64_t address, uint64_t length, bool replace)
{
	void *at = sys_mmap(pointer(address), length, PROT_NONE,
			    INACCESSIBLE | (replace ? MAP_FIXED : MAP_FIXED_NOREPLACE), -1, 0);

	if (at == pointer(address))
		return 0;
	if (at == MAP_FAILED && errno != EEXIST)
		return err_errno("%lu KiB at %#lx", (unsigned long)(length >> 10),
				 (unsigned long)address);
	if (at != MAP_FAILED)
		sys_munmap(at, length); /* of a host that knows no MAP_FIXED_NOREPLACE */
	return err(PF_EMAPPED, "%#lx", (unsigned long)address);
}

static int reserve_near(uint64_t wish, uint64_t length, uint64_t align, uint64_t *address)
{
	void *at;
	int rc;

	*address = align_down(wish, align);
	if (*address && reserve_at(*address, length, false) == 0)
		return 0;
	rc = dev_reserve_addresses(length, align, &at);
	*address = (uint64_t)(uintptr_t)at;
	return rc;
}

static int mmu_reserve(struct host *h, uint64_t wish, uint64_t length, uint64_t align, bool fixed,
		       bool replace, uint64_t *address)
{
	/* Somewhere where it joins nothing. */
	struct extent new = {.start = 1, .end = 1, .kind = NOTHING, .prot = PROT_NONE};
	int rc = too_many(h, &new);

	if (rc == 0)
		rc = have_spares(h->arg);
	if (rc < 0)
		return rc;
	*address = wish;
	rc = fixed ? reserve_at(wish, length, replace) : reserve_near(wish, length, align, address);
	if (rc < 0)
		return rc;
	rc = not_for_children(*address, length);
	new.kind = rc < 0 ? RELEASED : NOTHING;
	new.start = *address;
	new.end = *address + length;
	if (rc < 0)
		sys_munmap(pointer(*address), length);
	note(h, &new);
	return rc;
}

static int mmu_release(struct host *h, uint64_t address, uint64_t length)
{
	struct extent new = {.start = address, .end = address + length, .kind = RELEASED};
	int rc = have_spares(h->arg);

	if (rc < 0)
		return rc;
	if (sys_munmap(pointer(address), length) < 0)
		return err_errno("munmap at %#lx", (unsigned long)address);
	note(h, &new);
	return 0;
}

/* hugetlbfs sets VM_DONTEXPAND, which keeps the kernel from it; what devdax does differs between kernels. */
static bool never_joins(const struct dev *dev)
{
	return dev->granule > PAGE_BYTES || dev->ops == &dev_devdax;
}

static int mmu_map(struct host *h, uint64_t address, uint64_t length, uint64_t offset, int prot)
{
	struct extent new = {.start = address,
			     .end = address + length,
			     .offset = offset,
			     .kind = POOL,
			     .prot = prot,
			     /* as dev_map() advises */
			     .huge = offset % BLOCK_BYTES == 0 && length >= BLOCK_BYTES,
			     .alone = never_joins(h->dev)};
	void *mapped;
	int rc = too_many(h, &new);

	if (rc == 0)
		rc = have_spares(h->arg);
	if (rc == 0)
		rc = dev_map(h->dev, offset, length, prot, pointer(address), &mapped);
	if (rc == 0)
		note(h, &new);
	return rc;
}

static int mmu_zeros(struct host *h, uint64_t address, uint64_t length, int prot)
{
	struct extent new = {.start = address,
			     .end = address + length,
			     .kind = ZEROS,
			     .prot = prot & ~PROT_WRITE};
	int rc = too_many(h, &new);

	return rc < 0 ? rc : put(h, &new, INACCESSIBLE, -1, 0);
}

static int mmu_sigbus(struct host *h, uint64_t address, uint64_t length, int prot)
{
	struct extent new = {.start = address, .end = address + length, .kind = BUS, .prot = prot};

	if (h->bus < 0) {
		h->bus = sys_memfd_create("pinfold-sigbus", MFD_CLOEXEC);
		if (h->bus < 0)
			return err_errno("memfd_create");
	}
	return put(h, &new, MAP_SHARED, h->bus, address);
}

static int mmu_nothing(struct host *h, uint64_t address, uint64_t length)
{
	struct extent new = {.start = address,
			     .end = address + length,
			     .kind = NOTHING,
			     .prot = PROT_NONE};

	return put(h, &new, INACCESSIBLE, -1, 0);
}

static void mmu_populate(struct host *h, uint64_t address, uint64_t length, bool write)
{
	(void)h;
	if (write)
		dev_touch(pointer(address), length);
	else
		madvise(pointer(address), length, MADV_POPULATE_READ);
}

static void mmu_end(struct host *h)
{
	struct mmu *m = h->arg;

	recycle_all(m, m->root);
	while (m->spare) {
		struct extent *next = m->spare->right;

		free(m->spare);
		m->spare = next;
	}
	free(m);
	if (h->bus >= 0)
		sys_close(h->bus);
	atomic_fetch_sub_explicit(&all_extents, h->extents, memory_order_relaxed);
}

static const struct host_ops mmu_ops = {.reserve = mmu_reserve,
					.release = mmu_release,
					.map = mmu_map,
					.zeros = mmu_zeros,
					.sigbus = mmu_sigbus,
					.nothing = mmu_nothing,
					.populate = mmu_populate,
					.end = mmu_end};

int host_mmu(struct dev *dev, struct host *h)
{
	struct mmu *m = sys_calloc(1, sizeof *m);

	if (!m)
		return err(ENOMEM, "host");
	*h = (struct host){.ops = &mmu_ops, .dev = dev, .bus = -1, .arg = m};
	return 0;
}

void host_end(struct host *h)
{
	h->ops->end(h);
}

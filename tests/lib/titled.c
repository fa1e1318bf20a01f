/*
 * Random calls and random kills, see titled.h. Shared files are written under a name of their writer's and then renamed; afterwards only
 * whole pages leave them or are added as zeros. So each of their pages says for ever which file and index it is, or is zeros, and does not
 * change while it is held, whatever happens to the file.
 */
#include "titled.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pool.h"

#define MIB      (1ul << 20)
#define PAGE     PF_PAGE_SIZE
#define WORDS    (PAGE / 8)
#define FILES    5u
#define FILE_MAX 700u /* pages: some files have a folio of 2 MiB */
#define HELD_MAX 4u
#define DIRS     3u
#define NAME     64
#define POOL_MIB 24u
#define CHECK    16u  /* kills between checks */
#define EPOCH    400u /* kills between two empty pools */

/* ---- pages that say what they are ---------------------------------------------------------------------- */

static uint64_t title(unsigned file, uint64_t index)
{
	return 0x70696eull << 40 | (uint64_t)file << 32 | index;
}

static void make_page(uint64_t *page, unsigned file, uint64_t index, uint64_t salt)
{
	page[0] = title(file, index);
	page[1] = salt | 1;
	for (unsigned i = 2; i < WORDS; i++)
		page[i] = page[0] ^ page[1] * i;
}

/* Its salt, or 0 for a page of zeros. */
static uint64_t verify_page(const void *bytes, unsigned file, uint64_t index)
{
	const volatile uint64_t *page = bytes;
	uint64_t first = page[0], salt = page[1];

	if (first != 0 && first != title(file, index))
		test_fail(__FILE__, __LINE__, "page %lu of file %u says %lx, should say %lx",
			  (unsigned long)index, file, (unsigned long)first,
			  (unsigned long)title(file, index));
	for (unsigned i = 2; i < WORDS; i++)
		if (page[i] != (first ? first ^ salt * i : 0))
			test_fail(__FILE__, __LINE__, "page %lu of file %u, word %u: %lx",
				  (unsigned long)index, file, i, (unsigned long)page[i]);
	return first ? salt : 0;
}

/* ---- a worker --------------------------------------------------------------------------------------- */

struct held {
	pf_pin *pin;
	unsigned file;
	uint64_t first, pages;
	uint64_t salt[FILE_MAX];
};

struct worker {
	const char *path;
	unsigned number;
	uint64_t seed;
	struct test_random r;
	pf_pool *pool;
	struct held held[HELD_MAX];
	uint64_t *bytes; /* FILE_MAX pages */
};

/* What may happen when others do what they like; anything else is a bug. */
static bool went_well(long rc)
{
	static const int usual[] = {PF_ENOSPACE, PF_ENOFILE, PF_EHELD,  PF_EHELDTIME,
				    PF_EHOLE,    PF_ERANGE,  PF_ENOMETA};

	if (rc >= 0)
		return true;
	for (unsigned i = 0; i < sizeof usual / sizeof *usual; i++)
		if (rc == -usual[i])
			return false;
	test_fail(__FILE__, __LINE__, "a call fails with %ld", rc);
}

static unsigned below(struct worker *w, unsigned n)
{
	return (unsigned)test_below(&w->r, n);
}

static const char *shared_name(unsigned file)
{
	static char name[16];

	snprintf(name, sizeof name, "shared-%u", file);
	return name;
}

static pf_file *open_shared(struct worker *w, unsigned file, unsigned flags)
{
	pf_file *f;

	return went_well(pf_open(w->pool, shared_name(file), flags, 0600, &f)) ? f : NULL;
}

static void publish(struct worker *w)
{
	unsigned file = below(w, FILES), pages = 1 + below(w, below(w, 2) ? 20 : FILE_MAX);
	char name[32];
	pf_file *f;
	long rc;

	snprintf(name, sizeof name, "new-%u", w->number);
	if (!went_well(pf_open(w->pool, name, PF_O_RDWR | PF_O_CREATE | PF_O_TRUNC, 0600, &f)))
		return;
	for (unsigned i = 0; i < pages; i++)
		make_page(w->bytes + (size_t)i * WORDS, file, i, test_random(&w->r));
	rc = below(w, 2) ? pf_allocate(f, 0, pages * PAGE, 0) : 0;
	if (rc == 0)
		rc = pf_write(f, w->bytes, pages * PAGE, 0);
	OK(pf_close(f));
	if (went_well(rc) && rc == (long)(pages * PAGE))
		went_well(pf_rename(w->pool, name, shared_name(file), 0));
	else
		went_well(pf_unlink(w->pool, name));
}

static void look_at(struct held *h, bool first)
{
	size_t chunks;
	const struct pf_chunk *chunk = pf_pin_chunks(h->pin, &chunks);
	uint64_t page = 0;

	for (size_t c = 0; c < chunks; c++)
		for (size_t at = 0; at < chunk[c].length; at += PAGE, page++) {
			uint64_t salt = verify_page((char *)chunk[c].address + at, h->file,
						    h->first + page);

			if (first)
				h->salt[page] = salt;
			else if (h->salt[page] != salt)
				test_fail(__FILE__, __LINE__, "page %lu of file %u has changed",
					  (unsigned long)(h->first + page), h->file);
		}
	must_be(page, h->pages);
}

static void hold(struct worker *w)
{
	static const unsigned flags[] = {0, PF_PIN_LONGTERM, PF_PIN_WRITE};
	struct held *h = &w->held[below(w, HELD_MAX)];
	struct pf_stat stat;
	pf_file *f;

	if (h->pin) {
		look_at(h, false);
		OK(pf_unpin(h->pin));
		h->pin = NULL;
		return;
	}
	h->file = below(w, FILES);
	f = open_shared(w, h->file, PF_O_RDWR);
	if (!f)
		return;
	OK(pf_stat(f, &stat));
	if (stat.size) {
		h->first = below(w, (unsigned)(stat.size / PAGE));
		h->pages = 1 + below(w, (unsigned)(stat.size / PAGE - h->first));
		if (went_well(pf_pin_file(f, h->first * PAGE, h->pages * PAGE, flags[below(w, 3)],
					  &h->pin)))
			look_at(h, true);
		else
			h->pin = NULL;
	}
	OK(pf_close(f));
}

static void map_a_page(struct worker *w)
{
	unsigned file = below(w, FILES), index = below(w, 20);
	pf_file *f = open_shared(w, file, PF_O_RDONLY);
	uint64_t salt;
	pf_map *map;

	if (!f)
		return;
	if (went_well(pf_map_file(f, index * PAGE, PAGE, PF_MAP_READ, &map))) {
		salt = verify_page(pf_map_address(map), file, index);
		must_be(verify_page(pf_map_address(map), file, index), salt);
		OK(pf_unmap(map));
	}
	OK(pf_close(f));
}

static void read_some(struct worker *w)
{
	unsigned file = below(w, FILES), index = below(w, FILE_MAX), pages = 1 + below(w, 60);
	pf_file *f = open_shared(w, file, PF_O_RDONLY);
	ssize_t n;

	if (!f)
		return;
	n = OK(pf_read(f, w->bytes, pages * PAGE, index * PAGE));
	for (ssize_t i = 0; i < n / (ssize_t)PAGE; i++)
		verify_page(w->bytes + (size_t)i * WORDS, file, index + (uint64_t)i);
	OK(pf_close(f));
}

static enum pf_policy policy(struct worker *w)
{
	static const enum pf_policy policies[] = {PF_DETACH, PF_DETACH, PF_TRY, PF_WAIT};

	return policies[below(w, 4)];
}

static void shorten(struct worker *w)
{
	pf_file *f = open_shared(w, below(w, FILES), PF_O_RDWR);

	if (!f)
		return;
	went_well(pf_truncate(f, below(w, FILE_MAX) * PAGE, policy(w), 1));
	OK(pf_close(f));
}

static void punch(struct worker *w)
{
	pf_file *f = open_shared(w, below(w, FILES), PF_O_RDWR);

	if (!f)
		return;
	went_well(pf_punch(f, below(w, FILE_MAX) * PAGE, (1 + below(w, 100)) * PAGE, policy(w), 1));
	OK(pf_close(f));
}

static void allocate(struct worker *w)
{
	unsigned first = below(w, FILE_MAX - 100);
	pf_file *f = open_shared(w, below(w, FILES), PF_O_RDWR);

	if (!f)
		return;
	went_well(pf_allocate(f, first * PAGE, (1 + below(w, 100)) * PAGE, 0));
	OK(pf_close(f));
}

/* A file of its own is written in place, and is what was written. */
static void write_own(struct worker *w)
{
	unsigned offset = below(w, 30000), length = 1 + below(w, 30000);
	char name[32], *bytes = (char *)w->bytes;
	pf_file *f;
	long rc;

	snprintf(name, sizeof name, "own-%u", w->number);
	OK(pf_open(w->pool, name, PF_O_RDWR | PF_O_CREATE, 0600, &f));
	pattern_fill(bytes, length, w->number, offset);
	rc = pf_write(f, bytes, length, offset);
	if (went_well(rc)) {
		must_be(pf_read(f, bytes, (size_t)rc, offset), rc);
		must_be(pattern_differs(bytes, (size_t)rc, w->number, offset), rc);
	}
	went_well(pf_append(f, bytes, 1 + below(w, 5000)));
	if (below(w, 3) == 0)
		OK(pf_unlink(w->pool, name));
	OK(pf_close(f));
}

static int count_holder(void *arg, const struct pf_holder *holder)
{
	*(uint64_t *)arg += holder->bytes;
	return 0;
}

static int count_file(void *arg, const char *name, const struct pf_stat *stat)
{
	*(uint64_t *)arg += stat->allocated + strlen(name);
	return 0;
}

static void look_around(struct worker *w)
{
	struct pf_info info;
	uint64_t sum = 0;

	OK(pf_info(w->pool, &info));
	OK(pf_holders(w->pool, count_holder, &sum));
	OK(pf_list(w->pool, "/", count_file, &sum));
	if (below(w, 4) == 0)
		OK(pf_reap(w->pool));
}

/* ---- directories: a shared tree of names that lead to the shared files, and to directories ------------ */

/* What changing names may fail with when others change them too. */
static bool names_went_well(long rc)
{
	static const int usual[] = {PF_EFILEEXISTS, PF_ENOTDIR,   PF_EISDIR,
				    PF_ENOTEMPTY,   PF_ENOINODES, PF_ELOOP};

	for (unsigned i = 0; i < sizeof usual / sizeof *usual; i++)
		if (rc == -usual[i])
			return false;
	return went_well(rc);
}

/* "d1", or deep "d1/d0": a directory, if it is there. They move at their depth only, so that all can be reached. */
static void some_directory(struct worker *w, char *name, bool deep)
{
	int n = snprintf(name, NAME, "d%u", below(w, DIRS));

	if (deep)
		snprintf(name + n, (size_t)(NAME - n), "/d%u", below(w, DIRS));
}

static void change_directories(struct worker *w)
{
	char name[NAME], other[NAME];
	bool deep = below(w, 2);

	some_directory(w, name, deep);
	some_directory(w, other, deep);
	switch (below(w, 5)) {
	case 0:
	case 1:
		names_went_well(pf_mkdir(w->pool, name, 0700));
		break;
	case 2:
		names_went_well(pf_rmdir(w->pool, name));
		break;
	case 3:
		names_went_well(pf_rename(w->pool, name, other, 0));
		break;
	default:
		names_went_well(pf_rename(w->pool, name, other, PF_RENAME_EXCHANGE));
	}
}

/* A name in a directory for a shared file, which is read through it if it is still there. */
static void link_shared(struct worker *w)
{
	unsigned file = below(w, FILES), index = below(w, 20);
	char name[NAME];
	pf_file *f;
	ssize_t n;

	some_directory(w, name, below(w, 2));
	snprintf(name + strlen(name), NAME - strlen(name), "/file-%u", file);
	if (below(w, 3) == 0)
		names_went_well(pf_unlink(w->pool, name));
	else if (below(w, 4) == 0)
		names_went_well(pf_symlink(w->pool, below(w, 2) ? "../d0" : "/shared-0", name));
	else
		names_went_well(pf_link(w->pool, shared_name(file), name));
	if (!names_went_well(pf_open(w->pool, name, PF_O_NOFOLLOW, 0, &f)))
		return;
	n = OK(pf_read(f, w->bytes, PAGE, index * PAGE));
	if (n == (ssize_t)PAGE)
		verify_page(w->bytes, file, index);
	OK(pf_close(f));
}

static void read_directory(struct worker *w)
{
	struct pf_entry entry = {.cursor = 0};
	char name[NAME];
	pf_file *d;

	some_directory(w, name, below(w, 2));
	if (!names_went_well(pf_open(w->pool, name, PF_O_DIRECTORY, 0, &d)))
		return;
	while (OK(pf_readdir(d, entry.cursor, &entry)) == 1)
		must(!strncmp(entry.name, "file-", 5) || *entry.name == 'd');
	OK(pf_close(d));
}

static void open_again(struct worker *w)
{
	for (unsigned i = 0; i < HELD_MAX; i++) {
		if (w->held[i].pin)
			look_at(&w->held[i], false);
		w->held[i].pin = NULL;
	}
	OK(pf_pool_close(w->pool));
	OK(pf_pool_open(w->path, below(w, 2) ? PF_POOL_NO_THREAD : 0, &w->pool));
}

static void unlink_one(struct worker *w)
{
	went_well(pf_unlink(w->pool, shared_name(below(w, FILES))));
}

static int work(void *arg)
{
	static void (*const calls[])(struct worker *) = {
		publish,     publish,     hold,           hold,       hold,
		hold,        map_a_page,  read_some,      shorten,    punch,
		allocate,    write_own,   look_around,    unlink_one, change_directories,
		link_shared, link_shared, read_directory,
	};
	struct worker *w = arg;

	w->r.state = w->seed;
	w->bytes = malloc(FILE_MAX * PAGE);
	must(w->bytes);
	OK(pf_pool_open(w->path, below(w, 4) ? PF_POOL_NO_THREAD : 0, &w->pool));
	for (;;) {
		calls[below(w, sizeof calls / sizeof *calls)](w);
		if (below(w, 200) == 0)
			open_again(w);
	}
}

/* ---- the killer ------------------------------------------------------------------------------------- */

struct killer {
	struct worker *workers;
	pid_t *pids;
	unsigned count, dying; /* count: none is */
	pf_pool *pool;         /* open for the whole of some epochs */
	struct test_random r;
	unsigned long kills, checks;
};

static void start(struct killer *k, unsigned i)
{
	k->workers[i].seed = test_random(&k->r);
	k->pids[i] = test_fork(work, &k->workers[i]);
}

/* It was killed: another takes its place. */
static void replace(struct killer *k, unsigned i)
{
	must_be(test_wait(k->pids[i], TEST_PATIENCE), 256 + SIGKILL);
	k->kills++;
	start(k, i);
}

/* At a moment between its start and some milliseconds later: any will do. The one before it is replaced meanwhile. */
static void kill_one(struct killer *k)
{
	struct timespec moment = {.tv_nsec = (long)test_below(&k->r, 1000000)};
	unsigned i = (k->dying + 1 + (unsigned)test_below(&k->r, k->count - 1)) % k->count;

	nanosleep(&moment, NULL);
	must(kill(k->pids[i], SIGKILL) == 0);
	if (k->dying < k->count)
		replace(k, k->dying);
	k->dying = i;
}

static void look(struct killer *k, const char *path)
{
	pf_pool *pool = k->pool ? k->pool : pool_open(path);

	pool_check(pool, "random kills");
	k->checks++;
	if (!k->pool)
		OK(pf_pool_close(pool));
}

static void epoch(struct killer *k, const char *path, unsigned long kills, double end)
{
	k->pool = test_below(&k->r, 2) ? pool_open(path) : NULL;
	for (unsigned i = 0; i < k->count; i++)
		start(k, i);
	for (unsigned long n = 0; n < EPOCH && k->kills < kills && now() < end; n++) {
		kill_one(k);
		if (n % CHECK == CHECK - 1)
			look(k, path);
	}
	for (unsigned i = 0; i < k->count; i++) {
		test_kill(k->pids[i]);
		k->kills++;
	}
	k->dying = k->count;
	if (!k->pool)
		k->pool = pool_open(path);
	pool_check(k->pool, "the last of an epoch");
	pool_empty(k->pool, "an epoch of random kills");
	OK(pf_pool_close(k->pool));
}

void titled_kills(unsigned workers, unsigned long kills, double seconds)
{
	const char *path = pool_make("titled", POOL_MIB);
	struct killer k = {.count = workers, .dying = workers, .r = {test_seed()}};
	double begin = now();

	k.workers = calloc(workers, sizeof *k.workers);
	k.pids = calloc(workers, sizeof *k.pids);
	must(k.workers && k.pids);
	for (unsigned i = 0; i < workers; i++)
		k.workers[i] = (struct worker){.path = path, .number = i};
	while (k.kills < kills && now() < begin + seconds)
		epoch(&k, path, kills, begin + seconds);
	must_be(pf_fsck(path, NULL, NULL), 0);
	printf("%lu processes killed in %.0f s, %lu checks while others went on\n", k.kills,
	       now() - begin, k.checks);
	free(k.workers);
	free(k.pids);
}

/* See window_stress.h. */
#include "window_stress.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/futex.h"
#include "pool.h"

#define WORKERS    4u
#define FILES      6u
#define FILE_MAX   1280ul /* pages: two blocks and a half */
#define ARENA      4096ul /* pages */
#define PINS       4u
#define PAGE       4096ul
#define PAGE_WORDS (PAGE / 8)

enum phase { RUN, HALT, VERIFY };

/* Of all processes. */
static struct shared {
	_Atomic uint32_t turn;             /* {round | phase}: a futex */
	_Atomic uint32_t arrived[WORKERS]; /* at which turn */
	_Atomic unsigned long touches, pins, changes;
} * shared;

static const char *path;

static uint32_t turn_of(unsigned long round, enum phase phase)
{
	return (uint32_t)round * 4 + phase;
}

/* ---- what a page says -------------------------------------------------------------------------------------- */

struct identity {
	uint32_t ino, igen;
};

static uint64_t stamp(struct identity who, uint64_t index)
{
	return (uint64_t)(who.ino & 0xffff) << 48 | (uint64_t)(who.igen & 0xffffff) << 24 |
	       ((index + 1) & 0xffffff);
}

static void fill_pages(uint64_t *to, struct identity who, uint64_t index, uint64_t pages)
{
	for (uint64_t p = 0; p < pages; p++)
		for (uint64_t i = 0; i < PAGE_WORDS; i++)
			*to++ = stamp(who, index + p);
}

/* Each byte is 0 or the stamp's: others may be writing. */
static bool belongs(uint64_t word, uint64_t wanted)
{
	for (unsigned i = 0; i < 64; i += 8)
		if ((word >> i & 0xff) && (word >> i & 0xff) != (wanted >> i & 0xff))
			return false;
	return true;
}

static void check_word(uint64_t word, struct identity who, uint64_t index, const char *what)
{
	if (!belongs(word, stamp(who, index)))
		test_fail(__FILE__, __LINE__, "%s of page %lu of inode %u (%u): %016lx, not %016lx",
			  what, (unsigned long)index, who.ino, who.igen, (unsigned long)word,
			  (unsigned long)stamp(who, index));
}

/* ---- a worker ---------------------------------------------------------------------------------------------- */

/* What is at a page of the arena. */
struct place {
	struct identity who; /* ino 0: nothing */
	uint64_t index;
	unsigned flags;
	bool writable; /* it may become so */
};

struct held {
	pf_pin *pin;
	pf_map *map;
	struct identity who;
	uint64_t index, pages;
};

struct worker {
	unsigned number;
	pf_pool *pool;
	bool pumps;
	struct test_random chance;
	uint64_t *buffer; /* FILE_MAX pages */
	char *arena;
	struct place at[ARENA];
	struct held held[PINS];
};

static uint64_t below(struct worker *w, uint64_t n)
{
	return test_below(&w->chance, n);
}

/* What calls may fail with while others are at the same files, or are killed. */
static bool expected(long rc)
{
	static const int codes[] = {PF_ENOFILE,   PF_ENOSPACE, PF_ENOMETA,    PF_ERANGE,
				    PF_EHOLE,     PF_EHELD,    PF_EHELDTIME,  PF_ENOTCONTIG,
				    PF_EMAPCOUNT, PF_EAGAIN,   PF_EFILEEXISTS};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (rc == -codes[i])
			return true;
	return rc >= 0;
}

#define ALLOW(x)                                                                                 \
	__extension__({                                                                          \
		long allow_rc = (long)(x);                                                       \
		if (!expected(allow_rc))                                                         \
			test_fail(__FILE__, __LINE__, "%s: %ld %s", #x, allow_rc, pf_message()); \
		allow_rc;                                                                        \
	})

static struct identity identity_of(pf_file *file)
{
	struct pf_stat stat;

	OK(pf_stat(file, &stat));
	return (struct identity){(uint32_t)stat.inode, (uint32_t)stat.generation};
}

static const char *some_name(struct worker *w)
{
	static char name[2][4];
	static unsigned next;
	char *to = name[next++ % 2];

	snprintf(to, sizeof name[0], "f%u", (unsigned)below(w, FILES));
	return to;
}

static pf_file *open_some(struct worker *w)
{
	pf_file *file = NULL;

	ALLOW(pf_open(w->pool, some_name(w), PF_O_RDWR | PF_O_CREATE, 0600, &file));
	return file;
}

/* Pages of a file, now and then on borders of blocks. */
static void some_range(struct worker *w, uint64_t limit, uint64_t *first, uint64_t *pages)
{
	*first = below(w, 3) ? below(w, limit) : below(w, limit / 512 + 1) * 512;
	*pages = 1 + (below(w, 3) ? below(w, 20) : below(w, 4) ? below(w, limit) : 511);
	if (*first >= limit)
		*first = limit - 1;
	if (*pages > limit - *first)
		*pages = limit - *first;
}

/* ---- touching ---- */

static sigjmp_buf where;

static void on_fault(int sig)
{
	siglongjmp(where, sig);
}

/* 0, or the signal. */
static int touch(_Atomic uint64_t *at, uint64_t *value, bool store)
{
	int sig = sigsetjmp(where, 1);

	if (sig)
		return sig;
	if (store)
		atomic_store_explicit(at, *value, memory_order_relaxed);
	else
		*value = atomic_load_explicit(at, memory_order_relaxed);
	return 0;
}

static _Atomic uint64_t *word_at(struct worker *w, uint64_t page, uint64_t word)
{
	return (_Atomic uint64_t *)(void *)(w->arena + page * PAGE) + word;
}

static void touch_page(struct worker *w, uint64_t page)
{
	const struct place *p = &w->at[page];
	bool store = below(w, 3) == 0, allowed = p->who.ino && p->flags & PF_MAP_READ;
	uint64_t value = stamp(p->who, p->index);
	int sig = touch(word_at(w, page, below(w, PAGE_WORDS)), &value, store);

	if (store)
		allowed = allowed && p->flags & PF_MAP_WRITE;
	if (!allowed && sig != SIGSEGV)
		test_fail(__FILE__, __LINE__,
			  "page %lu of the arena: signal %d, though not allowed",
			  (unsigned long)page, sig);
	if (allowed && sig != 0 && sig != SIGBUS)
		test_fail(__FILE__, __LINE__, "page %lu of the arena: signal %d, though allowed",
			  (unsigned long)page, sig);
	if (sig == 0)
		check_word(value, p->who, p->index, store ? "store" : "window");
	atomic_fetch_add(&shared->touches, 1);
}

static void touch_some(struct worker *w)
{
	uint64_t page = below(w, ARENA);

	for (unsigned n = 0; n < 16; n++)
		touch_page(w, (page + below(w, 64)) % ARENA);
}

/* ---- the model, and what the library says of the windows ---- */

struct comparing {
	struct worker *w;
	uint64_t next; /* page of the arena, before which all is compared */
	bool flags_too, stale;
};

static void nothing_until(struct comparing *c, uint64_t page)
{
	for (; c->next < page; c->next++)
		if (c->w->at[c->next].who.ino)
			test_fail(__FILE__, __LINE__, "page %lu of the arena is in no window",
				  (unsigned long)c->next);
}

static int compare_window(void *arg, const struct pf_window *window)
{
	struct comparing *c = arg;
	uint64_t page = (window->address - (uintptr_t)c->w->arena) / PAGE,
		 index = window->offset / PAGE;

	c->stale |= window->stale != 0;
	nothing_until(c, page);
	for (uint64_t i = 0; i < window->length / PAGE; i++, c->next++) {
		struct place *p = &c->w->at[c->next];

		if (p->who.ino != window->inode || p->index != index + i)
			test_fail(
				__FILE__, __LINE__,
				"page %lu of the arena shows page %lu of inode %lu, not %lu of %u",
				(unsigned long)c->next, (unsigned long)(index + i),
				(unsigned long)window->inode, (unsigned long)p->index, p->who.ino);
		if (c->flags_too)
			must_be(window->flags, p->flags);
		p->flags = window->flags;
	}
	return 0;
}

/* flags_too false: after a call that failed, which may have changed those. Returns whether one is stale. */
static bool compare_windows(struct worker *w, bool flags_too)
{
	struct comparing c = {w, 0, flags_too, false};

	OK(pf_windows(w->pool, getpid(), compare_window, &c));
	nothing_until(&c, ARENA);
	return c.stale;
}

/* ---- windows ---- */

static void map_some(struct worker *w)
{
	pf_file *file = open_some(w);
	uint64_t first, pages, page;
	unsigned flags = PF_MAP_READ | PF_MAP_FIXED;
	struct identity who;
	void *window;

	if (!file)
		return;
	some_range(w, FILE_MAX, &first, &pages);
	page = below(w, 3) ? below(w, ARENA - pages)
			   : (first + below(w, 4) * 512) % (ARENA - pages);
	flags |= below(w, 2) ? PF_MAP_WRITE : 0;
	flags |= below(w, 4) ? 0 : PF_MAP_POPULATE;
	who = identity_of(file);
	if (ALLOW(pf_window_map(file, w->arena + page * PAGE, pages * PAGE, flags, first * PAGE,
				&window)) == 0)
		for (uint64_t i = 0; i < pages; i++)
			w->at[page + i] =
				(struct place){who, first + i, flags & (PF_MAP_READ | PF_MAP_WRITE),
					       true};
	else
		compare_windows(w, false);
	OK(pf_close(file));
}

static void unmap_some(struct worker *w)
{
	uint64_t first, pages;

	some_range(w, ARENA, &first, &pages);
	if (ALLOW(pf_window_unmap(w->pool, w->arena + first * PAGE, pages * PAGE)) == 0)
		memset(&w->at[first], 0, pages * sizeof w->at[0]);
	else
		compare_windows(w, false);
}

/* Pages from `page` on that are next to one another in one file, as far as the model knows. */
static uint64_t run_at(struct worker *w, uint64_t page)
{
	uint64_t n = 0;

	while (page + n < ARENA && w->at[page + n].who.ino &&
	       !memcmp(&w->at[page + n].who, &w->at[page].who, sizeof w->at[0].who) &&
	       w->at[page + n].index == w->at[page].index + n)
		n++;
	return n;
}

/* A page in a window, if one is found, and how much of that comes from there. */
static bool some_run(struct worker *w, uint64_t *page, uint64_t *pages)
{
	uint64_t begin = below(w, ARENA);

	for (uint64_t i = 0; i < ARENA; i++) {
		*page = (begin + i) % ARENA;
		*pages = run_at(w, *page);
		if (*pages) {
			*pages = below(w, 2) ? *pages : 1 + below(w, *pages);
			return true;
		}
	}
	return false;
}

static void protect_some(struct worker *w)
{
	static const unsigned some[] = {0, PF_MAP_READ, PF_MAP_READ | PF_MAP_WRITE};
	unsigned flags = some[below(w, 3)];
	uint64_t page, pages;
	long rc;

	if (!some_run(w, &page, &pages))
		return;
	rc = pf_window_protect(w->pool, w->arena + page * PAGE, pages * PAGE, flags);
	if (ALLOW(rc) < 0) {
		compare_windows(w, false);
		return;
	}
	for (uint64_t i = 0; i < pages; i++)
		w->at[page + i].flags = flags;
}

/* To another place in the arena, longer or shorter or as it was. */
static void move_some(struct worker *w)
{
	uint64_t page, pages, new_pages, to;
	struct place old[ARENA];
	void *window;
	long rc;

	if (!some_run(w, &page, &pages))
		return;
	new_pages = below(w, 2) ? pages : 1 + below(w, pages + 20);
	to = below(w, ARENA);
	if (to + new_pages > ARENA || (to < page + pages && page < to + new_pages))
		return;
	rc = pf_window_remap(w->pool, w->arena + page * PAGE, pages * PAGE, new_pages * PAGE,
			     PF_REMAP_MAYMOVE | PF_REMAP_FIXED, w->arena + to * PAGE, &window);
	if (rc != -EFAULT && ALLOW(rc) == 0) { /* EFAULT: these are two windows */
		memcpy(old, w->at, sizeof old);
		memset(&w->at[page], 0, pages * sizeof *old);
		for (uint64_t i = 0; i < new_pages; i++) {
			w->at[to + i] = old[page];
			w->at[to + i].index = old[page].index + i;
			w->at[to + i].flags = old[page].flags;
		}
	} else {
		compare_windows(w, false);
	}
}

/* ---- holds ---- */

static void check_bytes(struct worker *w, const void *bytes, uint64_t length, struct identity who,
			uint64_t index, const char *what)
{
	_Atomic uint64_t *word = (_Atomic uint64_t *)(uintptr_t)bytes;

	for (uint64_t i = below(w, 7); i < length / 8; i += 1 + below(w, 200))
		check_word(atomic_load_explicit(word + i, memory_order_relaxed), who,
			   index + i / PAGE_WORDS, what);
}

static void check_held(struct worker *w, struct held *h)
{
	const struct pf_chunk *chunk;
	uint64_t index = h->index;
	size_t count;

	if (h->map)
		check_bytes(w, pf_map_address(h->map), pf_map_length(h->map), h->who, index, "map");
	if (!h->pin)
		return;
	chunk = pf_pin_chunks(h->pin, &count);
	for (size_t i = 0; i < count; index += chunk[i++].length / PAGE)
		check_bytes(w, chunk[i].address, chunk[i].length, h->who, index, "pin");
}

static void let_go(struct worker *w, struct held *h)
{
	check_held(w, h);
	OK(pf_unpin(h->pin));
	OK(pf_unmap(h->map));
	memset(h, 0, sizeof *h);
}

static void pin_some(struct worker *w)
{
	struct held *h = &w->held[below(w, PINS)];
	bool write = below(w, 2);
	uint64_t page, pages;
	long rc;

	let_go(w, h);
	if (!some_run(w, &page, &pages))
		return;
	h->who = w->at[page].who;
	h->index = w->at[page].index;
	rc = pf_window_pin(w->pool, w->arena + page * PAGE, pages * PAGE, write ? PF_PIN_WRITE : 0,
			   &h->pin);
	if (rc != -EFAULT) /* past the end, not allowed */
		ALLOW(rc);
	if (rc < 0)
		h->pin = NULL;
	else
		atomic_fetch_add(&shared->pins, 1);
}

static void hold_some(struct worker *w)
{
	struct held *h = &w->held[below(w, PINS)];
	pf_file *file = open_some(w);
	uint64_t first, pages;
	long rc;

	let_go(w, h);
	if (!file)
		return;
	some_range(w, FILE_MAX, &first, &pages);
	h->who = identity_of(file);
	h->index = first;
	if (below(w, 2))
		rc = ALLOW(pf_map_file(file, first * PAGE, pages * PAGE, PF_MAP_READ, &h->map));
	else
		rc = ALLOW(pf_pin_file(file, first * PAGE, pages * PAGE, PF_PIN_LONGTERM, &h->pin));
	if (rc < 0)
		memset(h, 0, sizeof *h);
	OK(pf_close(file));
}

/* ---- files ---- */

static void write_pages(struct worker *w, pf_file *file, uint64_t first, uint64_t pages)
{
	fill_pages(w->buffer, identity_of(file), first, pages);
	ALLOW(pf_write(file, w->buffer, pages * PAGE, first * PAGE));
}

static void change_some(struct worker *w)
{
	enum pf_policy policy = (enum pf_policy)below(w, 3);
	pf_file *file = open_some(w);
	uint64_t first, pages;

	if (!file)
		return;
	some_range(w, FILE_MAX, &first, &pages);
	switch (below(w, 6)) {
	case 0:
		ALLOW(pf_truncate(file, first * PAGE, policy, 5));
		break;
	case 1:
		ALLOW(pf_truncate(file, (first + pages) * PAGE - below(w, PAGE / 8) * 8, policy,
				  5));
		break;
	case 2:
		ALLOW(pf_punch(file, first * PAGE, pages * PAGE, policy, 5));
		break;
	case 3:
		ALLOW(pf_allocate(file, first * PAGE, pages * PAGE, (unsigned)below(w, 4)));
		break;
	default:
		write_pages(w, file, first, pages);
	}
	OK(pf_close(file));
	atomic_fetch_add(&shared->changes, 1);
}

/* A new file of that name, whole when it is seen; or another file gets the name; or none has it. */
static void replace_some(struct worker *w)
{
	const char *name = some_name(w), *other = some_name(w);
	pf_file *file;

	switch (below(w, 4)) {
	case 0:
		ALLOW(pf_unlink(w->pool, name));
		break;
	case 1:
		ALLOW(pf_rename(w->pool, name, other, 0));
		break;
	case 2:
		ALLOW(pf_rename(w->pool, name, other, PF_RENAME_EXCHANGE));
		break;
	default:
		OK(pf_open(w->pool, "/", PF_O_RDWR | PF_O_TMPFILE, 0600, &file));
		write_pages(w, file, 0, 1 + below(w, below(w, 3) ? 40 : FILE_MAX));
		ALLOW(pf_link_file(file, name, PF_LINK_REPLACE));
		OK(pf_close(file));
	}
	atomic_fetch_add(&shared->changes, 1);
}

/* ---- when all are quiet ---- */

/* The size of every file in sight, and of what it was made to be by name: NULL if no name leads to this inode. */
static pf_file *open_inode(struct worker *w, struct identity who)
{
	char name[4];
	pf_file *file;

	for (unsigned f = 0; f < FILES; f++) {
		struct identity its;

		snprintf(name, sizeof name, "f%u", f);
		if (ALLOW(pf_open(w->pool, name, PF_O_RDONLY, 0, &file)) < 0)
			continue;
		its = identity_of(file);
		if (!memcmp(&its, &who, sizeof who))
			return file;
		OK(pf_close(file));
	}
	return NULL;
}

/* `size`: bytes of the file, those read are in `bytes`. */
static void verify_page(struct worker *w, uint64_t page, const uint64_t *bytes, uint64_t size)
{
	const struct place *p = &w->at[page];
	uint64_t word = below(w, PAGE_WORDS), value = 0, at = p->index * PAGE;
	int sig = touch(word_at(w, page, word), &value, false);

	if (!(p->flags & PF_MAP_READ))
		must_be(sig, SIGSEGV);
	else if (at >= size)
		must_be(sig, SIGBUS);
	else if (sig || (at + word * 8 < size && value != bytes[word]))
		test_fail(
			__FILE__, __LINE__,
			"page %lu of inode %u, in all quiet: signal %d, %016lx, but %016lx is read",
			(unsigned long)p->index, p->who.ino, sig, (unsigned long)value,
			(unsigned long)bytes[word]);
}

static void verify_run(struct worker *w, uint64_t page, uint64_t pages)
{
	pf_file *file = open_inode(w, w->at[page].who);
	struct pf_stat stat;
	uint64_t index;

	if (!file)
		return;
	OK(pf_stat(file, &stat));
	for (uint64_t i = 0; i < pages; i++) {
		index = w->at[page + i].index;
		memset(w->buffer, 0, PAGE);
		OK(pf_read(file, w->buffer, PAGE, index * PAGE));
		verify_page(w, page + i, w->buffer, stat.size);
	}
	OK(pf_close(file));
}

static void verify(struct worker *w)
{
	double end = now() + TEST_PATIENCE * 1e-3;
	uint64_t pages;

	while (compare_windows(w, true)) { /* its service thread comes to it */
		must(now() < end);
		if (w->pumps)
			OK(pf_pump(w->pool, 10));
		else
			sched_yield();
	}
	for (uint64_t page = 0; page < ARENA; page += pages) {
		pages = run_at(w, page);
		if (pages)
			verify_run(w, page, pages);
		else
			pages = 1;
	}
	for (unsigned i = 0; i < PINS; i++)
		check_held(w, &w->held[i]);
}

/* Says that it is there, and waits for the next turn. */
static uint32_t next_turn(struct worker *w, uint32_t turn)
{
	atomic_store(&shared->arrived[w->number], turn);
	while (atomic_load(&shared->turn) == turn)
		futex_wait(&shared->turn, turn, 1000);
	return atomic_load(&shared->turn);
}

static void be_quiet(struct worker *w, uint32_t turn)
{
	if (turn % 4 == HALT)
		turn = next_turn(w, turn);
	if (turn % 4 == VERIFY) {
		verify(w);
		next_turn(w, turn);
	}
}

static void one_thing(struct worker *w)
{
	static void (*const things[])(struct worker *) = {map_some,     map_some,     unmap_some,
							  protect_some, move_some,    pin_some,
							  hold_some,    change_some,  change_some,
							  change_some,  replace_some, touch_some,
							  touch_some};
	uint32_t turn = atomic_load(&shared->turn);

	if (turn % 4 != RUN)
		be_quiet(w, turn);
	things[below(w, ARRAY_SIZE(things))](w);
	touch_some(w);
	if (w->pumps && below(w, 4))
		OK(pf_pump(w->pool, 0));
}

struct hire {
	unsigned number;
	uint64_t seed;
};

static int work(void *arg)
{
	const struct hire *hire = arg;
	struct sigaction act = {.sa_handler = on_fault};
	struct worker *w = calloc(1, sizeof *w);

	must(w != NULL);
	w->number = hire->number;
	w->chance.state = hire->seed;
	w->pumps = below(w, 2);
	w->buffer = malloc(FILE_MAX * PAGE);
	w->arena = mmap(NULL, ARENA * PAGE + BLOCK_BYTES, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(w->buffer && w->arena != MAP_FAILED);
	w->arena = (char *)align_up((uintptr_t)w->arena, BLOCK_BYTES);
	must(sigaction(SIGBUS, &act, NULL) == 0 && sigaction(SIGSEGV, &act, NULL) == 0);
	OK(pf_pool_open(path, w->pumps ? PF_POOL_NO_THREAD : 0, &w->pool));
	for (;;)
		one_thing(w);
}

/* ---- who kills ------------------------------------------------------------------------------------------------ */

struct pack {
	pid_t pid[WORKERS];
	struct test_random chance;
	struct window_stress done;
};

static void start(struct pack *pack, unsigned n)
{
	struct hire hire = {n, test_random(&pack->chance)};

	pack->pid[n] = test_fork(work, &hire);
}

static void must_live(struct pack *pack)
{
	int status;

	for (unsigned n = 0; n < WORKERS; n++)
		if (waitpid(pack->pid[n], &status, WNOHANG) != 0)
			test_fail(__FILE__, __LINE__, "a worker ended by itself: %x", status);
}

/* One is killed, or stopped and goes on, or is killed while it is stopped. */
static void hit_one(struct pack *pack)
{
	unsigned n = (unsigned)test_below(&pack->chance, WORKERS);
	bool stop = test_below(&pack->chance, 2);

	/* Not to wait for anything: so that it is somewhere. */
	usleep((useconds_t)test_below(&pack->chance, 30000));
	must_live(pack);
	if (stop) {
		must(kill(pack->pid[n], SIGSTOP) == 0);
		test_wait_stopped(pack->pid[n]);
		usleep((useconds_t)test_below(&pack->chance, 80000));
		pack->done.stops++;
	}
	if (stop && test_below(&pack->chance, 2)) {
		must(kill(pack->pid[n], SIGCONT) == 0);
		return;
	}
	test_kill(pack->pid[n]);
	pack->done.kills++;
	start(pack, n);
}

static void take_turn(struct pack *pack, enum phase phase, bool wait)
{
	uint32_t turn = turn_of(pack->done.rounds, phase);
	double end = now() + TEST_PATIENCE * 1e-3;

	atomic_store(&shared->turn, turn);
	futex_wake(&shared->turn);
	for (unsigned n = 0; wait && n < WORKERS; n++)
		while (atomic_load(&shared->arrived[n]) != turn) {
			must_live(pack);
			must(now() < end);
			usleep(1000);
		}
}

/* Of everything some, however slow the machine is; the test's time limit ends what hangs. */
static bool done_enough(const struct pack *pack)
{
	return pack->done.rounds > 1 && shared->touches > 1000 && shared->pins > 0;
}

struct window_stress window_stress(double seconds, double round)
{
	struct pack pack = {.chance = {test_seed()}};
	double end = now() + seconds;
	pf_pool *pool;

	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(shared != MAP_FAILED);
	path = pool_make("stress", 128);
	pool = pool_open(path);
	for (unsigned n = 0; n < WORKERS; n++)
		start(&pack, n);
	while (now() < end || !done_enough(&pack)) {
		double round_end = now() + round;

		pack.done.rounds++;
		take_turn(&pack, RUN, false);
		while (now() < round_end)
			hit_one(&pack);
		take_turn(&pack, HALT, true);
		pool_check(pool, "all quiet");
		take_turn(&pack, VERIFY, true);
	}
	for (unsigned n = 0; n < WORKERS; n++)
		test_kill(pack.pid[n]);
	pool_check(pool, "after the last kill");
	pool_empty(pool, "emptied");
	OK(pf_pool_close(pool));
	pack.done.touches = shared->touches;
	pack.done.pins = shared->pins;
	pack.done.changes = shared->changes;
	return pack.done;
}

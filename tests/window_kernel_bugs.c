/* Bugs that a kernel had with mappings of such memory, each as a case of windows: named after the list in which they are. */
/* test: suite=short timeout=120 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "pool.h"

#define PAGE  4096ul
#define BLOCK (512 * PAGE)
#define ID    5u

static pf_pool *pool;
static pf_file *file;

/* ---- helpers ------------------------------------------------------------------------------------------------- */

static void new_file(uint64_t length)
{
	pattern_file(pool, "f", length, ID);
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
}

static void end_file(const char *what)
{
	OK(pf_close(file));
	pool_check(pool, what);
	pool_empty(pool, what);
}

static char *window(uint64_t offset, uint64_t length, unsigned flags)
{
	void *at;

	OK(pf_window_map(file, NULL, length, flags, offset, &at));
	return at;
}

static void unmap(char *at, uint64_t length)
{
	OK(pf_window_unmap(pool, at, length));
}

static int find_one(void *arg, const struct pf_window *w)
{
	*(struct pf_window *)arg = *w;
	return 0;
}

/* The only window that there is, or the last. */
static struct pf_window the_window(void)
{
	struct pf_window w = {0};

	OK(pf_windows(pool, getpid(), find_one, &w));
	return w;
}

static int count_one(void *arg, const struct pf_holder *h)
{
	*(uint64_t *)arg += h->bytes;
	return 0;
}

static uint64_t held_bytes(void)
{
	uint64_t bytes = 0;

	OK(pf_holders(pool, count_one, &bytes));
	return bytes;
}

static void shows(const char *at, uint64_t offset, uint64_t length)
{
	must_be(pattern_differs(at, length, ID, offset), length);
}

static void shows_zeros(const char *at, uint64_t length)
{
	for (uint64_t i = 0; i < length; i += 8)
		must_be(*(const uint64_t *)(const void *)(at + i), 0);
}

/* ---- entries and folios -------------------------------------------------------------------------------------- */

/* Order and page count were not cleared when a folio was split: the accounting of its second page used what lay there. */
static void k1_split_folios_are_whole(void)
{
	char *at;

	new_file(2 * BLOCK);
	at = window(0, 2 * BLOCK, PF_MAP_READ | PF_MAP_WRITE);
	must_be(the_window().leaf[1], 2);
	OK(pf_punch(file, PAGE, BLOCK - 2 * PAGE, PF_DETACH, 0));
	pool_check(pool, "punched");
	shows(at, 0, PAGE);
	shows_zeros(at + PAGE, BLOCK - 2 * PAGE);
	shows(at + BLOCK - PAGE, BLOCK - PAGE, PAGE);
	must_be(the_window().leaf[1], 1);
	for (uint64_t i = 0; i < 512; i += 73) {
		char *one = window(i * PAGE, PAGE, PF_MAP_READ);

		must(memcmp(one, at + i * PAGE, PAGE) == 0);
		unmap(one, PAGE);
	}
	unmap(at, 2 * BLOCK);
	end_file("K1");
}

/* Zero-page entries were taken out of a file as if they had pages of it. */
static void k5_zero_pages_are_not_counted_down(void)
{
	char *at, *again;

	new_file(PAGE);
	OK(pf_truncate(file, 2 * BLOCK, PF_DETACH, 0));
	at = window(0, 2 * BLOCK, PF_MAP_READ);
	again = window(BLOCK, BLOCK, PF_MAP_READ);
	must_be(held_bytes(), pool_info(pool).pages_member * PAGE);
	shows_zeros(at + PAGE, 2 * BLOCK - PAGE);
	OK(pf_punch(file, BLOCK, BLOCK, PF_DETACH, 0));
	OK(pf_truncate(file, BLOCK, PF_DETACH, 0));
	OK(pf_truncate(file, 2 * BLOCK, PF_DETACH, 0));
	shows_zeros(again, BLOCK);
	unmap(at + PAGE, PAGE);
	unmap(at, 2 * BLOCK);
	shows_zeros(again, BLOCK);
	unmap(again, BLOCK);
	end_file("K5");
}

/* The huge zero page was counted and mapped as an ordinary one. */
static void k9_the_huge_zero_page_counts_nowhere(void)
{
	uint64_t before;
	struct pf_window w;
	char *at;

	new_file(PAGE);
	OK(pf_truncate(file, 0, PF_DETACH, 0));
	OK(pf_truncate(file, 4 * BLOCK, PF_DETACH, 0));
	before = pool_info(pool).pages_free;
	at = window(0, 4 * BLOCK, PF_MAP_READ);
	w = the_window();
	must_be(w.leaf[0] + w.leaf[2], 0);
	must_be(w.leaf[1], 4);
	must_be(held_bytes(), 0);
	must_be(pool_info(pool).pages_free, before);
	shows_zeros(at, 4 * BLOCK);
	/* And it goes where a page comes. */
	OK(pf_write(file, "x", 1, BLOCK + 5 * PAGE));
	must_be(at[BLOCK + 5 * PAGE], 'x');
	shows_zeros(at, BLOCK);
	shows_zeros(at + BLOCK + 6 * PAGE, PAGE);
	unmap(at, 4 * BLOCK);
	end_file("K9");
}

/* A folio that had another order before kept some of it: order 9, free, then a page in its middle. */
static void k13_folios_forget_what_they_were(void)
{
	for (unsigned i = 0; i < 3; i++) {
		char *at;

		new_file(BLOCK);
		at = window(0, BLOCK, PF_MAP_READ | PF_MAP_WRITE);
		OK(pf_truncate(file, 0, PF_DETACH, 0));
		OK(pf_write(file, "x", 1, 100 * PAGE));
		must_be(at[100 * PAGE], 'x');
		pool_check(pool, "K13");
		OK(pf_truncate(file, BLOCK, PF_DETACH, 0));
		shows_zeros(at + 101 * PAGE, BLOCK - 101 * PAGE);
		unmap(at, BLOCK);
		end_file("K13");
	}
}

/* The split of a mapping dropped the last reference before it was done with the folio. */
static void k14_a_split_with_the_last_reference(void)
{
	char *at;

	new_file(BLOCK);
	at = window(0, BLOCK, PF_MAP_READ | PF_MAP_WRITE);
	OK(pf_unlink(pool, "f"));
	OK(pf_close(file)); /* the window alone keeps it */
	unmap(at + 7 * PAGE, PAGE);
	shows(at, 0, 7 * PAGE);
	shows(at + 8 * PAGE, 8 * PAGE, BLOCK - 8 * PAGE);
	pool_check(pool, "K14, split");
	unmap(at, 7 * PAGE);
	unmap(at + 8 * PAGE, BLOCK - 8 * PAGE);
	pool_check(pool, "K14");
	must_be(pool_info(pool).pages_member + pool_info(pool).pages_orphan, 0);
	pool_empty(pool, "K14");
}

/* ---- walking --------------------------------------------------------------------------------------------------- */

static _Atomic bool over;

static void *split_and_make_whole(void *arg)
{
	char *at = arg;
	unsigned long n = 0;

	while (!atomic_load(&over)) {
		OK(pf_window_protect(pool, at + PAGE, PAGE, PF_MAP_READ));
		OK(pf_window_protect(pool, at + PAGE, PAGE, PF_MAP_READ | PF_MAP_WRITE));
		if (++n % 3 == 0) {
			void *same;

			OK(pf_window_map(file, at, BLOCK, PF_MAP_READ | PF_MAP_WRITE | PF_MAP_FIXED,
					 0, &same));
		}
	}
	return NULL;
}

static int check_window(void *arg, const struct pf_window *w)
{
	(void)arg;
	must(w->resident <= w->length && w->length <= BLOCK);
	must(w->resident == (w->leaf[0] + 512 * w->leaf[1]) * PAGE || w->resident % PAGE == 0);
	return 0;
}

/* A large leaf was split between the walker's test and its descent, and read as if it were a table. */
static void k15_walkers_beside_splits(void)
{
	double end = now() + 0.3;
	pthread_t thread;
	char *at;

	new_file(BLOCK);
	at = window(0, BLOCK, PF_MAP_READ | PF_MAP_WRITE);
	atomic_store(&over, false);
	must(pthread_create(&thread, NULL, split_and_make_whole, at) == 0);
	while (now() < end)
		OK(pf_windows(pool, getpid(), check_window, NULL));
	atomic_store(&over, true);
	must(pthread_join(thread, NULL) == 0);
	shows(at, 0, BLOCK);
	unmap(at, BLOCK);
	end_file("K15");
}

/* ---- waiting --------------------------------------------------------------------------------------------------- */

static void *change_all_the_time(void *arg)
{
	(void)arg;
	while (!atomic_load(&over)) {
		OK(pf_punch(file, 0, 4 * PAGE, PF_DETACH, 0));
		OK(pf_truncate(file, 0, PF_DETACH, 0));
		OK(pf_truncate(file, 8 * PAGE, PF_DETACH, 0));
	}
	return NULL;
}

/* A pin that found what it could not use tried again without end. */
static void k27_pins_do_not_try_for_ever(void)
{
	unsigned long got = 0, refused = 0;
	double end = now() + 0.3, longest = 0;
	pthread_t thread;
	char *at;

	new_file(8 * PAGE);
	at = window(0, 8 * PAGE, PF_MAP_READ | PF_MAP_WRITE);
	atomic_store(&over, false);
	must(pthread_create(&thread, NULL, change_all_the_time, NULL) == 0);
	while (now() < end) {
		double begin = now();
		pf_pin *pin;
		int rc = pf_window_pin(pool, at, 8 * PAGE, PF_PIN_WRITE, &pin);

		longest = now() - begin > longest ? now() - begin : longest;
		must(rc == 0 || rc == -EFAULT || rc == -PF_EAGAIN);
		got += rc == 0;
		refused += rc != 0;
		if (rc == 0)
			OK(pf_unpin(pin));
	}
	atomic_store(&over, true);
	must(pthread_join(thread, NULL) == 0);
	printf("K27: %lu pins, %lu refused, the longest took %.1f ms\n", got, refused,
	       longest * 1e3);
	must(got + refused > 10 && longest < 5);
	unmap(at, 8 * PAGE);
	end_file("K27");
}

static void *map_and_touch(void *arg)
{
	(void)arg;
	while (!atomic_load(&over)) {
		char *at = window(0, 4 * PAGE, PF_MAP_READ | PF_MAP_WRITE);

		unmap(at, 4 * PAGE);
	}
	return NULL;
}

static void *unpin_later(void *arg)
{
	usleep(2000); /* so that somebody waits by then; nothing depends on it */
	OK(pf_unpin(arg));
	return NULL;
}

/* Who waited for a page to be idle missed it, when the page was mapped again meanwhile. */
static void k33_a_truncation_that_waits_is_woken(void)
{
	pthread_t mapper, unpinner;

	new_file(4 * PAGE);
	atomic_store(&over, false);
	must(pthread_create(&mapper, NULL, map_and_touch, NULL) == 0);
	for (unsigned i = 0; i < 50; i++) {
		pf_pin *pin;

		OK(pf_pin_file(file, 0, 2 * PAGE, PF_PIN_WRITE, &pin));
		must(pthread_create(&unpinner, NULL, unpin_later, pin) == 0);
		if (i % 2)
			OK(pf_punch(file, 0, 2 * PAGE, PF_WAIT, 10000));
		else
			OK(pf_truncate(file, 0, PF_WAIT, 10000));
		must(pthread_join(unpinner, NULL) == 0);
		OK(pf_truncate(file, 4 * PAGE, PF_DETACH, 0));
	}
	atomic_store(&over, true);
	must(pthread_join(mapper, NULL) == 0);
	end_file("K33");
}

static void *pin_and_unpin(void *arg)
{
	while (!atomic_load(&over)) {
		pf_pin *pin;
		int rc = pf_window_pin(pool, arg, PAGE, PF_PIN_WRITE, &pin);

		must(rc == 0 || rc == -EFAULT || rc == -PF_EAGAIN);
		if (rc == 0)
			OK(pf_unpin(pin));
	}
	return NULL;
}

/* A fast pin that came too late raised a count for a moment: who saw that waited, and nobody woke it. */
static void k38_late_pins_wake_who_waits(void)
{
	pthread_t thread[2];
	double longest = 0;
	char *at;

	new_file(PAGE);
	at = window(0, PAGE, PF_MAP_READ | PF_MAP_WRITE);
	atomic_store(&over, false);
	for (unsigned i = 0; i < 2; i++)
		must(pthread_create(&thread[i], NULL, pin_and_unpin, at) == 0);
	for (unsigned i = 0; i < 200; i++) {
		double begin = now();

		OK(pf_truncate(file, 0, PF_WAIT, 10000));
		must_be(pool_info(pool).pages_orphan, 0); /* no pin came too late, and stayed */
		OK(pf_truncate(file, PAGE, PF_DETACH, 0));
		longest = now() - begin > longest ? now() - begin : longest;
	}
	atomic_store(&over, true);
	for (unsigned i = 0; i < 2; i++)
		must(pthread_join(thread[i], NULL) == 0);
	printf("K38: the longest truncation took %.1f ms\n", longest * 1e3);
	must(longest < 5);
	unmap(at, PAGE);
	end_file("K38");
}

/* A pin of the zero page was counted, or counted down. */
static void k39_the_zero_page_cannot_be_pinned(void)
{
	pf_pin *pin;
	char *at;

	new_file(PAGE);
	OK(pf_truncate(file, 2 * BLOCK, PF_DETACH, 0));
	at = window(0, 2 * BLOCK, PF_MAP_READ);
	for (unsigned i = 0; i < 5000; i++) {
		must_be(pf_window_pin(pool, at + PAGE, PAGE, 0, &pin), -PF_EHOLE);
		must_be(pf_window_pin(pool, at + BLOCK, BLOCK, 0, &pin), -PF_EHOLE);
		must_be(pf_window_pin(pool, at, 2 * PAGE, 0, &pin), -PF_EHOLE);
	}
	unmap(at, 2 * BLOCK);
	must_be(held_bytes(), 0);
	end_file("K39");
}

/* The end of a file system with entries left, and nobody who took them out. */
static void k3_a_pool_is_closed_with_windows(void)
{
	pf_pool *other;
	pf_file *its;
	void *at;

	new_file(BLOCK + PAGE);
	OK(pf_pool_open(test_path("pool"), 0, &other));
	OK(pf_open(other, "f", PF_O_RDWR, 0, &its));
	OK(pf_window_map(its, NULL, BLOCK + PAGE, PF_MAP_READ | PF_MAP_WRITE, 0, &at));
	OK(pf_unlink(pool, "f"));
	OK(pf_close(file));
	pool_check(pool, "K3, a window keeps it");
	must(pool_info(pool).pages_member >= 513);
	OK(pf_pool_close(other));
	must_be(pool_info(pool).pages_member + pool_info(pool).pages_orphan, 0);
	pool_empty(pool, "K3");
}

int main(void)
{
	pool_make("pool", 32);
	pool = pool_open(test_path("pool"));
	k1_split_folios_are_whole();
	k3_a_pool_is_closed_with_windows();
	k5_zero_pages_are_not_counted_down();
	k9_the_huge_zero_page_counts_nowhere();
	k13_folios_forget_what_they_were();
	k14_a_split_with_the_last_reference();
	k15_walkers_beside_splits();
	k27_pins_do_not_try_for_ever();
	k33_a_truncation_that_waits_is_woken();
	k38_late_pins_wake_who_waits();
	k39_the_zero_page_cannot_be_pinned();
	OK(pf_pool_close(pool));
	return 0;
}

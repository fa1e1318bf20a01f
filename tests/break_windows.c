/* Windows are in nobody's way: PF_TRY and PF_WAIT take pages that only windows show, wait for pins and maps alone, and are not kept from ending by who maps the file again and again (K33). */
/* test: suite=short timeout=60 */
#include <pthread.h>

#include "base/atomic.h"
#include "pool.h"

#define MIB (1ul << 20)

static pf_pool *pool;
static pf_file *file;

static void *map(uint64_t offset, uint64_t length)
{
	void *window;

	OK(pf_window_map(file, NULL, length, PF_MAP_READ, offset, &window));
	return window;
}

static void refuses_pins_only(void)
{
	void *window = map(0, 4 * MIB);
	pf_pin *pin;

	OK(pf_punch(file, 0, MIB, PF_TRY, 0));
	must_be(*(volatile uint8_t *)window, 0);
	OK(pf_pin_file(file, 3 * MIB, 1, 0, &pin));
	must_be(pf_truncate(file, 2 * MIB, PF_TRY, 0), -PF_EHELD);
	must_be(pattern_differs((uint8_t *)window + 3 * MIB, PF_PAGE_SIZE, 1, 3 * MIB),
		PF_PAGE_SIZE);
	must_be(pf_truncate(file, 2 * MIB, PF_WAIT, 30), -PF_EHELDTIME);
	OK(pf_unpin(pin));
	OK(pf_truncate(file, 2 * MIB, PF_WAIT, 10000));
	OK(pf_window_unmap(pool, window, 4 * MIB));
}

struct remap {
	_Atomic uint32_t rounds, stop;
};

static void *remaps(void *arg)
{
	struct remap *r = arg;

	while (!load_acquire(&r->stop)) {
		void *window = map(0, 2 * MIB);

		OK(pf_window_unmap(pool, window, 2 * MIB));
		atomic_fetch_add(&r->rounds, 1);
	}
	return NULL;
}

struct punch {
	int rc;
	_Atomic uint32_t done;
};

static void *punches(void *arg)
{
	struct punch *p = arg;

	p->rc = pf_punch(file, MIB, PF_PAGE_SIZE, PF_WAIT, 20000);
	store_release(&p->done, 1);
	return NULL;
}

/* K33: pin; punch with WAIT; others map the page again and again; unpin: the punch ends. */
static void ends_beside_remaps(void)
{
	struct punch p = {0};
	struct remap r = {0};
	pthread_t puncher, remapper;
	pf_pin *pin;

	pattern_file(pool, "k33", 2 * MIB, 2);
	OK(pf_close(file));
	OK(pf_open(pool, "k33", PF_O_RDWR, 0, &file));
	OK(pf_pin_file(file, MIB, PF_PAGE_SIZE, 0, &pin));
	must(pthread_create(&remapper, NULL, remaps, &r) == 0);
	while (load_acquire(&r.rounds) < 3)
		;
	must(pthread_create(&puncher, NULL, punches, &p) == 0);
	/* Pins elsewhere in the file come and go meanwhile. */
	for (int i = 0; i < 100; i++) {
		void *window = map(0, PF_PAGE_SIZE);
		pf_pin *other;

		OK(pf_window_pin(pool, window, PF_PAGE_SIZE, 0, &other));
		OK(pf_unpin(other));
		OK(pf_window_unmap(pool, window, PF_PAGE_SIZE));
	}
	must_be(load_acquire(&p.done), 0);
	OK(pf_unpin(pin));
	must(pthread_join(puncher, NULL) == 0);
	OK(p.rc);
	store_release(&r.stop, 1);
	must(pthread_join(remapper, NULL) == 0);
}

int main(void)
{
	pool = pool_open(pool_make("p", 64));
	pattern_file(pool, "f", 4 * MIB, 1);
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	refuses_pins_only();
	ends_beside_remaps();
	OK(pf_close(file));
	must_be(pf_check(pool, NULL, NULL), 0);
	OK(pf_pool_close(pool));
	return 0;
}

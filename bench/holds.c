/* Holds: a reference, pins and direct maps of 2 MiB and of 1 GiB, memory ready for DMA. */
#include "bench.h"

#include <errno.h>
#include <liburing.h>

#include "base/clock.h"
#include "file/pool.h"

#define REPEAT 100000

static double run_ref_pair(void *arg)
{
	struct bed *b = arg;
	struct rt_self *me = pool_self(b->pool);
	struct layout *l = &b->pool->layout;
	struct dax_run run;
	uint64_t begin = clock_mono();

	for (int i = 0; i < REPEAT; i++) {
		if (dax_hold(me, &l->fs, &l->pages, b->file->ino, 0, 1, &me->row->read_hold, &run) <
		    0)
			die("hold");
		dax_drop(me, &l->pages, &me->row->read_hold, false);
	}
	return ns_since(begin) / REPEAT;
}

static double run_atomic_pair(void *arg)
{
	_Atomic uint64_t *word = arg;
	uint64_t begin = clock_mono();

	for (int i = 0; i < REPEAT; i++) {
		atomic_fetch_add(word, 1);
		atomic_fetch_sub(word, 1);
	}
	return ns_since(begin) / REPEAT;
}

static double run_pin_2m(void *arg)
{
	struct bed *b = arg;
	uint64_t begin = clock_mono();
	pf_pin *pin;

	for (int i = 0; i < REPEAT; i++) {
		if (pf_pin_file(b->file, 0, 2 * MIB, 0, &pin) < 0)
			die("pin");
		pf_unpin(pin);
	}
	return ns_since(begin) / REPEAT;
}

/* ---- by address -------------------------------------------------------------------------------------- */

struct shown {
	struct bed *bed;
	void *window; /* of 2 MiB, one extent */
};

static double run_pin_addr(void *arg)
{
	struct shown *s = arg;
	uint64_t begin = clock_mono();
	pf_pin *pin;

	for (int i = 0; i < REPEAT; i++) {
		if (pf_window_pin(s->bed->pool, s->window, 2 * MIB, 0, &pin) < 0)
			die("pin by address");
		pf_unpin(pin);
	}
	return ns_since(begin) / REPEAT;
}

/* Registering the window with io_uring, which pins its pages; and giving it back. */
static double run_register(void *arg)
{
	struct shown *s = arg;
	struct iovec iov = {s->window, 2 * MIB};
	struct io_uring ring;
	uint64_t begin;
	double t;

	if (io_uring_queue_init(8, &ring, 0) < 0)
		die("io_uring");
	begin = clock_mono();
	for (int i = 0; i < 20; i++)
		if ((errno = -io_uring_register_buffers(&ring, &iov, 1)) ||
		    io_uring_unregister_buffers(&ring) < 0)
			die("io_uring_register_buffers");
	t = ns_since(begin) / 20;
	io_uring_queue_exit(&ring);
	return t;
}

static void bench_pin_addr(struct bed *b)
{
	struct shown s = {b, NULL};
	struct figure f;

	if (pf_window_map(b->file, NULL, 2 * MIB, PF_MAP_READ | PF_MAP_WRITE | PF_MAP_POPULATE, 0,
			  &s.window) < 0)
		die("window");
	f = measure(run_pin_addr, &s, ROUNDS);
	row("pin_addr", "ns", 1, f, "limit", 200);
	row("pin_addr", "ns", 1, f, "pin by file", measure(run_pin_2m, b, ROUNDS).median);
	row("pin_addr", "ns", 1, f, "io_uring register", measure(run_register, &s, ROUNDS).median);
	pf_window_unmap(b->pool, s.window, 2 * MIB);
}

/* ---- maps -------------------------------------------------------------------------------------------- */

static double run_map(struct bed *b, size_t bytes, int repeat)
{
	uint64_t begin = clock_mono();
	pf_map *map;

	for (int i = 0; i < repeat; i++) {
		if (pf_map_file(b->file, 0, bytes, PF_MAP_READ, &map) < 0)
			die("map");
		pf_unmap(map);
	}
	return ns_since(begin) / repeat;
}

static double run_map_2m(void *arg)
{
	return run_map(arg, 2 * MIB, REPEAT);
}

static double run_map_1g(void *arg)
{
	return run_map(arg, GIB, 200);
}

static double run_pin_1g(void *arg)
{
	struct bed *b = arg;
	uint64_t begin = clock_mono();
	pf_pin *pin;

	for (int i = 0; i < 200; i++) {
		if (pf_pin_file(b->file, 0, GIB, PF_PIN_LONGTERM | PF_PIN_WRITE, &pin) < 0)
			die("pin");
		pf_unpin(pin);
	}
	return ns_since(begin) / 200;
}

/* The pool was registered once: a pin is all that is left to do. */
static double run_dma_ready(void *arg)
{
	struct bed *b = arg;
	uint64_t begin = clock_mono();
	size_t count;
	pf_pin *pin;
	double t;

	if (pf_pin_file(b->file, 0, GIB, PF_PIN_LONGTERM | PF_PIN_WRITE, &pin) < 0)
		die("pin");
	if (!pf_pin_chunks(pin, &count)->length)
		die("chunks");
	t = ns_since(begin);
	pf_unpin(pin);
	return t;
}

void bench_references(struct bed *b)
{
	static _Atomic uint64_t word;
	struct figure f;

	b->file = make_file(b->pool, "file", GIB);
	f = measure(run_ref_pair, b, ROUNDS);
	row("ref_pair", "ns", 1, f, "atomic pair", measure(run_atomic_pair, &word, ROUNDS).median);
	f = measure(run_pin_2m, b, ROUNDS);
	row("pin_extent", "ns", 1, f, "limit", 150);
	against_peers("pin_extent", "ns", 1, f, peer_map, 2 * MIB, ROUNDS);
	bench_pin_addr(b);
	f = measure(run_map_2m, b, ROUNDS);
	row("map_2m", "ns", 1, f, "limit", 250);
	against_peers("map_2m", "ns", 1, f, peer_map, 2 * MIB, ROUNDS);
	f = measure(run_map_1g, b, ROUNDS);
	row("map_1g", "us", 1e3, f, "limit", 50e3);
	against_peers("map_1g", "us", 1e3, f, peer_map, GIB, 5);
	f = measure(run_pin_1g, b, ROUNDS);
	against_peers("pin_1g", "us", 1e3, f, peer_register, GIB, 5);
	f = measure(run_dma_ready, b, ROUNDS * 5);
	against_peers("dma_ready_1g", "us", 1e3, f, peer_register, GIB, 5);
	pf_close(b->file);
	pf_unlink(b->pool, "file");
}

/* Truncating 1 GiB, free and held. */
#include "bench.h"

#include "base/clock.h"

static double truncate_file(struct bed *b, bool held)
{
	pf_pin *pin = NULL;
	uint64_t begin;
	pf_file *file;
	double t;

	file = make_file(b->pool, "file", GIB);
	if (held && pf_pin_file(file, 0, GIB, 0, &pin) < 0)
		die("pin");
	begin = clock_mono();
	if (pf_truncate(file, 0, PF_DETACH, 0) < 0)
		die("truncate");
	t = ns_since(begin);
	pf_unpin(pin);
	pf_close(file);
	return t;
}

static double run_truncate(void *arg)
{
	return truncate_file(arg, false);
}

static double run_truncate_held(void *arg)
{
	return truncate_file(arg, true);
}

void bench_truncation(struct bed *b)
{
	struct figure f = measure(run_truncate, b, ROUNDS);

	against_peers("truncate_1g", "us", 1e3, f, peer_truncate, GIB, 5);
	f = measure(run_truncate_held, b, ROUNDS);
	against_peers("truncate_1g_held", "us", 1e3, f, peer_truncate, GIB, 5);
	pf_unlink(b->pool, "file");
}

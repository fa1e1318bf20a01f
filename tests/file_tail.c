/* A file that is cut inside a page: who holds the page sees no change; whatever makes the file longer again shows zeros, not what was there. */
#include <string.h>

#include "pool.h"

#define CUT    5000u
#define LENGTH 8192u

static void by_truncate(pf_file *file)
{
	OK(pf_truncate(file, LENGTH, PF_DETACH, 0));
}

static void by_truncate_little(pf_file *file)
{
	OK(pf_truncate(file, CUT + 1, PF_DETACH, 0));
	OK(pf_truncate(file, LENGTH + 100, PF_DETACH, 0));
}

static void by_write(pf_file *file)
{
	must_be(pf_write(file, "", 1, 6000), 1);
	must_be(pf_write(file, "", 1, LENGTH - 1), 1);
}

static void by_write_elsewhere(pf_file *file)
{
	must_be(pf_write(file, "", 1, 100000), 1);
}

static void by_append(pf_file *file)
{
	must_be(pf_append(file, "", 1), 1);
	OK(pf_truncate(file, LENGTH, PF_DETACH, 0));
}

static void by_allocate(pf_file *file)
{
	OK(pf_allocate(file, 0, LENGTH, 0));
}

static void cut_and_lengthen(pf_pool *pool, void (*lengthen)(pf_file *file))
{
	char bytes[LENGTH];
	const struct pf_chunk *chunk;
	size_t chunks;
	pf_file *file;
	pf_pin *pin;

	pattern_file(pool, "f", LENGTH, 7);
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	OK(pf_pin_file(file, 0, LENGTH, 0, &pin));
	OK(pf_truncate(file, CUT, PF_DETACH, 0));
	chunk = pf_pin_chunks(pin, &chunks);
	must_be(chunks, 1);
	must_be(pattern_differs(chunk->address, LENGTH, 7, 0), LENGTH);
	must_be(pf_read(file, bytes, LENGTH, 0), CUT);

	lengthen(file);
	must_be(pf_read(file, bytes, LENGTH, 0), LENGTH);
	must_be(pattern_differs(bytes, CUT, 7, 0), CUT);
	for (unsigned i = CUT; i < LENGTH; i++)
		must_be(bytes[i], 0);
	OK(pf_unpin(pin));
	OK(pf_close(file));
	OK(pf_unlink(pool, "f"));
}

int main(void)
{
	void (*const ways[])(pf_file *) = {by_truncate,        by_truncate_little, by_write,
					   by_write_elsewhere, by_append,          by_allocate};
	pf_pool *pool;

	test_dir();
	pool = pool_open(pool_make("p", 16));
	for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++)
		cut_and_lengthen(pool, ways[i]);
	pool_empty(pool, "cut files");
	OK(pf_pool_close(pool));
	return 0;
}

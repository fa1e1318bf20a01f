/* A device is one aligned piece of memory of a fixed size: what would change that is refused, all else is as with any file. */
/* test: suite=short timeout=120 */
#include <stdio.h>
#include <string.h>

#include "pool.h"

#define PAGE PF_PAGE_SIZE
#define MIB  (1ul << 20)

static pf_pool *pool;
static char bytes[8 * MIB];

static pf_file *open_device(const char *name, unsigned flags)
{
	pf_file *file;

	OK(pf_open(pool, name, PF_O_RDWR | flags, 0, &file));
	return file;
}

static void is_device(const char *name, uint64_t size, uint64_t align)
{
	pf_file *file = open_device(name, 0);
	const struct pf_chunk *chunk;
	struct pf_stat stat;
	pf_pin *pin;
	size_t n;

	OK(pf_stat(file, &stat));
	must_be(stat.device, align);
	must_be(stat.size, size);
	must_be(stat.allocated, size);
	OK(pf_pin_file(file, 0, size, 0, &pin));
	chunk = pf_pin_chunks(pin, &n);
	must_be(n, 1);
	must_be(chunk->offset % align, 0);
	must_be(chunk->length, size);
	OK(pf_unpin(pin));
	OK(pf_close(file));
}

/* Beside other files, so that a page that had bytes comes to it. */
static void make(const char *name, uint64_t size, uint64_t align)
{
	pf_file *file;

	pattern_file(pool, "before", 3 * MIB, 9);
	OK(pf_unlink(pool, "before"));
	OK(pf_device_make(pool, name, size, align, 0600));
	is_device(name, size, align);
	file = open_device(name, 0);
	must_be(pf_read(file, bytes, sizeof bytes, 0), size);
	for (uint64_t i = 0; i < size; i++)
		must(!bytes[i]);
	OK(pf_close(file));
	pool_check(pool, name);
}

static void refused(const char *name, uint64_t size, uint64_t align)
{
	pf_file *file = open_device(name, 0);
	struct pf_setattr set = {.set = PF_SET_MODE, .mode = 0640};

	pattern_fill(bytes, size, 4, 0);
	must_be(pf_write(file, bytes, size, 0), size);
	must_be(pf_truncate(file, 0, PF_DETACH, 0), -PF_EDEVICE);
	must_be(pf_truncate(file, size + 1, PF_WAIT, 0), -PF_EDEVICE);
	must_be(pf_truncate(file, size, PF_TRY, 0), 0);
	must_be(pf_punch(file, 0, PAGE, PF_DETACH, 0), -PF_EDEVICE);
	must_be(pf_append(file, bytes, 1), -PF_EDEVICE);
	must_be(pf_write(file, bytes, 2, size - 1), -PF_EDEVICE);
	must_be(pf_allocate(file, 0, size + 1, 0), -PF_EDEVICE);
	must_be(pf_allocate(file, size, PAGE, PF_ALLOC_KEEP_SIZE), -PF_EDEVICE);
	must_be(pf_allocate(file, 0, size, 0), 0);
	OK(pf_setattr(file, &set));
	must_be(pf_read(file, bytes, sizeof bytes, 0), size);
	must_be(pattern_differs(bytes, size, 4, 0), size);
	OK(pf_allocate(file, 0, PAGE, PF_ALLOC_ZERO));
	must_be(pf_read(file, bytes, 1, 0), 1);
	must_be(bytes[0], 0);
	must_be(pf_open(pool, name, PF_O_RDWR | PF_O_TRUNC, 0, &file), -PF_EDEVICE);
	is_device(name, size, align);
}

static void impossible(void)
{
	must_be(pf_device_make(pool, "x", 0, PAGE, 0600), -PF_ERANGE);
	must_be(pf_device_make(pool, "x", 2 * MIB, 3 * PAGE, 0600), -PF_ERANGE);
	must_be(pf_device_make(pool, "x", 3 * MIB, 2 * MIB, 0600), -PF_ERANGE);
	must_be(pf_device_make(pool, "x", 200 * MIB, 2 * MIB, 0600), -PF_ENOPIECE);
	must_be(pf_device_make(pool, "small", PAGE, PAGE, 0600), -PF_EFILEEXISTS);
	pool_check(pool, "what cannot be made");
}

/* Whatever moves, the device does not. */
static const void *place_of(const char *name)
{
	pf_file *file = open_device(name, 0);
	const void *place;
	pf_pin *pin;
	size_t n;

	OK(pf_pin_file(file, 0, PAGE, 0, &pin));
	place = pf_pin_chunks(pin, &n)->address;
	OK(pf_unpin(pin));
	OK(pf_close(file));
	return place;
}

static void stays(void)
{
	const void *small = place_of("small"), *large = place_of("large");
	struct pf_compacted result;
	char name[32];

	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "f%u", i);
		pattern_file(pool, name, 37 * PAGE, i);
	}
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "f%u", i);
		if (i % 8)
			OK(pf_unlink(pool, name));
	}
	OK(pf_compact(pool, UINT64_MAX, &result));
	must(result.moved);
	must(place_of("small") == small && place_of("large") == large);
}

int main(void)
{
	const char *path = pool_make("pool", 48);

	pool = pool_open(path);
	pattern_file(pool, "first", 5 * PAGE, 1);
	make("small", 5 * PAGE, PAGE);
	make("middle", 3 * MIB, PAGE);
	make("large", 4 * MIB, 2 * MIB);
	refused("small", 5 * PAGE, PAGE);
	refused("large", 4 * MIB, 2 * MIB);
	impossible();
	stays();
	OK(pf_pool_close(pool));
	must_be(pf_fsck(path, NULL, NULL), 0);
	pool = pool_open(path);
	is_device("small", 5 * PAGE, PAGE);
	is_device("large", 4 * MIB, 2 * MIB);
	pool_empty(pool, "devices");
	OK(pf_pool_close(pool));
	return 0;
}

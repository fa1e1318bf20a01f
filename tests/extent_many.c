/* Files of a million extents and of 64 TiB: written, read, punched, cut and removed, also when pages or metadata are all used; how long it takes. */
/* test: suite=long timeout=600 parallel=no */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pool.h"

#define PAGE    ((uint64_t)PF_PAGE_SIZE)
#define MIB     (1ull << 20)
#define TIB     (1ull << 40)
#define EXTENTS 1000000ull

static pf_pool *pool;

static pf_file *new_file(const char *name)
{
	pf_file *file;

	OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0644, &file));
	return file;
}

static uint64_t allocated(pf_file *file)
{
	struct pf_stat stat;

	OK(pf_stat(file, &stat));
	return stat.allocated;
}

static const char *make_sparse(const char *name, uint64_t size)
{
	struct pf_mkfs_options o = {.size = size, .flags = PF_MKFS_SPARSE};
	const char *path = test_path("%s", name);

	OK(pf_mkfs(path, &o));
	return path;
}

static double begun;

static void begin(void)
{
	begun = now();
}

static void end(const char *what)
{
	printf("%-50s %7.2f s\n", what, now() - begun);
	fflush(stdout);
}

/* Every other page, never written, so that this takes no memory. */
static void fill(pf_file *file)
{
	begin();
	for (uint64_t i = 0; i < EXTENTS; i++)
		OK(pf_allocate(file, 2 * i * PAGE, PAGE, 0));
	end("a million extents allocated");
	must_be(allocated(file), EXTENTS * PAGE);
}

static void million(void)
{
	const char *path = make_sparse("million", 6144 * MIB);
	uint64_t free;
	pf_file *file;

	pool = pool_open(path);
	free = pool_info(pool).pages_free;
	file = new_file("f");
	fill(file);
	begin();
	OK(pf_punch(file, EXTENTS / 2 * PAGE, EXTENTS * PAGE, PF_DETACH, 0));
	end("half of them punched");
	must_be(allocated(file), EXTENTS / 2 * PAGE);
	OK(pf_close(file));
	begin();
	OK(pf_pool_close(pool));
	must_be(pf_fsck(path, NULL, NULL), 0);
	end("the pool closed and checked");
	begin();
	pool = pool_open(path);
	end("the pool opened");
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	must_be(allocated(file), EXTENTS / 2 * PAGE);
	begin();
	OK(pf_truncate(file, EXTENTS / 8 * PAGE, PF_DETACH, 0));
	end("half of the others cut off");
	must_be(allocated(file), EXTENTS / 16 * PAGE);
	OK(pf_close(file));
	begin();
	OK(pf_unlink(pool, "f"));
	end("the rest removed");
	must_be(pool_info(pool).pages_free, free);
	pool_check(pool, "a million extents");
	OK(pf_pool_close(pool));
}

/* 64 TiB: bytes at the beginning, in the middle, at the end. */
static void far(void)
{
	static const uint64_t at[] = {0, 2 * MIB - 1, TIB + 5, 33 * TIB, 64 * TIB - 3};
	char byte[2], zeros[8192];
	pf_file *file;

	pool = pool_open(make_sparse("far", 64 * MIB));
	file = new_file("f");
	begin();
	OK(pf_truncate(file, 64 * TIB, PF_DETACH, 0));
	for (unsigned i = 0; i < 5; i++)
		must_be(pf_write(file, "ab", 2, at[i]), 2);
	for (unsigned i = 0; i < 5; i++) {
		must_be(pf_read(file, byte, 2, at[i]), 2);
		must(!memcmp(byte, "ab", 2));
		must_be(pf_seek(file, i ? at[i - 1] / PAGE * PAGE + 2 * PAGE : 0, PF_SEEK_DATA),
			at[i] / PAGE * PAGE);
	}
	must_be(pf_read(file, zeros, sizeof zeros, 50 * TIB), sizeof zeros);
	for (unsigned i = 0; i < sizeof zeros; i++)
		must_be(zeros[i], 0);
	must_be(pf_seek(file, 40 * TIB, PF_SEEK_HOLE), 40 * TIB);
	OK(pf_punch(file, MIB, 62 * TIB, PF_DETACH, 0));
	must_be(pf_seek(file, PAGE, PF_SEEK_DATA), at[4] / PAGE * PAGE);
	OK(pf_truncate(file, 1, PF_DETACH, 0));
	must_be(allocated(file), PAGE);
	OK(pf_truncate(file, 64 * TIB, PF_DETACH, 0));
	must_be(pf_seek(file, PAGE, PF_SEEK_DATA), -ENXIO);
	OK(pf_close(file));
	end("a file of 64 TiB");
	pool_empty(pool, "64 TiB");
	OK(pf_pool_close(pool));
}

/* Extents until there is neither a node nor a page for one more; then they go, in every way there is. */
static void full(void)
{
	uint64_t free, n = 0;
	pf_file *file, *rest;
	long rc;

	pool = pool_open(make_sparse("full", 96 * MIB));
	free = pool_info(pool).pages_free;
	file = new_file("f");
	while ((rc = pf_allocate(file, n << 30, 2 * MIB, 0)) == 0)
		n++;
	while ((rc = pf_allocate(file, n << 30, PAGE, 0)) == 0)
		n++;
	printf("%lu far extents, then: %s\n", (unsigned long)n, pf_strerror((int)rc));
	rest = new_file("rest");
	while (pool_info(pool).pages_free &&
	       pf_allocate(rest, 0, pool_info(pool).pages_free * PAGE, 0) == 0)
		;
	/* In the middle of each folio. */
	for (uint64_t i = 0; i < n; i += 2)
		OK(pf_punch(file, (i << 30) + 100 * PAGE, 10 * PAGE, PF_DETACH, 0));
	OK(pf_truncate(file, ((n / 2) << 30) + MIB, PF_DETACH, 0));
	pool_check(pool, "full");
	OK(pf_close(file));
	OK(pf_close(rest));
	OK(pf_unlink(pool, "f"));
	OK(pf_unlink(pool, "rest"));
	must_be(pool_info(pool).pages_free, free);
	pool_check(pool, "full, and emptied");
	OK(pf_pool_close(pool));
}

int main(void)
{
	test_dir();
	far();
	full();
	million();
	return 0;
}

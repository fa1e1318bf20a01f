/* A full pool: what needs space fails and changes nothing; unlink, truncate and punch succeed, also when the metadata is full. */
/* test: suite=short timeout=60 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

#define MIB  (1ul << 20)
#define PAGE PF_PAGE_SIZE

static pf_pool *pool;
static pf_file *file; /* "sparse": pages 0, 2, 4 .. 18 */
static char bytes[2 * MIB];

/* ---- what is the same afterwards ---------------------------------------------------------------------- */

struct before {
	struct pf_info info;
	struct pf_stat stat;
	char content[40 * PAGE];
	ssize_t length;
};

static struct before was;

static void look(struct before *b)
{
	memset(b, 0, sizeof *b);
	b->info = pool_info(pool);
	OK(pf_stat(file, &b->stat));
	b->length = OK(pf_read(file, b->content, sizeof b->content, 0));
}

static void must_be_same(const struct before *b, const char *what)
{
	static struct before now_is;

	look(&now_is);
	if (now_is.info.pages_free != b->info.pages_free ||
	    now_is.info.pages_member != b->info.pages_member ||
	    now_is.info.pages_orphan != b->info.pages_orphan ||
	    now_is.info.inodes_free != b->info.inodes_free || now_is.stat.size != b->stat.size ||
	    now_is.stat.allocated != b->stat.allocated || now_is.length != b->length ||
	    memcmp(now_is.content, b->content, sizeof b->content))
		test_fail(__FILE__, __LINE__,
			  "%s: free %lu, was %lu; size %lu, was %lu; allocated %lu, was %lu", what,
			  (unsigned long)now_is.info.pages_free, (unsigned long)b->info.pages_free,
			  (unsigned long)now_is.stat.size, (unsigned long)b->stat.size,
			  (unsigned long)now_is.stat.allocated, (unsigned long)b->stat.allocated);
	pool_check(pool, what);
}

/* The call says that the pool is full, with particulars, and everything is as before. */
#define IS_FULL(call)                                                             \
	do {                                                                      \
		long full_rc;                                                     \
		look(&was);                                                       \
		full_rc = (long)(call);                                           \
		if (full_rc != -PF_ENOSPACE && full_rc != -PF_ENOMETA)            \
			test_fail(__FILE__, __LINE__, "%s: %ld", #call, full_rc); \
		must(strstr(pf_message(), "full") && strlen(pf_message()) > 20);  \
		must_be_same(&was, #call);                                        \
	} while (0)

/* ---- filling ----------------------------------------------------------------------------------------- */

static void fill(const char *name, uint64_t leave)
{
	pf_file *f;
	uint64_t pages = pool_info(pool).pages_free - leave;

	OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0644, &f));
	OK(pf_allocate(f, 0, pages * PAGE, 0));
	OK(pf_close(f));
	must_be(pool_info(pool).pages_free, leave);
}

/* Nodes until there are none: each page far from the others needs some of its own. Then pages, in nodes that are there, but for two. */
static void fill_metadata(void)
{
	uint64_t left;
	pf_file *f;
	long rc = 0;

	OK(pf_open(pool, "far", PF_O_RDWR | PF_O_CREATE, 0644, &f));
	for (uint64_t i = 0; rc >= 0; i++) {
		rc = pf_write(f, bytes, PAGE, i << 30);
		if (rc == -PF_ENOSPACE)
			test_fail(__FILE__, __LINE__, "no pages before no nodes");
	}
	must_be(rc, -PF_ENOMETA);
	left = pool_info(pool).pages_free - 2;
	must(left > 0 && left < 500);
	must_be(pf_write(f, bytes, left * PAGE, PAGE), left * PAGE);
	OK(pf_close(f));
}

/* ---- the tests --------------------------------------------------------------------------------------- */

static void needs_space(void)
{
	pf_file *other;
	pf_map *map;
	pf_pin *pin;

	IS_FULL(pf_write(file, bytes, 10, 5 * PAGE));
	IS_FULL(pf_write(file, bytes, PAGE, 100 * PAGE));
	IS_FULL(pf_write(file, bytes, PAGE, 900 * MIB));
	IS_FULL(pf_append(file, bytes, 10));
	IS_FULL(pf_allocate(file, 0, 19 * PAGE, 0));
	IS_FULL(pf_allocate(file, 900 * MIB, 1, 0));
	IS_FULL(pf_map_file(file, 0, 19 * PAGE, PF_MAP_WRITE, &map));
	IS_FULL(pf_pin_file(file, 0, 19 * PAGE, PF_PIN_WRITE, &pin));
	/* What has its pages, or needs none, goes on. */
	look(&was);
	must_be(pf_write(file, was.content, PAGE, 2 * PAGE), PAGE);
	OK(pf_pin_file(file, 0, PAGE, PF_PIN_WRITE, &pin));
	OK(pf_unpin(pin));
	OK(pf_map_file(file, 0, PAGE, PF_MAP_WRITE, &map));
	OK(pf_unmap(map));
	OK(pf_open(pool, "new", PF_O_RDWR | PF_O_CREATE, 0644, &other));
	OK(pf_truncate(other, 5 * MIB, PF_DETACH, 0));
	OK(pf_close(other));
	OK(pf_unlink(pool, "new"));
	must_be_same(&was, "what needs no space");
}

/* Two pages are free, more are asked for. */
static void nearly_full(void)
{
	pf_map *map;
	pf_pin *pin;

	must_be(pool_info(pool).pages_free, 2);
	IS_FULL(pf_allocate(file, 0, 19 * PAGE, 0));
	IS_FULL(pf_map_file(file, 0, 19 * PAGE, PF_MAP_WRITE, &map));
	IS_FULL(pf_pin_file(file, 0, 19 * PAGE, PF_PIN_WRITE, &pin));
	must_be(pf_write(file, bytes, 5 * PAGE, 25 * PAGE), 2 * PAGE);
	must_be(pool_info(pool).pages_free, 0);
	OK(pf_truncate(file, 19 * PAGE, PF_DETACH, 0));
	must_be(pool_info(pool).pages_free, 2);
}

/* In the middle of a folio of 2 MiB, which becomes single entries: that needs a node. */
static void gives_space(void)
{
	pf_file *f;

	OK(pf_open(pool, "folio", PF_O_RDWR, 0, &f));
	OK(pf_punch(f, 64 * PAGE, 4 * PAGE, PF_DETACH, 0));
	must_be(pool_info(pool).pages_free, 4);
	OK(pf_truncate(f, MIB, PF_DETACH, 0));
	must_be(pool_info(pool).pages_free, 4 + 256);
	must_be(pf_read(f, bytes, MIB, 0), MIB);
	must_be(pattern_differs(bytes, 64 * PAGE, 9, 0), 64 * PAGE);
	must_be(pattern_differs(bytes + 68 * PAGE, MIB - 68 * PAGE, 9, 68 * PAGE), MIB - 68 * PAGE);
	for (unsigned i = 64 * PAGE; i < 68 * PAGE; i++)
		must_be(bytes[i], 0);
	OK(pf_close(f));
	pool_check(pool, "punch and truncate of a full pool");
	OK(pf_unlink(pool, "folio"));
	must_be(pool_info(pool).pages_free, 512);
	pool_check(pool, "unlink of a full pool");
}

static void one(bool metadata)
{
	pool = pool_open(pool_make(metadata ? "meta" : "data", metadata ? 64 : 16));
	pattern_file(pool, "folio", 2 * MIB, 9);
	OK(pf_open(pool, "sparse", PF_O_RDWR | PF_O_CREATE, 0644, &file));
	pattern_fill(bytes, PAGE, 4, 0);
	for (unsigned i = 0; i < 19; i += 2)
		must_be(pf_write(file, bytes, PAGE, i * PAGE), PAGE);
	fill("fill", metadata ? 400 : 2);
	if (metadata)
		fill_metadata();
	nearly_full();
	must_be(pf_write(file, bytes, PAGE, PAGE), PAGE);
	must_be(pf_write(file, bytes, PAGE, 3 * PAGE), PAGE);
	must_be(pool_info(pool).pages_free, 0);
	needs_space();
	gives_space();
	OK(pf_close(file));
	pool_empty(pool, metadata ? "full of metadata" : "full");
	OK(pf_pool_close(pool));
}

int main(void)
{
	test_dir();
	one(false);
	one(true);
	return 0;
}

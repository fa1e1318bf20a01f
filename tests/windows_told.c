/* Every call that gives a file other pages, or another size, marks the windows that show it: those pages, or what lies between the sizes. */
/* test: suite=short timeout=60 */
#include "handmade.h"

#define BLOCK  BLOCK_PAGES
#define BLOCKS 64
#define MIB    (1ul << 20)

static pf_pool *pool;
static pf_file *file;
static struct rt_vma *vma;

/* Blocks [first, end) are stale, and no others; from now on none. */
static void marked(const char *what, uint64_t first, uint64_t end)
{
	uint64_t stale = swap(&vma->stale, 0);

	if (stale != (first == end ? 0 : rt_stale(first * BLOCK, end * BLOCK)))
		test_fail(__FILE__, __LINE__, "%s: blocks %lu to %lu are stale", what,
			  (unsigned long)(stale & 0xffffffff), (unsigned long)(stale >> 32));
}

static void sizes(void)
{
	OK(pf_truncate(file, 6 * MIB, PF_DETACH, 0));
	marked("larger", 0, 3);
	OK(pf_truncate(file, 6 * MIB - 1, PF_DETACH, 0));
	marked("smaller by less than a page", 3, FILE_PAGES_MAX / BLOCK);
	OK(pf_truncate(file, 6 * MIB, PF_DETACH, 0));
	marked("larger by less than a page", 0, 0);
	OK(pf_truncate(file, 5 * MIB, PF_DETACH, 0));
	marked("smaller", 2, FILE_PAGES_MAX / BLOCK);
	must_be(pf_write(file, "x", 1, 10 * MIB), 1);
	marked("written behind the end", 2, 6);
	must_be(pf_write(file, "x", 1, 10 * MIB), 1);
	marked("written where it was", 0, 0);
	must_be(pf_append(file, "x", 1), 1);
	marked("a byte appended", 0, 0);
}

static void pages(void)
{
	pf_map *map;

	OK(pf_map_file(file, 3 * MIB, 1, PF_MAP_READ | PF_MAP_WRITE, &map));
	marked("a hole filled for a map", 1, 2);
	OK(pf_unmap(map));
	marked("a map given back", 0, 0);
	OK(pf_allocate(file, 0, 4 * MIB, 0));
	marked("allocated", 0, 2);
	must_be(pf_write(file, "x", 1, 0), 1);
	marked("written for the first time", 0, 1);
	OK(pf_punch(file, 2 * MIB, 4096, PF_DETACH, 0));
	marked("punched", 1, 2);
	OK(pf_punch(file, 2 * MIB, 4096, PF_DETACH, 0));
	marked("punched again", 1, 2);
	OK(pf_punch(file, 100, 100, PF_DETACH, 0));
	marked("bytes of a page punched", 0, 0);
	OK(pf_truncate(file, 0, PF_DETACH, 0));
	marked("emptied", 0, FILE_PAGES_MAX / BLOCK);
}

/* The first pages move from the inode into a folio: what was there is elsewhere. The rest of their block needs nothing then. */
static void moved(void)
{
	static char bytes[8192];
	uint64_t before, after;

	must_be(pf_write(file, bytes, sizeof bytes, 0), sizeof bytes);
	marked("written", 0, 1);
	must(fs_entry(&pool->layout.fs, file->ino, 0, &before));
	OK(pf_allocate(file, sizeof bytes, 3 * MIB, PF_ALLOC_KEEP_SIZE));
	must(fs_entry(&pool->layout.fs, file->ino, 0, &after));
	must(before != after);
	marked("moved", 0, 2);
}

static void refused(void)
{
	struct pf_info info = pool_info(pool);

	OK(pf_truncate(file, 0, PF_DETACH, 0));
	marked("emptied", 0, FILE_PAGES_MAX / BLOCK);
	must_be(pf_allocate(file, 0, info.pages_total * 4096 + 1, 0), -PF_ENOSPACE);
	marked("more than there is", 0, 0);
	must_be(pf_write(file, "x", 1, 0), 1);
	marked("written", 0, 1);
}

/* Another file's changes are none of its business. */
static void strange(void)
{
	pattern_file(pool, "another", 3 * MIB, 2);
	marked("another file", 0, 0);
}

int main(void)
{
	const char *path = pool_make("pool", 32);

	pool = pool_open(path);
	OK(pf_open(pool, "file", PF_O_RDWR | PF_O_CREATE, 0600, &file));
	vma = handmade_window(pool, file->ino, 0, BLOCKS * BLOCK);
	sizes();
	pages();
	moved();
	refused();
	strange();
	handmade_retire(pool, vma, NULL);
	OK(pf_close(file));
	pool_empty(pool, "told");
	OK(pf_pool_close(pool));
	return 0;
}

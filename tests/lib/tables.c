#include "tables.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "test.h"

#define TABLE_BASE 0x10000000ull
#define MEDIA_BASE 0x4000000000ull /* aligned for leaves of 1 GiB */

static int take(void *arg, uint64_t *offset)
{
	struct tables *t = arg;
	uint64_t pages = t->bytes / PAGE_BYTES;

	if (!t->left)
		return -ENOMEM;
	for (uint64_t i = 0; i < pages; i++, t->next++) {
		uint64_t page = t->next % pages;

		if (t->used[page])
			continue;
		t->used[page] = true;
		t->in_use++;
		t->left--;
		*offset = page * PAGE_BYTES;
		memset(t->pt.arena + *offset, 0, PAGE_BYTES);
		return 0;
	}
	return -ENOMEM;
}

static void give(void *arg, uint64_t offset)
{
	struct tables *t = arg;

	must(t->used[offset / PAGE_BYTES]);
	t->used[offset / PAGE_BYTES] = false;
	/* Whoever still reads it reads rubbish, not zeros. */
	memset(t->pt.arena + offset, 0xa5, PAGE_BYTES);
	t->in_use--;
}

static int note(void *arg)
{
	((struct tables *)arg)->notes++;
	return 0;
}

static bool gone(void *arg)
{
	return !((struct tables *)arg)->busy;
}

static bool fits(void *arg, uint64_t pfn, unsigned level)
{
	(void)pfn;
	return level <= ((struct tables *)arg)->folio_level;
}

static const struct pt_memory memory = {
	.alloc = take,
	.free = give,
	.note = note,
	.gone = gone,
	.fits = fits,
};

void tables_make(struct tables *t, const struct pt_fmt *f, uint64_t pages, uint64_t pfns)
{
	uint8_t *arena = mmap(NULL, (pages + 2) * PAGE_BYTES, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(arena != MAP_FAILED);
	arena += PAGE_BYTES;
	must(mprotect(arena, pages * PAGE_BYTES, PROT_READ | PROT_WRITE) == 0);
	*t = (struct tables){
		.bytes = pages * PAGE_BYTES,
		.used = calloc(pages, 1),
		.left = UINT64_MAX,
		.folio_level = PT_PUD,
		.pt =
			{
				.fmt = f,
				.arena = arena,
				.arena_bytes = pages * PAGE_BYTES,
				.table_base = TABLE_BASE,
				.media_base = MEDIA_BASE,
				.pages = pfns,
				.memory = &memory,
				.arg = t,
			},
	};
	must_be(pt_make(&t->pt), 0);
}

void tables_end(struct tables *t)
{
	must_be((long)t->in_use, 0);
	munmap(t->pt.arena - PAGE_BYTES, t->bytes + 2 * PAGE_BYTES);
	free(t->used);
}

#define POINTER(name) &name,
const struct pt_fmt *const tables_formats[] = {PT_FORMATS(POINTER)};
const unsigned tables_format_count = ARRAY_SIZE(tables_formats);

struct pt_fmt tables_tiny(const struct pt_fmt *f, unsigned index_bits)
{
	struct pt_fmt tiny = *f;

	tiny.index_bits = (uint8_t)index_bits;
	return tiny;
}

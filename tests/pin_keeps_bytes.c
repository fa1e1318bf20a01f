/* A pin of 4 KiB inside a 2 MiB folio keeps its bytes through truncation, punch, extension and rewriting; what left is free after it. */
#include <string.h>
#include <unistd.h>

#include "pool.h"

#define MIB (1ul << 20)

static int add_orphan(void *arg, const struct pf_orphan *o)
{
	*(uint64_t *)arg += o->bytes;
	must(o->name && !strcmp(o->name, "file"));
	return 0;
}

static uint64_t orphan_bytes(pf_pool *pool)
{
	uint64_t bytes = 0;

	OK(pf_orphans(pool, add_orphan, &bytes));
	return bytes;
}

struct seen {
	unsigned count;
	struct pf_holder holder;
};

static int see(void *arg, const struct pf_holder *h)
{
	struct seen *s = arg;

	s->count++;
	s->holder = *h;
	must(h->name && !strcmp(h->name, "file"));
	return 0;
}

static void all_zero(pf_file *f, uint64_t offset, size_t length)
{
	static char bytes[2 * MIB];

	must_be(pf_read(f, bytes, length, offset), length);
	for (size_t i = 0; i < length; i++)
		must(!bytes[i]);
}

int main(void)
{
	static char bytes[2 * MIB];
	const uint64_t at = 1536 * 1024;
	pf_pool *pool = pool_open(pool_make("pool", 32));
	uint64_t total = pool_info(pool).pages_total;
	const struct pf_chunk *chunk;
	struct seen seen = {0};
	size_t chunks;
	pf_file *f;
	pf_map *map;
	pf_pin *pin;

	pattern_file(pool, "file", sizeof bytes, 7);
	OK(pf_open(pool, "file", PF_O_RDWR, 0, &f));
	OK(pf_map_file(f, 0, 4096, PF_MAP_READ, &map));
	OK(pf_pin_file(f, at, 4096, PF_PIN_LONGTERM, &pin));
	chunk = pf_pin_chunks(pin, &chunks);
	must_be(chunks, 1);
	must_be(chunk->length, 4096);
	must(!pf_map_stale(map));

	OK(pf_truncate(f, MIB, PF_DETACH, 0));
	must(pf_map_stale(map));
	must_be(orphan_bytes(pool), MIB);
	OK(pf_unmap(map));
	OK(pf_holders(pool, see, &seen));
	must_be(seen.count, 1);
	must_be(seen.holder.pid, getpid());
	must_be(seen.holder.kind, PF_HOLD_LONGTERM);
	must_be(seen.holder.offset, at);
	must_be(seen.holder.length, 4096);
	must_be(seen.holder.bytes, 2 * MIB);

	OK(pf_punch(f, 512 * 1024, 256 * 1024, PF_DETACH, 0));
	OK(pf_truncate(f, 2 * MIB, PF_DETACH, 0));
	all_zero(f, 512 * 1024, 256 * 1024);
	all_zero(f, MIB, MIB);
	memset(bytes, 0x55, sizeof bytes);
	must_be(pf_write(f, bytes, sizeof bytes, 0), sizeof bytes);
	must_be(pattern_differs(chunk->address, 4096, 7, at), 4096);
	must_be(orphan_bytes(pool), MIB + 256 * 1024);
	pool_check(pool, "rewriting");
	must_be(pool_info(pool).pages_free, total - 512 - 320);

	OK(pf_unpin(pin));
	must_be(orphan_bytes(pool), 0);
	must_be(pool_info(pool).pages_free, total - 512);
	pool_check(pool, "the unpin");
	OK(pf_close(f));
	pool_empty(pool, "all");
	OK(pf_pool_close(pool));
	return 0;
}

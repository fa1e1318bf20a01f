/*
 * Writing cache lines back, by libpmem2, which picks the instruction of this CPU. Its functions belong to a
 * mapping: it is told of one page of this file as of a mapping that needs cache lines written back, which is
 * what every persistent device is taken for. (Asked to map anonymous memory itself it gives functions that
 * do nothing, as nothing needs to be written back there.)
 */
#include <libpmem2.h>
#include <pthread.h>

#include "dev/dev_common.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Alignas(4096) uint8_t page[PAGE_BYTES];
static pmem2_flush_fn flush;
static pmem2_drain_fn drain;

static void ask(void)
{
	struct pmem2_source *source = NULL;
	struct pmem2_map *map = NULL;

	if (pmem2_source_from_anon(&source, sizeof page) == 0 &&
	    pmem2_map_from_existing(&map, source, page, sizeof page,
				    PMEM2_GRANULARITY_CACHE_LINE) == 0) {
		flush = pmem2_get_flush_fn(map);
		drain = pmem2_get_drain_fn(map);
	}
	/* The map stays: the functions are its. */
	pmem2_source_delete(&source);
}

static void write_back(const void *address, size_t length)
{
	flush(address, length);
}

static void fence(void)
{
	drain();
}

void common_persistent(struct dev *dev)
{
	pthread_once(&once, ask);
	dev->durability = flush ? DEV_PERSISTENT : DEV_VOLATILE;
	dev->persist = flush ? write_back : NULL;
	dev->drain = flush ? fence : NULL;
}

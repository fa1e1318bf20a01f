/*
 * Writing cache lines back, by libpmem2. It picks the instruction of this CPU; the functions belong to a mapping, so one page of
 * anonymous memory is mapped once per process to ask it. Whether a write back is enough is the device's word, not libpmem2's.
 */
#include <libpmem2.h>
#include <pthread.h>

#include "dev/dev_common.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pmem2_flush_fn flush;
static pmem2_drain_fn drain;

static void ask(void)
{
	struct pmem2_config *config = NULL;
	struct pmem2_source *source = NULL;
	struct pmem2_map *map = NULL;

	if (pmem2_config_new(&config) == 0 &&
	    pmem2_config_set_required_store_granularity(config, PMEM2_GRANULARITY_CACHE_LINE) ==
		    0 &&
	    pmem2_source_from_anon(&source, PAGE_BYTES) == 0 &&
	    pmem2_map_new(&map, config, source) == 0) {
		flush = pmem2_get_flush_fn(map);
		drain = pmem2_get_drain_fn(map);
	}
	/* The map stays: the functions are its. */
	pmem2_source_delete(&source);
	pmem2_config_delete(&config);
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

/* A process that keeps more memory that no file has than it allowed itself gets no new holds until it gives some back. */
#include "pool.h"

#define MIB (1ul << 20)

int main(void)
{
	pf_pool *pool = pool_open(pool_make("pool", 32));
	pf_pin *small, *large, *other;
	pf_file *a, *b;
	pf_map *map;

	pattern_file(pool, "a", 3 * MIB, 1);
	pattern_file(pool, "b", MIB, 2);
	OK(pf_open(pool, "a", PF_O_RDWR, 0, &a));
	OK(pf_open(pool, "b", PF_O_RDWR, 0, &b));
	pf_pool_set_orphan_limit(pool, MIB);
	OK(pf_pin_file(a, 0, 2 * MIB, 0, &large));
	OK(pf_pin_file(a, 2 * MIB, 4096, 0, &small));
	OK(pf_truncate(a, MIB, PF_DETACH,
		       0)); /* half of the first folio left, and all of the second */
	must_be(pf_pin_file(b, 0, 4096, 0, &other), -PF_EORPHANS);
	must_be(pf_map_file(b, 0, 4096, PF_MAP_READ, &map), -PF_EORPHANS);
	must_be(pf_errno(-PF_EORPHANS) > 0, 1);
	OK(pf_unpin(small)); /* 1 MiB is left, which is allowed */
	OK(pf_pin_file(b, 0, 4096, 0, &other));
	OK(pf_truncate(a, 0, PF_DETACH, 0)); /* the whole folio */
	must_be(pf_map_file(b, 0, 4096, PF_MAP_READ, &map), -PF_EORPHANS);
	pf_pool_set_orphan_limit(pool, 0);
	OK(pf_map_file(b, 0, 4096, PF_MAP_READ, &map));
	OK(pf_unmap(map));
	OK(pf_unpin(other));
	OK(pf_unpin(large));
	OK(pf_close(a));
	OK(pf_close(b));
	pool_empty(pool, "all");
	OK(pf_pool_close(pool));
	return 0;
}

/* Out of nodes: adding is refused and leaves the map as it was, removing still works, and in the end no node is lost. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "box.h"
#include "test.h"

#define LEAVES 6u

static struct box box;
static uint32_t leaves, sparse;

/* A page in every block, until no node is left for that; returns how many there are. */
static uint64_t fill(void)
{
	uint64_t n = 0;
	int rc;

	while ((rc = box_add(&box, sparse, n * 512 + 100, 0, LEAVES * 512 + n)) == 0)
		n++;
	must_be(rc, -PF_ENOMETA);
	must_be(box_add(&box, sparse, 1ull << 30, 0, 5000), -PF_ENOMETA);
	return n;
}

static void sparse_is(uint64_t n)
{
	uint64_t index = 0, pfn;

	must_be(fs_pages(&box.fs, sparse), n);
	for (uint64_t i = 0; i < n; i++, index++) {
		index = fs_next_entry(&box.fs, sparse, index, FILE_PAGES_MAX);
		must_be(index, i * 512 + 100);
		must(fs_entry(&box.fs, sparse, index, &pfn));
		must_be(pfn - box_first_pfn(&box), LEAVES * 512 + i);
	}
}

int main(void)
{
	uint64_t all, n;

	test_dir();
	box_make(&box, 64 << 20, 0, 60);
	box_open(&box);
	all = load_relaxed(&box.fs.shared->nodes_free);
	must_be(all, 59);
	leaves = box_create(&box, "leaves");
	sparse = box_create(&box, "sparse");
	for (uint64_t i = 0; i < LEAVES; i++)
		must_be(box_add(&box, leaves, i * 512, BLOCK_ORDER, i * 512), 0);
	n = fill();
	must(n > 5);
	sparse_is(n);
	box_check(&box);
	must(fs_pages(&box.fs, leaves) == LEAVES * 512);

	/* A hole in every leaf takes a node each. */
	for (uint64_t i = 0; i < LEAVES; i++)
		box_cut(&box, leaves, i * 512 + i, 3);
	must_be(fs_pages(&box.fs, leaves), LEAVES * 509);
	must_be(fs_next_hole(&box.fs, leaves, 0, 512 * LEAVES), 0);
	box_check(&box);

	/* What has its node already can be added to; and when a file goes, others grow again. */
	must_be(box_add(&box, sparse, 101, 0, 6000), 0);
	box_cut(&box, sparse, 101, 1);
	for (uint64_t i = 0; i < LEAVES; i++) {
		box_cut(&box, leaves, i * 512 + i + 3, 509 - i);
		if (i)
			box_cut(&box, leaves, i * 512, i);
	}
	box_evict(&box, leaves);
	box_check(&box);
	must_be(box_add(&box, sparse, n * 512 + 100, 0, LEAVES * 512 + n), 0);
	n++;
	sparse_is(n);
	for (uint64_t i = 0; i < n; i++)
		box_cut(&box, sparse, i * 512 + 100, 1);
	box_evict(&box, sparse);
	/* But for the root directory's bucket. */
	must_be(load_relaxed(&box.fs.shared->nodes_free), all - 1);
	box_check(&box);
	box_end(&box);
	return 0;
}

/*
 * Devices: files that are one aligned piece of memory, all of it there, of a size that never changes. They are made before they have a name, so that nobody sees one that is
 * not whole; what a kill leaves is a file without name, which goes.
 */
#include "base/clock.h"
#include "base/err.h"
#include "layout/inner.h"

#define TRIES 8u /* others take pages out of the piece that was found */

static unsigned level_of(uint64_t align)
{
	return align == PAGE_BYTES ? 1 : align == BLOCK_BYTES ? 2 : 3;
}

/* All pages, from `pfn` on, zeroed. -PF_EAGAIN: somebody else has taken one of them. */
static int fill(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t pages, unsigned order,
		uint64_t pfn)
{
	struct journal_tx tx;

	for (uint64_t i = 0; i < pages; i += 1ull << order) {
		int64_t got = page_take(me, &l->pages, order, pfn + i, ino,
					fs_generation(&l->fs, ino), i);
		int rc = 0;

		if (got < 0)
			return (int)got;
		if ((uint64_t)got == pfn + i) {
			inner_initialise(l, NULL, pfn + i, i, 1ull << order, order);
			journal_begin(&tx, me);
			rc = fs_entry_add(&l->fs, &tx, ino, i, order, ENTRY_LEAF, pfn + i);
		} else {
			rc = -PF_EAGAIN;
		}
		if (rc < 0) {
			inner_give_back(me, l, (uint64_t)got);
			return rc;
		}
		journal_commit(&l->fs.journal, &tx);
		step("device: committed");
		store_release(&me->row->page.set, (uint32_t)RT_RECORD_NONE);
	}
	return 0;
}

static int find_and_fill(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t size,
			 uint64_t align)
{
	uint64_t pages = size / PAGE_BYTES, budget = l->pages.count;
	unsigned order = align > PAGE_BYTES ? BLOCK_ORDER : 0;

	for (unsigned tries = 0; tries < TRIES; tries++) {
		uint64_t pfn = page_find_piece(&l->pages, pages, align / PAGE_BYTES);
		int rc = pfn ? fill(me, l, ino, pages, order, pfn) : -PF_EAGAIN;

		if (rc == 0)
			return 0;
		layout_remove(me, l, ino, 0, pages);
		if (rc != -PF_EAGAIN && rc != -PF_ENOSPACE)
			return rc;
		if (!pfn && layout_compact(me, l, ino, div_up(pages, BLOCK_PAGES), &budget) <= 0)
			break;
	}
	return err(PF_ENOPIECE, "%lu bytes at a multiple of %lu", (unsigned long)size,
		   (unsigned long)align);
}

int layout_device(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t size, uint64_t align)
{
	struct inode_attr attr;
	struct journal_tx tx;
	int rc = find_and_fill(me, l, ino, size, align);

	if (rc == 0)
		rc = fs_attr(&l->fs, ino, &attr);
	if (rc < 0)
		return rc;
	attr.size = size;
	attr.flags |= level_of(align) << INODE_DEVICE_SHIFT;
	attr.mtime = attr.ctime = clock_coarse();
	journal_begin(&tx, me);
	fs_attr_set(&l->fs, &tx, ino, &attr);
	journal_commit(&l->fs.journal, &tx);
	return 0;
}

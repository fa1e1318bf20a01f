/*
 * Checks: offline of the media alone, and live of all rules. The live one composes the modules' own, and compares files with page
 * descriptors here: every page of a file is a member of a folio in use that says so, and every member is in its file.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/sys.h"
#include "file/pool.h"
#include "mm/mm.h"

/* ---- files against pages ---------------------------------------------------------------------------- */

/* The folio of a page that is in a file, and stays there. While one is split, which takes no lock of the inode, its pages seem to be in none; a page is in at most one split
 * for each order. False: it is in none. *sure: nobody is in the way of knowing that. */
static bool head_of(struct rt_self *me, struct pages *p, uint64_t pfn, uint64_t *head,
		    uint64_t *word, bool *sure)
{
	*sure = true;
	if (!hbitmap_test(&p->filled, page_block(p, pfn)))
		return false;
	for (unsigned splits = 0; splits <= BLOCK_ORDER; splits++) {
		if (page_head(p, pfn, BLOCK_ORDER, head, word))
			return true;
		if (page_repair(me, p) < 0) {
			*sure = false;
			return false;
		}
	}
	return page_head(p, pfn, BLOCK_ORDER, head, word);
}

static void check_page(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t index,
		       uint64_t pfn, struct report *report)
{
	bool sure;
	uint64_t head, word;

	if (!page_in_zone(&l->pages, pfn)) {
		report_violation(report, "extent",
				 "inode %u page %lu is page %lu, outside of the data zone", ino,
				 (unsigned long)index, (unsigned long)pfn);
		return;
	}
	if (!head_of(me, &l->pages, pfn, &head, &word, &sure)) {
		if (sure)
			report_violation(report, "member",
					 "inode %u page %lu is page %lu, which is free", ino,
					 (unsigned long)index, (unsigned long)pfn);
		return;
	}
	if (word_state(word) != PAGE_IN_FILE || load_acquire(&page_at(&l->pages, pfn)->left))
		report_violation(report, "member",
				 "inode %u page %lu is page %lu, which has left its file", ino,
				 (unsigned long)index, (unsigned long)pfn);
	else if (load_relaxed(&page_at(&l->pages, head)->ino) != ino)
		report_violation(report, "member",
				 "inode %u page %lu is page %lu, which is inode %u's", ino,
				 (unsigned long)index, (unsigned long)pfn,
				 load_relaxed(&page_at(&l->pages, head)->ino));
}

static void check_entry(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t index,
			struct report *report)
{
	uint64_t pfn, first = index;
	entry_t e = fs_entry(&l->fs, ino, index, &pfn);

	if (entry_order(e) == BLOCK_ORDER)
		first = align_down(index, BLOCK_PAGES);
	if (!entry_valid(ino, fs_generation(&l->fs, ino), first, e))
		report_violation(report, "map", "inode %u page %lu: wrong check of its entry", ino,
				 (unsigned long)index);
	else if (e)
		check_page(me, l, ino, index, pfn, report);
}

/* Each of its pages, and how many they are. */
static void check_map(struct rt_self *me, struct layout *l, uint32_t ino, struct report *report)
{
	uint64_t pages = 0, i = 0;

	while ((i = fs_next_entry(&l->fs, ino, i, FILE_PAGES_MAX)) < FILE_PAGES_MAX) {
		check_entry(me, l, ino, i++, report);
		pages++;
	}
	if (pages != fs_pages(&l->fs, ino))
		report_violation(report, "map", "inode %u has %lu pages, not %lu", ino,
				 (unsigned long)pages, (unsigned long)fs_pages(&l->fs, ino));
}

/* Under the inode's lock its record and its pages stay. A lock that a stopped process has says nothing about the file. */
static void check_file(struct rt_self *me, struct layout *l, uint32_t ino, struct report *report)
{
	int rc = layout_lock(me, l, ino);
	struct inode_attr attr;

	if (rc == 0 && (rc = fs_attr(&l->fs, ino, &attr)) < 0)
		layout_unlock(me, l, ino);
	if (rc == -PF_ECORRUPT)
		report_violation(report, "inode", "inode %u: %s", ino, pf_message());
	if (rc < 0)
		return;
	if (fs_is_file(&l->fs, ino))
		check_map(me, l, ino, report);
	layout_unlock(me, l, ino);
}

/* Under the directory's lock what its names lead to keeps its generation, and subdirectories stay where they are. */
static void check_name(struct layout *l, uint32_t dir, const struct dir_name *name,
		       struct report *report)
{
	const struct inode_format *inode = &l->fs.inodes[name->ino];

	if (name->ino >= fs_inodes_high(&l->fs) || fs_is_free(&l->fs, name->ino) ||
	    fs_generation(&l->fs, name->ino) != name->igen ||
	    fs_type(&l->fs, name->ino) != name->type)
		report_violation(report, "name", "%s in directory %u does not lead to inode %u",
				 name->name, dir, name->ino);
	else if (name->type == S_IFDIR &&
		 (load_acquire(&inode->parent) != dir || load_acquire(&inode->key) != name->key))
		report_violation(report, "name", "directory %u is said to be in %lu, not in %u",
				 name->ino, (unsigned long)load_acquire(&inode->parent), dir);
}

static void check_entries(struct layout *l, uint32_t dir, struct report *report)
{
	uint64_t key = 0, entries = 0, directories = 0;
	struct dir_name names[FS_DIR_READ];
	struct inode_attr attr;
	bool sure = true;

	while (key < 1ull << DIR_KEY_BITS && sure) {
		unsigned n = fs_dir_read(&l->fs, dir, key, names, &key, &sure);

		entries += n;
		for (unsigned i = 0; i < n; i++) {
			directories += names[i].type == S_IFDIR;
			check_name(l, dir, &names[i], report);
		}
	}
	if (!sure)
		report_violation(report, "directory",
				 "directory %u seems to be changing, but its lock is free", dir);
	else if (fs_attr(&l->fs, dir, &attr) == 0 && attr.state == INODE_NAMED &&
		 (entries != attr.size || directories + 2 != attr.nlink))
		report_violation(
			report, "directory",
			"directory %u has %lu entries with %lu directories, not %lu with %u", dir,
			(unsigned long)entries, (unsigned long)directories,
			(unsigned long)attr.size, attr.nlink - 2);
}

/* Under its lock names stay. */
static void check_directory(struct rt_self *me, struct layout *l, uint32_t dir,
			    struct report *report)
{
	if (layout_lock(me, l, dir) < 0)
		return;
	if (!fs_is_free(&l->fs, dir) && fs_is_directory(&l->fs, dir))
		check_entries(l, dir, report);
	layout_unlock(me, l, dir);
}

/* ---- pages against files ---------------------------------------------------------------------------- */

struct strays {
	struct layout *l;
	uint64_t *head;
	size_t count, room;
};

/* A member page whose file does not have it. Looked at without a lock, so only a suspicion. */
static bool is_stray(struct layout *l, uint64_t head, uint32_t ino)
{
	struct page *page = page_at(&l->pages, head);
	uint64_t w = load_acquire(&page->word), index = load_relaxed(&page->index), pfn;

	if (word_state(w) != PAGE_IN_FILE || load_relaxed(&page->ino) != ino)
		return false;
	for (uint64_t i = 0; i < 1ull << word_order(w); i++)
		if (!load_acquire(&page_at(&l->pages, head + i)->left) &&
		    (!fs_entry(&l->fs, ino, index + i, &pfn) || pfn != head + i))
			return true;
	return false;
}

static int note_stray(void *arg, const struct page_folio *f)
{
	struct strays *s = arg;

	if (word_state(f->word) != PAGE_IN_FILE)
		return 0;
	if (f->ino && f->ino < fs_inodes_high(&s->l->fs) && !is_stray(s->l, f->head, f->ino))
		return 0;
	if (s->count == s->room) {
		void *at = sys_grow(s->head, &s->room, sizeof *s->head);

		if (!at)
			return err(ENOMEM, "check");
		s->head = at;
	}
	s->head[s->count++] = f->head;
	return 0;
}

/* Again under the inode's lock: then no page of it is on its way in or out. */
static void check_stray(struct rt_self *me, struct layout *l, uint64_t head, struct report *report)
{
	uint32_t ino = load_relaxed(&page_at(&l->pages, head)->ino);

	if (!ino || ino >= fs_inodes_high(&l->fs)) {
		report_violation(report, "member",
				 "folio %lu is said to be in inode %u, which never was",
				 (unsigned long)head, ino);
		return;
	}
	if (layout_lock(me, l, ino) < 0)
		return;
	if (is_stray(l, head, ino))
		report_violation(report, "member",
				 "folio %lu is said to be in inode %u, which does not have it",
				 (unsigned long)head, ino);
	layout_unlock(me, l, ino);
}

static int check_strays(struct rt_self *me, struct layout *l, struct report *report)
{
	struct strays s = {.l = l};
	int rc = page_each_folio(&l->pages, note_stray, &s);

	for (size_t i = 0; i < s.count; i++)
		check_stray(me, l, s.head[i], report);
	free(s.head);
	return rc;
}

/* ---- all -------------------------------------------------------------------------------------------- */

int pf_check(pf_pool *pool, void (*each)(void *arg, const char *rule, const char *text), void *arg)
{
	struct report report = {.each = each, .arg = arg};
	struct layout *l = &pool->layout;
	struct rt_self *me = pool_self(pool);
	int rc;

	if (!me)
		return rt_self_error();
	page_check(me, &l->pages, &report);
	/* Files first: who gets an inode's lock after a dead owner repairs what the other checks look at. */
	for (uint32_t ino = 1; ino < fs_inodes_high(&l->fs); ino++) {
		fs_check_left(&l->fs, me, ino, &report);
		check_file(me, l, ino, &report);
		if (fs_is_directory(&l->fs, ino))
			check_directory(me, l, ino, &report);
	}
	fs_check_runtime(&l->fs, me, &report);
	journal_check(&l->fs.journal, &report);
	space_check(l->rt, &report);
	rc = mm_check(me, &l->fs, &l->pages, load_acquire(&l->space), &report);
	if (rc == 0)
		rc = check_strays(me, l, &report);
	return rc < 0 ? rc : (int)report.violations;
}

static bool has_users(struct dev *dev, const void *base)
{
	return dev->size >= HEAD_BYTES && rt_in_use(dev, base) == 1;
}

/* Nobody makes or ends a runtime while we have the media's lock. Who joins one that dead processes left, and is the last one out of it, waits
 * for the lock to end it: so a user that there was meanwhile is still there at the second look. */
static int check_media(struct dev *dev, struct report *report)
{
	bool locked, before;
	void *base;
	int rc = dev_map(dev, 0, dev->size, PROT_READ, NULL, &base);

	if (rc < 0)
		return rc;
	locked = dev_lock(dev, 1000) == 0;
	before = has_users(dev, base);
	fs_check_media(base, dev->size, report);
	if (!before && (!locked || has_users(dev, base)) && report->violations)
		rc = err(EBUSY, "%s was opened while it was checked", dev->path);
	if (locked)
		dev_unlock(dev);
	sys_munmap(base, dev->size);
	return rc;
}

int pf_fsck(const char *path, void (*each)(void *arg, const char *rule, const char *text),
	    void *arg)
{
	struct report report = {.each = each, .arg = arg};
	struct dev *dev;
	int rc = dev_open(path, true, true, &dev);

	if (rc < 0)
		return rc;
	rc = dev->size ? check_media(dev, &report) : err(PF_ENOTPOOL, "%s is empty", path);
	dev_close(dev);
	return rc < 0 ? rc : (int)report.violations;
}

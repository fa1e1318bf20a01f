/*
 * Extended attributes: all of an inode's are in one node (xattr_format.h). A change fills another node and one transaction names it instead of the old
 * one, so readers need no lock: a page whose checksum fits, and is this inode's, was its attributes at some moment while they looked.
 */
#include "base/broken.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/step.h"
#include "format/xattr_format.h"
#include "fs/inner.h"

static void copy_node(struct fs *fs, uint64_t node, void *to)
{
	uint64_t *words = to;

	for (unsigned i = 0; i < NODE_ENTRIES; i++)
		words[i] = load_acquire(&inner_node(fs, node)[i]);
}

int fs_xattr_read(struct fs *fs, uint32_t ino, struct xattr_page *page)
{
	struct inode_attr attr;
	const char *wrong;
	int rc = fs_attr(fs, ino, &attr);

	if (rc < 0)
		return rc;
	if (!attr.xattr) {
		xattr_init(page, ino, attr.generation);
		return 0;
	}
	if (entry_target(attr.xattr) >= fs->super.nodes)
		return err(PF_ECORRUPT, "inode %u: attributes in node %lu", ino,
			   (unsigned long)entry_target(attr.xattr));
	copy_node(fs, entry_target(attr.xattr), page);
	if (load_acquire(&fs->inodes[ino].xattr) != attr.xattr)
		return -PF_EAGAIN;
	wrong = xattr_wrong(page, ino, attr.generation);
	return wrong ? err(PF_ECORRUPT, "inode %u: attributes: %s", ino, wrong) : 0;
}

static void fill_node(struct fs *fs, uint64_t node, struct xattr_page *page)
{
	_Atomic uint64_t *to = inner_node(fs, node);
	const uint64_t *words = (const uint64_t *)(const void *)page;

	xattr_seal(page);
	media_begin(fs->dev);
	for (unsigned i = 0; i < NODE_ENTRIES; i++)
		media_word(fs->dev, &to[i], words[i]);
	media_end(fs->dev);
	if (!broken(PF_BREAK_XATTR_FLUSH))
		dev_persist(fs->dev, (void *)to, PAGE_BYTES);
	if (!broken(PF_BREAK_XATTR_FENCE))
		dev_drain(fs->dev);
	step("xattr: node filled");
}

int fs_xattr_write(struct fs *fs, struct rt_self *me, uint32_t ino, struct xattr_page *page,
		   bool reserve)
{
	struct inode_attr attr;
	struct journal_tx tx;
	uint64_t old;
	int64_t node = fs_attr(fs, ino, &attr);

	if (node < 0)
		return (int)node;
	old = entry_target(attr.xattr);
	if (page->count) {
		node = inner_node_replace(fs, me, ino, XATTR_INDEX, old, reserve);
		if (node < 0)
			return (int)node;
		fill_node(fs, (uint64_t)node, page);
	}
	attr.xattr = !page->count ? 0
				  : entry_make(ino, attr.generation, XATTR_INDEX, ENTRY_LEAF, 0,
					       (uint64_t)node);
	attr.ctime = clock_coarse();
	journal_begin(&tx, me);
	fs_attr_set(fs, &tx, ino, &attr);
	if (!page->count && old)
		return inner_node_release(fs, me, ino, XATTR_INDEX, 0, old, &tx);
	if (page->count)
		inner_node_replaced(fs, me, &tx);
	return 0;
}

int inner_xattr_free(struct fs *fs, struct rt_self *me, uint32_t ino)
{
	struct inode_attr attr;
	struct journal_tx tx;
	int rc = fs_attr(fs, ino, &attr);
	uint64_t node = entry_target(attr.xattr);

	if (rc < 0)
		return rc;
	attr.xattr = 0;
	journal_begin(&tx, me);
	fs_attr_set(fs, &tx, ino, &attr);
	return inner_node_release(fs, me, ino, XATTR_INDEX, 0, node, &tx);
}

/* Symbolic links: what they say is in the inode, or in a node of its own, and never changes. */
#include <string.h>
#include <sys/stat.h>

#include "base/broken.h"
#include "base/crc.h"
#include "base/err.h"
#include "base/step.h"
#include "fs/inner.h"

/* `bytes` padded with zeros to words. */
static void to_words(const char *bytes, size_t length, uint64_t *words, size_t count)
{
	memset(words, 0, count * sizeof *words);
	memcpy(words, bytes, length);
}

/* The new inode's node, filled, and the entry that will name it. */
static int write_long(struct fs *fs, struct journal_tx *tx, uint32_t ino,
		      const struct inode_attr *attr, const char *target)
{
	uint64_t words[NODE_ENTRIES];
	int64_t node = inner_node_take(fs, tx->me, ino, LINK_INDEX, 0, false);

	if (node < 0)
		return (int)node;
	to_words(target, attr->size, words, NODE_ENTRIES);
	media_begin(fs->dev);
	media_bytes(fs->dev, (void *)inner_node(fs, (uint64_t)node), words, sizeof words);
	media_end(fs->dev);
	if (!broken(PF_BREAK_LINK_FLUSH))
		dev_persist(fs->dev, (void *)inner_node(fs, (uint64_t)node), PAGE_BYTES);
	if (!broken(PF_BREAK_LINK_FENCE))
		dev_drain(fs->dev);
	step("link: node filled");
	journal_word(&fs->journal, tx, &fs->inodes[ino].root,
		     entry_make(ino, attr->generation, LINK_INDEX, ENTRY_LEAF, 0, (uint64_t)node));
	return 0;
}

int inner_link_write(struct fs *fs, struct journal_tx *tx, uint32_t ino, struct inode_attr *attr,
		     const char *target)
{
	uint64_t words[INLINE_ENTRIES] = {0};
	int rc = 0;

	attr->size = strlen(target);
	if (attr->size <= LINK_INLINE) {
		to_words(target, attr->size, words, INLINE_ENTRIES);
	} else {
		words[0] = crc32c(0, target, attr->size);
		rc = write_long(fs, tx, ino, attr, target);
	}
	for (unsigned i = 0; i < INLINE_ENTRIES && rc == 0; i++)
		if (load_relaxed(&fs->inodes[ino].inlined[i]) != words[i])
			journal_word(&fs->journal, tx, &fs->inodes[ino].inlined[i], words[i]);
	attr->link_crc = crc32c(0, words, sizeof words);
	return rc;
}

void inner_link_done(struct fs *fs, struct rt_self *me, int rc)
{
	if (rc == 0)
		fs_node_linked(me);
	else if (load_relaxed(&me->row->node.set))
		fs_node_resolve(fs, me, me->row);
}

int fs_link_read(struct fs *fs, uint32_t ino, char *target)
{
	uint64_t words[NODE_ENTRIES];
	struct inode_attr attr, again;
	entry_t root;
	int rc = fs_attr(fs, ino, &attr);

	if (rc < 0)
		return rc;
	if (attr.state == INODE_FREE || (attr.mode & S_IFMT) != S_IFLNK)
		return -PF_EAGAIN;
	root = load_acquire(&fs->inodes[ino].root);
	if (attr.size > LINK_INLINE &&
	    (entry_kind(root) != ENTRY_LEAF || entry_target(root) >= fs->super.nodes))
		return -PF_EAGAIN;
	for (unsigned i = 0; i < div_up(attr.size, 8); i++)
		words[i] = attr.size > LINK_INLINE
				   ? load_acquire(&inner_node(fs, entry_target(root))[i])
				   : load_acquire(&fs->inodes[ino].inlined[i]);
	/* The node was the link's, and the link still is: nothing of it changes before its generation does. */
	rc = fs_attr(fs, ino, &again);
	if (rc < 0)
		return rc;
	if (again.generation != attr.generation || again.state != attr.state ||
	    load_acquire(&fs->inodes[ino].root) != root)
		return -PF_EAGAIN;
	memcpy(target, words, attr.size);
	target[attr.size] = 0;
	return (int)attr.size;
}

/* What a short link says stays in inlined[] until the record is free: then that is cleared with it. */
int inner_link_free(struct fs *fs, struct rt_self *me, uint32_t ino)
{
	_Atomic uint64_t *root = &fs->inodes[ino].root;
	entry_t e = load_relaxed(root);
	struct journal_tx tx;

	if (!e)
		return 0;
	journal_begin(&tx, me);
	journal_word(&fs->journal, &tx, root, 0);
	return inner_node_release(fs, me, ino, LINK_INDEX, 0, entry_target(e), &tx);
}

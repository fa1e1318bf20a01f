/* Extended attributes: all of an inode's are in one node. */
#include "fs/inner.h"

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

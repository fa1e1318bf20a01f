/* Making devices; see layout/device.c. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/sys.h"
#include "file/pool.h"

static int check(const pf_pool *pool, uint64_t size, uint64_t align)
{
	if (align != PAGE_BYTES && align != BLOCK_BYTES && align != BLOCK_BYTES * BLOCK_PAGES)
		return err(PF_ERANGE, "a device's alignment is 4 KiB, 2 MiB or 1 GiB, not %lu",
			   (unsigned long)align);
	if (align < pool->dev->granule)
		return err(PF_ERANGE, "the pool's device maps %lu bytes at least",
			   (unsigned long)pool->dev->granule);
	if (!size || size % align)
		return err(PF_ERANGE, "a device of %lu bytes at a multiple of %lu",
			   (unsigned long)size, (unsigned long)align);
	return 0;
}

/* The directory in which the last component of the path is. */
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;
	char *parent = sys_malloc(length + 2);

	if (!parent)
		return NULL;
	memcpy(parent, path, length);
	strcpy(parent + length, length ? "" : "/");
	return parent;
}

static int fill(pf_file *file, uint64_t size, uint64_t align)
{
	struct rt_self *me = pool_self(file->pool);
	struct layout *l = &file->pool->layout;
	unsigned tries = 0;
	int rc;

	if (!me)
		return rt_self_error();
	do {
		rc = layout_lock(me, l, file->ino);
		if (rc < 0)
			return rc;
		rc = layout_device(me, l, file->ino, size, align);
		layout_unlock(me, l, file->ino);
	} while (rc < 0 &&
		 reap_helps(file->pool, me, rc == -PF_ENOPIECE ? -PF_ENOSPACE : rc, &tries));
	return rc;
}

int pf_device_make(pf_pool *pool, const char *path, uint64_t size, uint64_t align, mode_t mode)
{
	char *parent;
	pf_file *file;
	int rc = check(pool, size, align), closed;

	if (rc < 0)
		return rc;
	parent = parent_of(path);
	if (!parent)
		return err(ENOMEM, "making a device");
	rc = pf_open(pool, parent, PF_O_RDWR | PF_O_TMPFILE, mode, &file);
	free(parent);
	if (rc < 0)
		return rc;
	rc = fill(file, size, align);
	if (rc == 0)
		rc = pf_link_file(file, path, 0);
	closed = pf_close(file);
	return rc < 0 ? rc : closed;
}

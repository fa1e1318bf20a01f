/* Files that stand in for devices, see stand_in.h. */
#include "base/stand_in.h"

#include <errno.h>
#include <linux/falloc.h>

static const struct stand_in *_Atomic current;

static bool is_it(const struct stand_in *s, const struct stat *st)
{
	return s && s->device == st->st_dev && (s->inode == 0 || s->inode == st->st_ino);
}

/* The stand-in that the descriptor is open on, or NULL. */
static const struct stand_in *of(int fd)
{
	const struct stand_in *s = atomic_load_explicit(&current, memory_order_acquire);
	struct stat st;

	return s && fstat(fd, &st) == 0 && is_it(s, &st) ? s : NULL;
}

void stand_in_set(const struct stand_in *stand_in)
{
	atomic_store_explicit(&current, stand_in, memory_order_release);
}

void stand_in_stat(struct stat *st)
{
	const struct stand_in *s = atomic_load_explicit(&current, memory_order_acquire);

	if (!is_it(s, st) || !s->rdev)
		return;
	st->st_mode = (st->st_mode & ~(mode_t)S_IFMT) | S_IFCHR;
	st->st_rdev = s->rdev;
	st->st_size = 0;
	st->st_blocks = 0;
}

int stand_in_refuses_io(int fd)
{
	const struct stand_in *s = of(fd);

	return s && s->rdev ? EINVAL : 0;
}

int stand_in_refuses_fallocate(int fd, int mode)
{
	const struct stand_in *s = of(fd);

	if (!s)
		return 0;
	if (s->rdev)
		return ENODEV;
	return s->dax && mode & FALLOC_FL_PUNCH_HOLE ? EOPNOTSUPP : 0;
}

int stand_in_refuses_mmap(int fd, const void *address, size_t length, off_t offset, int *flags)
{
	const struct stand_in *s = of(fd);

	if (!s)
		return 0;
	if (s->dax) {
		if (!(*flags & MAP_SYNC))
			return EOPNOTSUPP;
		*flags = (*flags & ~(MAP_SYNC | MAP_TYPE)) | MAP_SHARED;
	}
	if (s->rdev && (*flags & MAP_TYPE) == MAP_PRIVATE)
		return EINVAL;
	return s->align && ((uintptr_t)address | length | (uintptr_t)offset) % s->align ? EINVAL
											: 0;
}

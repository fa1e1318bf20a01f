/* What several kinds of device do alike. Between the files of dev/ only. */
#ifndef DEV_DEV_COMMON_H
#define DEV_DEV_COMMON_H

#include "dev/dev.h"

/* Sizes the file in granules and reserves its space unless sparse. */
int common_make(struct dev *dev, uint64_t bytes, bool sparse);
/* Like fallocate: the range has memory of its own afterwards, in huge pages where the host gives them. */
int common_reserve(struct dev *dev, uint64_t offset, uint64_t length);
/* Punches the range out of the file and reserves it again. */
int common_discard(struct dev *dev, uint64_t offset, uint64_t length);
/* Stores become persistent through libpmem2's functions for this CPU. */
void common_persistent(struct dev *dev);
/* "/proc/self/fd/N" */
void common_fd_path(int fd, char *path, size_t size);

/* True for a regular file on a file system with this magic number. */
bool common_is_on(int fd, const struct stat *st, unsigned long magic);
/* A forked child closes the descriptors of all devices that are between these two. */
void common_fork_add(struct dev *dev);
void common_fork_remove(struct dev *dev);

#endif

/* Records of windows made by hand: what others see of a window, with nothing mapped behind it. */
#ifndef HANDMADE_H
#define HANDMADE_H

#include "file/pool.h"
#include "pool.h"

/* The inode of a name in the root directory. */
uint32_t handmade_inode(pf_pool *pool, const char *name);
/* Publishes a window of this process on pages [index, + pages). */
struct rt_vma *handmade_window(pf_pool *pool, uint32_t ino, uint64_t index, uint64_t pages);
/* The record is another window's from now on, or nobody's; what was stale in it goes to `heir`, which may be NULL. */
void handmade_retire(pf_pool *pool, struct rt_vma *vma, struct rt_vma *heir);
/* mm_tell() under the inode's lock; whether there were windows to be waited for. */
bool handmade_tell(pf_pool *pool, uint32_t ino, uint64_t first, uint64_t end);

#endif

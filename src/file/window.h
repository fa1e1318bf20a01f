/* Windows, for the calls that change files and for the service thread. Between the files of file/ only. */
#ifndef FILE_WINDOW_H
#define FILE_WINDOW_H

#include "file/pool.h"

/* Brings stale windows of this process up to date; never waits for a locked range. 1: there were some, 0: none, or -PF_... of locks. No inode lock. */
int windows_sync(struct pf_pool *pool, struct rt_self *me);
/* After a call that changed a file, and has dropped its lock: brings windows of this process up to date, and waits for those of others (mm_wait_told()). Keeps pf_message(). */
void windows_settle(struct pf_pool *pool, struct rt_self *me);
/* Windows of this process in [va, + pages * 4096) are what their files are. Errors and blocking as pf_window_map(). */
int windows_bring(struct pf_pool *pool, struct rt_self *me, uint64_t va, uint64_t pages);
/* All windows of this process end. The pool is being closed. */
void windows_end(struct pf_pool *pool, struct rt_self *me);

#endif

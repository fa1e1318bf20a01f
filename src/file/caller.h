/* Who asks, and what that one may do. Between the files of file/ only. */
#ifndef FILE_CALLER_H
#define FILE_CALLER_H

#include "file/pool.h"

/* This thread's, or the process's as it was when it opened the pool. */
const struct pf_caller *caller_of(const struct pf_pool *pool);
/* Fills in pool->caller; 0, or -ENOMEM. */
int caller_load(struct pf_pool *pool);
bool caller_in_group(const struct pf_caller *caller, uint32_t gid);
/* want: a sum of R_OK, W_OK, X_OK. uid 0 may do all, but not execute what nobody may. */
bool caller_may(const struct pf_caller *caller, uint32_t mode, uint32_t uid, uint32_t gid,
		int want);
/* 0, or -PF_EACCESS naming the inode; -PF_EPERM: it is immutable and would be written. */
int caller_check(const struct pf_pool *pool, uint32_t ino, const struct inode_attr *attr, int want);
/* Is uid 0, or owns it. */
bool caller_owns(const struct pf_caller *caller, uint32_t uid);

#endif

/* Attributes that other operations change beside their own work. Between the files of file/ only. */
#ifndef FILE_ATTR_H
#define FILE_ATTR_H

#include "file/caller.h"

/* The mode without what a change by somebody else takes away: set-uid, and set-gid of who may execute or from who is not in the group. */
uint32_t attr_without_setid(const struct pf_caller *caller, const struct inode_attr *attr);

#endif

/* Owner, group and mode against who asks, see caller.h. */
#include "file/caller.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sys.h"

static _Thread_local const struct pf_caller *acting;

void pf_act_as(const struct pf_caller *caller)
{
	acting = caller;
}

const struct pf_caller *caller_of(const struct pf_pool *pool)
{
	return acting ? acting : &pool->caller;
}

int caller_load(struct pf_pool *pool)
{
	int n = getgroups(0, NULL);

	pool->caller = (struct pf_caller){.uid = geteuid(), .gid = getegid()};
	if (n <= 0)
		return 0;
	pool->groups = sys_calloc((size_t)n, sizeof *pool->groups);
	if (!pool->groups)
		return err(ENOMEM, "groups");
	n = getgroups(n, pool->groups);
	pool->caller.groups = pool->groups;
	pool->caller.group_count = n > 0 ? (size_t)n : 0;
	return 0;
}

bool caller_in_group(const struct pf_caller *caller, uint32_t gid)
{
	for (size_t i = 0; i < caller->group_count; i++)
		if (caller->groups[i] == gid)
			return true;
	return caller->gid == gid;
}

bool caller_may(const struct pf_caller *caller, uint32_t mode, uint32_t uid, uint32_t gid, int want)
{
	unsigned bits = mode & 7;

	if (caller->uid == 0)
		return !(want & X_OK) || (mode & S_IFMT) == S_IFDIR || mode & 0111;
	if (caller->uid == uid)
		bits = mode >> 6 & 7;
	else if (caller_in_group(caller, gid))
		bits = mode >> 3 & 7;
	return ((unsigned)want & ~bits) == 0;
}

int caller_check(const struct pf_pool *pool, uint32_t ino, const struct inode_attr *attr, int want)
{
	if (unlikely(want & W_OK && attr->flags & INODE_IMMUTABLE))
		return err(PF_EPERM, "inode %u is immutable", ino);
	if (likely(caller_may(caller_of(pool), attr->mode, attr->uid, attr->gid, want)))
		return 0;
	return err(PF_EACCESS, "inode %u has mode %o, owner %u, group %u", ino, attr->mode & 07777,
		   attr->uid, attr->gid);
}

bool caller_owns(const struct pf_caller *caller, uint32_t uid)
{
	return caller->uid == 0 || caller->uid == uid;
}

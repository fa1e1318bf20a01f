/* Who made a request, and what that one may do. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuse/mount.h"

/* The mount itself, for what it has checked, and for files that all belong to one user. */
static const struct pf_caller server;

/* With options uid and gid the kernel has checked the modes against these, and nothing else counts. */
static bool all_are_one(void)
{
	return mount_self.options.has_uid || mount_self.options.has_gid;
}

void caller_begin(struct caller *who, fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	who->req = req;
	who->asked = false;
	who->groups = who->some;
	who->label = (struct pf_caller){.uid = all_are_one() ? 0 : ctx->uid, .gid = ctx->gid};
	pf_act_as(&who->label);
}

void caller_end(struct caller *who)
{
	if (who->groups != who->some)
		free(who->groups);
	pf_act_as(&server);
}

void caller_groups(struct caller *who)
{
	int room = (int)(sizeof who->some / sizeof *who->some), n;

	if (who->asked || !who->label.uid)
		return;
	who->asked = true;
	n = fuse_req_getgroups(who->req, room, who->some);
	if (n > room) {
		gid_t *more = malloc((size_t)n * sizeof *more);

		if (!more)
			return;
		who->groups = more;
		room = n;
		n = fuse_req_getgroups(who->req, room, more);
	}
	who->label.groups = who->groups;
	who->label.group_count = n < 0 ? 0 : (size_t)(n < room ? n : room);
}

bool caller_again(struct caller *who, int64_t rc)
{
	int error = rc < 0 ? pf_errno((int)rc) : 0;

	if ((error != EACCES && error != EPERM) || who->asked)
		return false;
	caller_groups(who);
	return who->label.group_count > 0;
}

static bool in_group(const struct pf_caller *caller, uint32_t gid)
{
	for (size_t i = 0; i < caller->group_count; i++)
		if (caller->groups[i] == gid)
			return true;
	return caller->gid == gid;
}

int caller_may(const struct caller *who, const struct pf_stat *stat, int want)
{
	const struct pf_caller *caller = &who->label;
	unsigned bits = stat->mode & 7;

	if (caller->uid == 0)
		return want & X_OK && !S_ISDIR(stat->mode) && !(stat->mode & 0111) ? -PF_EACCESS
										   : 0;
	if (caller->uid == stat->uid)
		bits = stat->mode >> 6 & 7;
	else if (in_group(caller, stat->gid))
		bits = stat->mode >> 3 & 7;
	return (unsigned)want & ~bits ? -PF_EACCESS : 0;
}

void caller_as_server(void)
{
	pf_act_as(&server);
}

void caller_as_self(struct caller *who)
{
	pf_act_as(&who->label);
}

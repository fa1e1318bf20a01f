/* Owner, mode, times and flags are changed by those who may, and by nobody else: with callers that are made up, whoever runs the test. */
#include <errno.h>
#include <sys/stat.h>

#include "pool.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const gid_t shared_group = 300;
static const struct pf_caller root = {0, 0, NULL, 0}, owner = {100, 200, &shared_group, 1},
			      other = {101, 201, NULL, 0}, member = {102, 200, NULL, 0};

static const struct {
	const char *what;
	const struct pf_caller *by;
	uint32_t mode; /* before, of a file of 100:200 */
	struct pf_setattr set;
	int rc;
	uint32_t mode_after;
} cases[] = {
	{"chmod by the owner", &owner, 0644, {.set = PF_SET_MODE, .mode = 0600}, 0, 0600},
	{"the type stays", &owner, 0644, {.set = PF_SET_MODE, .mode = ~0u}, 0, 07777},
	{"chmod by another", &other, 0666, {.set = PF_SET_MODE, .mode = 0600}, -PF_EPERM, 0666},
	{"chmod by the group", &member, 0666, {.set = PF_SET_MODE, .mode = 0}, -PF_EPERM, 0666},
	{"setgid in the group", &owner, 0644, {.set = PF_SET_MODE, .mode = 02755}, 0, 02755},
	{"setgid by root", &root, 0644, {.set = PF_SET_MODE, .mode = 02755}, 0, 02755},
	{"setgid in the group it gets",
	 &owner,
	 0644,
	 {.set = PF_SET_GID | PF_SET_MODE, .gid = 300, .mode = 02755},
	 0,
	 02755},
	{"chown by the owner", &owner, 0644, {.set = PF_SET_UID, .uid = 101}, -PF_EPERM, 0644},
	{"chown to itself", &owner, 06755, {.set = PF_SET_UID, .uid = 100}, 0, 0755},
	{"chown by root", &root, 06755, {.set = PF_SET_UID, .uid = 101}, 0, 0755},
	{"chown, no group execution", &root, 06745, {.set = PF_SET_UID, .uid = 101}, 0, 02745},
	{"chgrp to an own group", &owner, 02755, {.set = PF_SET_GID, .gid = 300}, 0, 0755},
	{"chgrp to no own group", &owner, 0644, {.set = PF_SET_GID, .gid = 201}, -PF_EPERM, 0644},
	{"times by another",
	 &other,
	 0666,
	 {.set = PF_SET_MTIME | PF_SET_ATIME, .mtime_ns = 1, .atime_ns = PF_NOW},
	 -PF_EPERM,
	 0666},
	{"now by who may write",
	 &other,
	 0666,
	 {.set = PF_SET_MTIME | PF_SET_ATIME, .mtime_ns = PF_NOW, .atime_ns = PF_NOW},
	 0,
	 0666},
	{"now by who may not",
	 &other,
	 0644,
	 {.set = PF_SET_MTIME | PF_SET_ATIME, .mtime_ns = PF_NOW, .atime_ns = PF_NOW},
	 -PF_EACCESS,
	 0644},
	{"flags by the owner",
	 &owner,
	 0644,
	 {.set = PF_SET_FLAGS, .flags = PF_FLAG_APPEND},
	 -PF_EPERM,
	 0644},
	{"unknown flags", &root, 0644, {.set = PF_SET_FLAGS, .flags = 4}, -PF_EFLAGS, 0644},
	{"unknown attributes", &root, 0644, {.set = 0x40}, -PF_EFLAGS, 0644},
	{"no owner", &root, 0644, {.set = PF_SET_UID, .uid = ~0u}, -EINVAL, 0644},
	{"all or nothing",
	 &owner,
	 0644,
	 {.set = PF_SET_MODE | PF_SET_UID, .mode = 0, .uid = 7},
	 -PF_EPERM,
	 0644},
};

static void set_up(pf_file *file, uint32_t mode)
{
	struct pf_setattr set = {.set = PF_SET_UID | PF_SET_GID, .uid = 100, .gid = 200};

	pf_act_as(&root);
	OK(pf_setattr(file, &set));
	set = (struct pf_setattr){.set = PF_SET_MODE, .mode = mode};
	OK(pf_setattr(file, &set));
}

static void check_case(pf_file *file, size_t i)
{
	struct pf_stat st;
	int rc;

	set_up(file, cases[i].mode);
	pf_act_as(cases[i].by);
	rc = pf_setattr(file, &cases[i].set);
	pf_act_as(NULL);
	OK(pf_stat(file, &st));
	if (rc != cases[i].rc || st.mode != (S_IFREG | cases[i].mode_after))
		test_fail(__FILE__, __LINE__, "%s: %d, mode %o", cases[i].what, rc, st.mode);
}

/* Nothing changes but the flag itself, also not for uid 0; nobody writes. */
static void check_immutable(pf_pool *pool, pf_file *file)
{
	struct pf_setattr flag = {.set = PF_SET_FLAGS, .flags = PF_FLAG_IMMUTABLE};
	struct pf_setattr mode = {.set = PF_SET_MODE, .mode = 0600};
	struct pf_setattr both = {.set = PF_SET_MODE | PF_SET_FLAGS, .mode = 0600};
	struct pf_stat st;
	pf_file *again;

	set_up(file, 0666);
	pf_act_as(&root);
	OK(pf_setattr(file, &flag));
	must_be(pf_setattr(file, &mode), -PF_EPERM);
	must_be(pf_setattr(file, &both), -PF_EPERM);
	must_be(pf_setxattr(file, "user.a", "b", 1, 0), -PF_EPERM);
	must_be(pf_open(pool, "file", PF_O_RDWR, 0, &again), -PF_EPERM);
	must_be(pf_unlink(pool, "file"), -PF_EPERM);
	OK(pf_stat(file, &st));
	must_be(st.flags, PF_FLAG_IMMUTABLE);
	flag.flags = 0;
	OK(pf_setattr(file, &flag));
	OK(pf_setattr(file, &mode));
	pf_act_as(NULL);
}

int main(void)
{
	const char *path;
	pf_pool *pool;
	pf_file *file;

	test_dir();
	path = pool_make("pool", 16);
	pool = pool_open(path);
	OK(pf_open(pool, "file", PF_O_RDWR | PF_O_CREATE, 0644, &file));
	for (size_t i = 0; i < COUNT(cases); i++)
		check_case(file, i);
	check_immutable(pool, file);
	OK(pf_close(file));
	pool_check(pool, "attributes");
	OK(pf_pool_close(pool));
	must_be(pf_fsck(path, NULL, NULL), 0);
	return 0;
}

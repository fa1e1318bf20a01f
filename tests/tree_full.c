/* Where metadata has run out: what needs some says so and changes nothing, what gives some back works, and so does what needs none. */
/* test: suite=short timeout=60 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ops.h"

#define DIRS  6u
#define NAMES 900u /* of each directory, most of them long */

static pf_pool *pool;
static struct test_random r;
static unsigned long done, refused, no_nodes;

static unsigned below(unsigned n)
{
	return (unsigned)test_below(&r, n);
}

static const char *some_name(char *name)
{
	unsigned n = below(NAMES);

	sprintf(name, "d%u/%0*u", below(DIRS), n % 5 ? 250 : 4, n);
	return name;
}

static int set_xattr(const char *name)
{
	static char value[2000];
	pf_file *f;
	int rc = pf_open(pool, name, PF_O_PATH, 0, &f);

	if (rc < 0)
		return rc;
	rc = pf_setxattr(f, "user.a", value, sizeof value, 0);
	OK(pf_close(f));
	return rc;
}

static int publish(const char *name)
{
	pf_file *f;
	int rc = pf_open(pool, "d0", PF_O_RDWR | PF_O_TMPFILE, 0600, &f);

	if (rc < 0)
		return rc;
	rc = pf_link_file(f, name, below(2) ? PF_LINK_REPLACE : 0);
	OK(pf_close(f));
	return rc;
}

static int create(const char *name)
{
	pf_file *f;
	int rc = pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0600, &f);

	if (rc == 0)
		OK(pf_close(f));
	return rc;
}

static int symlink_to(const char *name)
{
	static char target[1000];

	memset(target, 't', sizeof target - 1);
	return pf_symlink(pool, target + below(sizeof target - 1), name);
}

/* removal: what takes a name away and needs nothing. */
static int one_call(bool full, bool *removal)
{
	char name[300], other[300];
	unsigned n = below(full ? 12 : 6);

	some_name(name);
	some_name(other);
	*removal = n >= 10;
	switch (n) {
	case 0:
	case 1:
		return pf_link(pool, "file", name);
	case 2:
		return pf_mkdir(pool, name, 0700);
	case 3:
		return create(name);
	case 4:
		return symlink_to(name);
	case 5:
		return set_xattr(name);
	case 6:
		return publish(name);
	case 7:
	case 8:
		return pf_rename(pool, name, other, 0);
	case 9:
		return pf_rename(pool, name, other, PF_RENAME_EXCHANGE);
	case 10:
		return pf_unlink(pool, name);
	default:
		return pf_rmdir(pool, name);
	}
}

static bool is_full(int rc)
{
	return rc == -PF_ENOMETA || rc == -PF_ENOINODES;
}

static void check_call(bool full)
{
	uint64_t before = full ? ops_names(pool) : 0;
	bool removal;
	int rc = one_call(full, &removal);

	done++;
	refused += is_full(rc);
	no_nodes += rc == -PF_ENOMETA;
	if (removal && is_full(rc))
		test_fail(__FILE__, __LINE__, "a name cannot be removed: %d", rc);
	if (!is_full(rc) && rc < 0 && rc != -PF_ENOFILE && rc != -PF_EFILEEXISTS &&
	    rc != -PF_EISDIR && rc != -PF_ENOTDIR && rc != -PF_ENAME && rc != -PF_EPERM &&
	    rc != -PF_ENOTEMPTY)
		test_fail(__FILE__, __LINE__, "%d: %s", rc, pf_message());
	if (full && rc < 0)
		must(ops_names(pool) == before);
}

static void make_full(void)
{
	unsigned long was = refused;

	while (refused < was + 30)
		check_call(false);
	pool_check(pool, "it is full");
}

static void make_pool(void)
{
	struct pf_mkfs_options o = {.size = 8ul << 20, .inodes = 600};
	const char *path = test_path("full");
	char name[16];

	OK(pf_mkfs(path, &o));
	pool = pool_open(path);
	for (unsigned i = 0; i < DIRS; i++) {
		sprintf(name, "d%u", i);
		OK(pf_mkdir(pool, name, 0700));
	}
	OK(create("file"));
}

int main(void)
{
	unsigned rounds = 0;

	test_dir();
	r.state = test_seed();
	make_pool();
	while (test_time_left(1.0) || rounds < 2) {
		make_full();
		for (unsigned i = 0; i < 200; i++)
			check_call(true);
		pool_check(pool, "calls where it is full");
		rounds++;
	}
	pool_empty(pool, "it was full");
	OK(pf_pool_close(pool));
	must_be(pf_fsck(test_path("full"), NULL, NULL), 0);
	printf("%u rounds, %lu calls, %lu refused, %lu of these for want of a node\n", rounds, done,
	       refused, no_nodes);
	must(no_nodes > 0);
	return 0;
}

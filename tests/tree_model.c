/* A pool is a tree of files as a simple model says, and as the host's tmpfs is: random calls by several users, with every errno. */
/* test: suite=short timeout=120 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool.h"
#include "tree.h"

#define CALLS 3000u              /* of one tree */
#define LOOK  500u               /* calls, then all is compared */
#define NODES 150u               /* about so many, then more is removed than made */
#define ALL   (TREE_HANDLES - 1) /* handle of who looks at everything */

static const gid_t groups_b[] = {1000, 1002}, groups_c[] = {1002};
static const struct pf_caller callers[] = {{0, 0, NULL, 0},
					   {1000, 1000, NULL, 0},
					   {1001, 1001, groups_b, 2},
					   {1002, 1003, groups_c, 1}};
static struct pf_caller own;

static struct {
	struct test_random r;
	struct tree *tree;
	struct tree_pool pool;
	struct tree_host *host; /* NULL: not this time */
	const struct pf_caller *caller;
	const char *path;
	unsigned long calls, done, failed;
	bool verbose;
} run;

static unsigned below(unsigned n)
{
	return (unsigned)test_below(&run.r, n);
}

/* ---- one call ------------------------------------------------------------------------------------------- */

static struct tree_answer model, other;

static void compare(const struct tree_call *c, enum tree_side side)
{
	const char *differs = tree_compare(run.tree, c, &model, &other, side);

	if (differs)
		test_fail(__FILE__, __LINE__,
			  "call %lu, %s: %s: %s; result %ld, should be %ld; mode %o, should be %o",
			  run.calls, side == TREE_POOL ? "the pool" : "the host", tree_text(c),
			  differs, other.rc, model.rc, other.stat.mode, model.stat.mode);
}

static void call(const struct tree_call *c)
{
	if (run.verbose)
		fprintf(stderr, "%lu %s\n", run.calls, tree_text(c));
	tree_call(run.tree, c, &model);
	if (run.host) {
		tree_host_call(run.host, c, &other);
		compare(c, TREE_HOST);
	}
	tree_pool_call(&run.pool, c, &other);
	compare(c, TREE_POOL);
	run.calls++;
}

/* ---- paths ---------------------------------------------------------------------------------------------- */

static const char *some_name(void)
{
	static char name[300];
	unsigned n = below(40);

	if (n < 30) {
		snprintf(name, sizeof name, "%c", 'a' + (int)below(10));
	} else if (n < 35) {
		snprintf(name, sizeof name, "name %u\xc3\xa9", below(10));
	} else {
		unsigned length = below(3) ? 255 : 250 + below(8);

		memset(name, 'A' + (int)below(3), length);
		name[length] = 0;
	}
	return name;
}

/* Components that need not be there. */
static void any_path(char *path)
{
	char *to = path;

	for (unsigned n = 1 + below(5); n > 0; n--)
		to += sprintf(to, "%s%s", to > path || below(2) ? below(8) ? "/" : "//" : "",
			      below(3)   ? some_name()
			      : below(2) ? ".."
					 : ".");
}

static void odd_path(char *path)
{
	static const unsigned lengths[] = {4094, 4095, 4096, 4097, 4900};
	unsigned length = lengths[below(5)];

	switch (below(4)) {
	case 0:
		*path = 0;
		break;
	case 1:
		strcpy(path, "/");
		break;
	case 2:
		strcpy(path, "/..");
		break;
	default:
		for (unsigned i = 0; i < length; i++)
			path[i] = "./"[i % 2];
		path[length] = 0;
	}
}

static void decorate(char *path)
{
	switch (below(40)) {
	case 0:
		strcat(path, "/");
		break;
	case 1:
		strcat(path, "/.");
		break;
	case 2:
		strcat(path, "/..");
		break;
	case 3:
		sprintf(path + strlen(path), "/../%s", some_name());
	}
}

/* there: of 40, how many paths lead to something. */
static void some_path(char *path, unsigned there)
{
	unsigned n = below(40);

	if (n < there) {
		tree_pick(run.tree, &run.r, path);
	} else if (n < 37) {
		tree_pick(run.tree, &run.r, path);
		sprintf(path + strlen(path), "/%s", some_name());
	} else if (n < 39) {
		any_path(path);
	} else {
		odd_path(path);
		return;
	}
	decorate(path);
}

static void some_target(char *target)
{
	switch (below(8)) {
	case 0:
		any_path(target);
		break;
	case 1:
		odd_path(target);
		break;
	case 2:
	case 3:
		sprintf(target, "%s%s", below(2) ? "../" : "", some_name());
		break;
	default:
		tree_pick(run.tree, &run.r, target);
		if (below(2) && target[1])
			memmove(target, target + 1, strlen(target));
		if (below(8) == 0)
			strcat(target, "/");
	}
}

/* ---- random calls ----------------------------------------------------------------------------------------- */

static unsigned some_mode(void)
{
	static const unsigned modes[] = {0777, 0755, 0700, 0644, 0666, 0600, 0,    0711,
					 0070, 0007, 0770, 0750, 0775, 0311, 0444, 0555};

	return below(4) ? modes[below(2)] : modes[below(16)];
}

static unsigned special_bits(void)
{
	return below(3) ? 0 : below(8) << 9;
}

static void make_open(struct tree_call *c)
{
	static const unsigned flags[] = {
		PF_O_RDONLY,
		PF_O_RDWR,
		PF_O_RDWR | PF_O_CREATE,
		PF_O_RDWR | PF_O_CREATE,
		PF_O_RDWR | PF_O_CREATE | PF_O_EXCL,
		PF_O_RDWR | PF_O_CREATE | PF_O_TRUNC,
		PF_O_RDWR | PF_O_TRUNC,
		PF_O_RDWR | PF_O_APPEND,
		PF_O_RDWR | PF_O_CREATE | PF_O_APPEND,
		PF_O_RDWR | PF_O_TMPFILE,
		PF_O_RDWR | PF_O_TMPFILE,
		PF_O_DIRECTORY,
		PF_O_PATH,
		PF_O_CREATE,
	};

	c->handle = below(ALL);
	if (tree_is_open(run.tree, c->handle)) {
		c->op = TREE_CLOSE;
		return;
	}
	c->op = TREE_OPEN;
	c->flags = flags[below(sizeof flags / sizeof *flags)];
	if (below(6) == 0)
		c->flags |= PF_O_NOFOLLOW;
	c->mode = some_mode() | special_bits();
	if (c->flags & PF_O_CREATE && below(2))
		some_path(c->path, 5);
}

static void make_bytes(struct tree_call *c)
{
	unsigned flags;

	c->handle = below(ALL);
	if (!tree_is_open(run.tree, c->handle)) {
		c->op = TREE_STAT;
		return;
	}
	flags = tree_handle_flags(run.tree, c->handle);
	c->offset = below(below(2) ? 5000 : 100000);
	c->length = 1 + below(below(2) ? 5000 : 60000);
	c->fill = (uint8_t)test_random(&run.r);
	c->op = TREE_FSTAT;
	if (!(flags & PF_O_PATH) && below(4) == 0)
		c->op = TREE_READ;
	if (flags & PF_O_RDWR && below(2) && tree_handle_size(run.tree, c->handle) < 160000) {
		c->op = TREE_WRITE + below(3);
		/* The host appends to the end whatever the offset. */
		if (run.host && flags & PF_O_APPEND && c->op == TREE_WRITE)
			c->op = TREE_APPEND;
	}
	if (below(10) == 0)
		c->op = TREE_LINK_FILE;
	if (c->op == TREE_LINK_FILE)
		c->flags = !run.host && below(2) ? PF_LINK_REPLACE : 0;
}

/* Each of them alone, as the host has calls for them. */
static void make_setattr(struct tree_call *c)
{
	static const uint32_t ids[] = {0, 1000, 1001, 1002, 1003};

	c->op = TREE_SETATTR;
	c->flags = below(8) ? 0 : PF_O_NOFOLLOW;
	c->attr = (struct pf_setattr){.mode = some_mode() | special_bits(),
				      .uid = ids[below(5)],
				      .gid = ids[below(5)],
				      .atime_ns = 1000000000ull * below(2000000000) + below(1000),
				      .mtime_ns = 1000000000ull * below(2000000000) + below(1000)};
	if (run.caller) { /* who knows no others */
		c->attr.uid = run.caller->uid;
		c->attr.gid = run.caller->gid;
	}
	switch (below(6)) {
	case 0:
	case 1:
		c->attr.set = PF_SET_MODE;
		break;
	case 2:
		c->attr.set = below(3) ? PF_SET_UID : PF_SET_UID | PF_SET_GID;
		break;
	case 3:
		c->attr.set = PF_SET_GID;
		break;
	case 4:
		c->attr.set = PF_SET_FLAGS;
		c->attr.flags = below(3) ? 0 : 1 + below(3);
		break;
	default:
		c->attr.set = (1 + below(3)) * PF_SET_ATIME;
		if (c->attr.set == (PF_SET_ATIME | PF_SET_MTIME) && below(2))
			c->attr.atime_ns = c->attr.mtime_ns = PF_NOW;
	}
	if (c->attr.set & PF_SET_MODE)
		c->flags = 0;
}

static void make_xattr(struct tree_call *c)
{
	static const char *const names[] = {"user.a", "user.b",     "user.mime_type", "security.a",
					    "user.",  "nothing.no", "other.a",        ""};

	c->op = TREE_SETXATTR + below(4);
	strcpy(c->name, names[below(below(3) ? 4 : 8)]);
	if (below(12) == 0) {
		memset(c->name, 'n', 254 + below(4));
		memcpy(c->name, "user.", 5);
	}
	c->length = below(6) ? below(400) : 0;
	c->fill = (uint8_t)test_random(&run.r);
	c->mode = below(8) ? 0 : PF_O_NOFOLLOW;
	c->flags = c->op == TREE_SETXATTR ? below(4) ? 0 : 1 + below(2) : 0;
}

static void make_look(struct tree_call *c)
{
	static const enum tree_op ops[] = {TREE_STAT, TREE_STAT, TREE_ACCESS, TREE_LIST,
					   TREE_READLINK};

	c->op = ops[below(5)];
	c->mode = below(8);
	c->flags = below(2) ? PF_O_NOFOLLOW : 0;
	c->length = below(4) ? 4096 : 1 + below(20);
}

static void make_names(struct tree_call *c)
{
	static const unsigned renames[] = {0,
					   0,
					   0,
					   PF_RENAME_NOREPLACE,
					   PF_RENAME_EXCHANGE,
					   PF_RENAME_EXCHANGE | PF_RENAME_NOREPLACE};
	bool full = tree_nodes(run.tree) > NODES;
	unsigned n = below(16);

	c->mode = some_mode() | (below(4) ? 0 : 01000);
	if (n < 4 && full)
		n = 4 + n % 2;
	switch (n) {
	case 0:
	case 1:
	case 2:
		c->op = TREE_MKDIR;
		some_path(c->path, 5);
		break;
	case 3:
		c->op = TREE_SYMLINK;
		some_path(c->path, 5);
		some_target(c->other);
		break;
	case 4:
		c->op = TREE_RMDIR;
		break;
	case 5:
	case 6:
		c->op = TREE_UNLINK;
		break;
	case 7:
	case 8:
		c->op = TREE_LINK;
		break;
	default:
		c->op = TREE_RENAME;
		c->flags = renames[below(6)];
	}
}

static void some_call(void)
{
	static struct tree_call c;
	unsigned kind = below(20);

	memset(&c, 0, sizeof c);
	c.caller = run.caller ? run.caller : below(3) ? &callers[0] : &callers[below(4)];
	some_path(c.path, 28);
	some_path(c.other, 8);
	if (kind < 4)
		make_open(&c);
	else if (kind < 8)
		make_bytes(&c);
	else if (kind < 10)
		make_setattr(&c);
	else if (kind < 11)
		make_xattr(&c);
	else if (kind < 13)
		make_look(&c);
	else
		make_names(&c);
	if (tree_too_long(run.tree, &c) || (run.host && tree_host_differs(run.tree, &c)))
		return;
	call(&c);
	run.done++;
	run.failed += model.rc < 0;
}

/* ---- everything ------------------------------------------------------------------------------------------- */

static struct tree_call all;

static void ask(enum tree_op op)
{
	all.op = op;
	call(&all);
}

static void look_at(void *unused, const char *path, uint32_t mode)
{
	(void)unused;
	if (strlen(path) > PF_PATH_MAX)
		return;
	memset(&all, 0, sizeof all);
	all.caller = &callers[0];
	strcpy(all.path, path);
	all.flags = PF_O_NOFOLLOW;
	all.length = TREE_BYTES;
	ask(TREE_STAT);
	if (S_ISDIR(mode))
		ask(TREE_LIST);
	if (S_ISLNK(mode))
		ask(TREE_READLINK);
	if (S_ISREG(mode)) {
		all.flags = PF_O_RDONLY;
		all.handle = ALL;
		ask(TREE_OPEN);
		ask(TREE_READ);
		ask(TREE_CLOSE);
	}
	all.mode = PF_O_NOFOLLOW;
	ask(TREE_LISTXATTR);
}

/* On the host only who is root can look everywhere. */
static void look_at_all(void)
{
	struct tree_host *host = run.host;

	if (geteuid() != 0)
		run.host = NULL;
	tree_each(run.tree, look_at, NULL);
	run.host = host;
}

static void close_files(void)
{
	for (unsigned i = 0; i < TREE_HANDLES; i++)
		if (tree_is_open(run.tree, i)) {
			memset(&all, 0, sizeof all);
			all.caller = run.caller ? run.caller : &callers[0];
			all.handle = i;
			ask(TREE_CLOSE);
		}
}

static void open_again(void)
{
	close_files();
	OK(pf_pool_close(run.pool.pool));
	must_be(pf_fsck(run.path, NULL, NULL), 0);
	run.pool.pool = pool_open(run.path);
}

/* So that it can be removed. */
static void open_host_directory(void *unused, const char *path, uint32_t mode)
{
	(void)unused;
	if (!S_ISDIR(mode) || strlen(path) > PF_PATH_MAX)
		return;
	memset(&all, 0, sizeof all);
	all.op = TREE_SETATTR;
	all.caller = &own;
	strcpy(all.path, path);
	all.attr = (struct pf_setattr){.set = PF_SET_MODE, .mode = 0777};
	tree_host_call(run.host, &all, &other);
}

static void stop_host(void)
{
	if (geteuid() != 0)
		tree_each(run.tree, open_host_directory, NULL);
	tree_host_stop(run.host);
}

static void one_tree(const char *name, bool with_host)
{
	run.path = pool_make(name, 48);
	run.pool.pool = pool_open(run.path);
	run.host = with_host ? tree_host_start() : NULL;
	run.caller = run.host && geteuid() != 0 ? &own : NULL;
	run.tree = tree_new(geteuid(), getegid());
	for (unsigned i = 1; i <= CALLS; i++) {
		some_call();
		if (i % LOOK)
			continue;
		look_at_all();
		pool_check(run.pool.pool, "random calls");
		if (i % (2 * LOOK) == 0) {
			open_again();
			look_at_all();
		}
	}
	close_files();
	pool_empty(run.pool.pool, "a tree");
	OK(pf_pool_close(run.pool.pool));
	must(unlink(run.path) == 0);
	if (run.host)
		stop_host();
	tree_free(run.tree);
}

int main(void)
{
	unsigned trees = 0;
	bool host = true;

	test_dir();
	run.r.state = test_seed();
	run.verbose = getenv("PF_TEST_VERBOSE");
	own = (struct pf_caller){geteuid(), getegid(), NULL, 0};
	while (test_time_left(1.0) || trees < 2) {
		one_tree(test_path("tree-%u", trees) + strlen(test_dir()) + 1, host);
		host = !host;
		trees++;
	}
	printf("%u trees, %lu random calls (%lu failed as they should), %lu calls in all\n", trees,
	       run.done, run.failed, run.calls);
	return 0;
}

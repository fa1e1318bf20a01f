/*
 * Extended attributes: as many and as long as a page of them holds; all or nothing where there is no room or no page; what a reader sees while
 * they change is one set or the other; they are there after a reopen and go with their file.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

#define ROUNDS 3000u

static const char *path;
static pf_pool *pool;

static void check_limits(pf_file *file)
{
	static char large[5000], got[5000];
	char name[300];

	memset(large, 'x', sizeof large);
	memset(name, 'n', sizeof name);
	memcpy(name, "user.", 5);
	name[256] = 0;
	must_be(pf_setxattr(file, name, "", 0, 0), -ERANGE);
	must_be(pf_setxattr(file, "", "", 0, 0), -ERANGE);
	must_be(pf_setxattr(file, "trusted.x", "", 0, 0), -EOPNOTSUPP);
	must_be(pf_setxattr(file, "user.x", "", 0, 4), -PF_EFLAGS);
	name[255] = 0;
	OK(pf_setxattr(file, name, "", 0, 0));
	must_be(pf_getxattr(file, name, got, sizeof got), 0);
	must_be(pf_setxattr(file, "user.large", large, 4080, 0), -E2BIG);
	must_be(pf_setxattr(file, "user.large", large, 65536 + 10, 0), -E2BIG);
	OK(pf_removexattr(file, name));
	OK(pf_setxattr(file, "user.large", large, 4000, 0));
	must_be(pf_getxattr(file, "user.large", got, 3999), -ERANGE);
	must_be(pf_getxattr(file, "user.large", NULL, 0), 4000);
	must_be(pf_getxattr(file, "user.large", got, sizeof got), 4000);
	must(!memcmp(got, large, 4000));
	/* No room to replace it with a longer one: it stays as it is. */
	must_be(pf_setxattr(file, "user.large", large, 4100, 0), -E2BIG);
	must_be(pf_getxattr(file, "user.large", got, sizeof got), 4000);
	must_be(pf_setxattr(file, "user.large", "", 0, PF_XATTR_CREATE), -EEXIST);
	must_be(pf_setxattr(file, "user.none", "", 0, PF_XATTR_REPLACE), -ENODATA);
	must_be(pf_removexattr(file, "user.none"), -ENODATA);
	OK(pf_removexattr(file, "user.large"));
	must_be(pf_listxattr(file, NULL, 0), 0);
}

/* Until there is no room; then each is what it was set to, removed in another order. */
static void check_many(pf_file *file)
{
	char name[32], value[32];
	unsigned count = 0;
	int rc;

	for (;; count++) {
		snprintf(name, sizeof name, "user.%u", count);
		rc = pf_setxattr(file, name, name, strlen(name), PF_XATTR_CREATE);
		if (rc < 0)
			break;
	}
	must_be(rc, -E2BIG);
	must(count > 150);
	for (unsigned i = 0; i < count; i++) {
		unsigned n = i * 7 % count; /* each once, unless 7 divides it */

		snprintf(name, sizeof name, "user.%u", n);
		rc = (int)pf_getxattr(file, name, value, sizeof value);
		if (rc == -ENODATA && count % 7 == 0)
			continue;
		must_be(rc, strlen(name));
		must(!memcmp(value, name, strlen(name)));
		OK(pf_removexattr(file, name));
	}
}

/* ---- readers ------------------------------------------------------------------------------------------- */

static _Atomic bool over;

/* All bytes of a value are the same, and its length says which. */
static void *read_all(void *arg)
{
	pf_file *file = arg;
	char value[4096];

	while (!over) {
		ssize_t n = OK(pf_getxattr(file, "user.v", value, sizeof value));

		must(n >= 100);
		for (ssize_t i = 0; i < n; i++)
			must(value[i] == (char)n);
	}
	return NULL;
}

static void check_readers(pf_file *file)
{
	static char value[4096];
	pthread_t reader;

	memset(value, 100, 100);
	OK(pf_setxattr(file, "user.v", value, 100, 0));
	must(pthread_create(&reader, NULL, read_all, file) == 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned n = 100 + i % 3900;

		memset(value, (int)n, n);
		OK(pf_setxattr(file, "user.v", value, n, 0));
	}
	over = true;
	must(pthread_join(reader, NULL) == 0);
}

/* ---- pages of metadata that are there no more ------------------------------------------------------------- */

static void check_full(void)
{
	char name[32];
	pf_file *file;
	unsigned n = 0;
	int rc = 0;

	for (; rc == 0; n++) {
		snprintf(name, sizeof name, "full %u", n);
		rc = pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0644, &file);
		if (rc == -PF_ENOMETA)
			break; /* a name may need a page, too */
		OK(rc);
		rc = pf_setxattr(file, "user.a", name, strlen(name), 0);
		if (rc == 0)
			OK(pf_setxattr(file, "user.b", name, strlen(name), 0) == 0 ? 0 : 0);
		OK(pf_close(file));
	}
	must_be(rc, -PF_ENOMETA);
	must(n > 10);
	pool_check(pool, "no pages of metadata");
	/* Taking one of two away needs another page: there is one for that. */
	OK(pf_open(pool, "full 0", PF_O_RDWR, 0, &file));
	must_be(pf_getxattr(file, "user.a", name, sizeof name), 6);
	OK(pf_removexattr(file, "user.a"));
	OK(pf_close(file));
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof name, "full %u", i);
		OK(pf_unlink(pool, name));
	}
}

int main(void)
{
	struct pf_mkfs_options o = {.size = 16 << 20, .inodes = 4000};
	char value[8];
	pf_file *file;

	test_dir();
	path = test_path("pool");
	OK(pf_mkfs(path, &o));
	pool = pool_open(path);
	OK(pf_open(pool, "file", PF_O_RDWR | PF_O_CREATE, 0644, &file));
	check_limits(file);
	check_many(file);
	check_readers(file);
	check_full();
	OK(pf_setxattr(file, "user.kept", "kept", 4, 0));
	OK(pf_close(file));
	pool_check(pool, "extended attributes");
	OK(pf_pool_close(pool));
	must_be(pf_fsck(path, NULL, NULL), 0);
	pool = pool_open(path);
	OK(pf_open(pool, "file", PF_O_RDONLY, 0, &file));
	must_be(pf_getxattr(file, "user.kept", value, sizeof value), 4);
	must(!memcmp(value, "kept", 4));
	OK(pf_close(file));
	pool_empty(pool, "extended attributes");
	OK(pf_pool_close(pool));
	return 0;
}

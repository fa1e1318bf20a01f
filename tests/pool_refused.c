/* Pools that must not be opened now: in use through another runtime directory, a copy, no room for the runtime, being opened. Each has its
 * error, nothing is left behind, and the pool is as it was. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool.h"

#define FILE_BYTES (5u << 20)

static const char *path;

static void refused(const char *which, int code)
{
	unsigned fds = test_fds();
	pf_pool *pool;

	must_be(pf_pool_open(which, 0, &pool), code);
	must(strstr(pf_message(), pf_strerror(code)) != NULL);
	must_be(test_fds(), fds);
}

static void opens(const char *which)
{
	static char bytes[FILE_BYTES];
	pf_pool *pool = pool_open(which);
	pf_file *f;

	OK(pf_open(pool, "file", PF_O_RDONLY, 0, &f));
	must_be(pf_read(f, bytes, FILE_BYTES, 0), FILE_BYTES);
	must_be(pattern_differs(bytes, FILE_BYTES, 1, 0), FILE_BYTES);
	OK(pf_close(f));
	pool_check(pool, "opening");
	OK(pf_pool_close(pool));
}

static void copy_pool(const char *to)
{
	static char bytes[1 << 16];
	int in = open(path, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	must(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof bytes)) > 0)
		must(write(out, bytes, (size_t)n) == n);
	close(in);
	close(out);
}

static void copied_image(void)
{
	const char *copy = test_path("copy");
	pf_pool *pool = pool_open(path), *second;

	copy_pool(copy);
	refused(copy, -PF_ECOPY);
	OK(pf_pool_open(copy, PF_POOL_FORCE, &second));
	pool_check(second, "a forced copy");
	opens(path); /* beside both */
	OK(pf_pool_close(second));
	OK(pf_pool_close(pool));
	copy_pool(copy);
	opens(copy); /* of a closed pool */
	unlink(copy);
}

static void other_directory(void)
{
	const char *other = test_path("other");
	pf_pool *pool = pool_open(path);

	must_be(mkdir(other, 0700), 0);
	setenv("PINFOLD_RUNTIME_DIR", other, 1);
	refused(path, -PF_EINUSE);
	must_be(test_names(other), 0);
	setenv("PINFOLD_RUNTIME_DIR", test_dir(), 1);
	opens(path);
	OK(pf_pool_close(pool));
	must_be(rmdir(other), 0);
}

/* Mounts cannot be seen by others here. 77: not allowed to. */
static int own_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	return 0;
}

static int other_namespace(void *arg)
{
	pf_pool *pool;
	char name[64];

	if (own_mounts())
		return 77;
	snprintf(name, sizeof name, "/proc/self/fd/%d", *(int *)arg);
	unsetenv("PINFOLD_RUNTIME_DIR");
	must(mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=64m") == 0);
	refused(name, -PF_EINUSE);
	must_be(test_names("/dev/shm"), 0);
	OK(pf_pool_open(name, PF_POOL_FORCE | PF_POOL_NO_THREAD, &pool));
	OK(pf_pool_close(pool));
	must_be(test_names("/dev/shm"), 0);
	return 0;
}

/* It opens, and then its runtime cannot grow with what is stored: an error, and all goes on. */
static void grow(const char *dir)
{
	struct pf_mkfs_options o = {.size = 4ull << 30, .flags = PF_MKFS_SPARSE};
	const char *wide = test_path("wide");
	unsigned n = 0;
	pf_pool *pool;
	pf_file *f;
	int rc;

	OK(pf_mkfs(wide, &o));
	pool = pool_open(wide);

	OK(pf_open(pool, "large", PF_O_RDWR | PF_O_CREATE, 0600, &f));
	/* Not whole blocks: those need little. */
	do
		rc = pf_allocate(f, (uint64_t)n << 21, 1 << 20, 0);
	while (rc == 0 && ++n < 2000);
	must_be(rc, -PF_ERUNSPACE);
	pool_check(pool, "a full runtime directory");
	OK(pf_close(f));
	OK(pf_unlink(pool, "large"));
	pool_check(pool, "a full runtime directory, and unlink");
	OK(pf_pool_close(pool));
	must_be(test_names(dir), 0);
	unlink(wide);
	printf("a 1 MiB directory is enough for %u halves of blocks in files\n", n);
}

static int small_directory(void *unused)
{
	struct pf_mkfs_options o = {.size = 1ull << 40, .flags = PF_MKFS_SPARSE};
	const char *dir = test_path("small"), *big = test_path("big");

	(void)unused;
	if (own_mounts())
		return 77;
	OK(pf_mkfs(big, &o));
	must_be(mkdir(dir, 0700), 0);
	must(mount("tmpfs", dir, "tmpfs", 0, "size=1m") == 0);
	setenv("PINFOLD_RUNTIME_DIR", dir, 1);
	refused(big, -PF_ERUNSPACE);
	must(strstr(pf_message(), dir) != NULL);
	must_be(test_names(dir), 0);
	unlink(big);
	grow(dir);
	must(umount(dir) == 0);
	must_be(rmdir(dir), 0);
	return 0;
}

static int small_limit(void *unused)
{
	struct rlimit limit = {1 << 20, 1 << 20};

	(void)unused;
	must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	refused(path, -PF_ERUNSPACE);
	return 0;
}

static void allowed(const char *part, int (*run)(void *arg), void *arg)
{
	int status = test_in_child(run, arg);

	if (status == 77)
		skip_part("%s: not allowed to mount", part);
	else
		must_be(status, 0);
}

static void mounts(void)
{
	int fd = open(path, O_RDWR);
	pf_pool *pool;

	allowed("small directory", small_directory, NULL);
	opens(path);
	must_be(test_in_child(small_limit, NULL), 0);
	opens(path);
	pool = pool_open(path);
	allowed("another namespace", other_namespace, &fd);
	OK(pf_pool_close(pool));
	close(fd);
	opens(path);
}

int main(void)
{
	pf_pool *pool;

	path = pool_make("pool", 128);
	pool = pool_open(path);
	pattern_file(pool, "file", FILE_BYTES, 1);
	OK(pf_pool_close(pool));
	copied_image();
	other_directory();
	mounts();
	must_be(test_names(test_dir()), 1);
	return 0;
}

/* No room for the runtime: an error that says so, nothing left behind, no SIGBUS; and later, when it is to grow, the same. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <unistd.h>

#include "media.h"
#include "test.h"

static const char *path;

static int small_limit(void *arg)
{
	struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
	unsigned fds = test_fds();
	struct media m;

	(void)arg;
	must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	must_be(media_attach(path, 0, &m), -PF_ERUNSPACE);
	must_be(media_files(test_dir()), 0);
	must_be(test_fds(), fds);
	return 0;
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* tmpfs gives up reserving memory when a signal comes: that is no lack of space. */
static void signals(void)
{
	struct itimerval often = {{.tv_usec = 500}, {.tv_usec = 500}}, never = {0};
	struct sigaction action = {.sa_handler = on_alarm};
	struct media m;

	must(sigaction(SIGALRM, &action, NULL) == 0);
	must(setitimer(ITIMER_REAL, &often, NULL) == 0);
	for (unsigned i = 0; i < 100; i++) {
		must_be(media_attach(path, 0, &m), 0);
		must_be(rt_fill(m.rt, rt_region(m.rt, RT_MEMMAP), 1 << 20), 0);
		media_detach(&m);
	}
	must(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

static uint64_t free_bytes(const char *dir)
{
	struct statvfs fs;

	must(statvfs(dir, &fs) == 0);
	return fs.f_bfree * fs.f_bsize;
}

/* A tmpfs of its own, this large, seen by this process alone. */
static const char *tmpfs(unsigned kib)
{
	const char *dir = test_path("tmpfs-%u", kib);
	char options[32];

	must_be(mkdir(dir, 0700), 0);
	snprintf(options, sizeof options, "size=%uk", kib);
	must(mount("tmpfs", dir, "tmpfs", 0, options) == 0);
	setenv("PINFOLD_RUNTIME_DIR", dir, 1);
	return dir;
}

/* Sizes at which the header, a region, or the first records do not fit. */
static void too_small(void)
{
	static const unsigned kib[] = {4, 64, 128, 256, 264, 268, 272};
	struct media m;

	for (size_t i = 0; i < sizeof kib / sizeof *kib; i++) {
		const char *dir = tmpfs(kib[i]);
		uint64_t before = free_bytes(dir);

		must_be(media_attach(path, 0, &m), -PF_ERUNSPACE);
		must_be(media_files(dir), 0);
		must_be(free_bytes(dir), before);
		must(umount(dir) == 0);
	}
	setenv("PINFOLD_RUNTIME_DIR", test_dir(), 1);
	must_be(media_attach(path, 0, &m), 0);
	media_detach(&m);
}

/* It was built, and the arena and a region cannot grow: what there is goes on working. */
static void full_later(void)
{
	const char *dir = tmpfs(1024);
	struct rt_hold *last = NULL, *hold;
	struct rt_self *me;
	struct media m;

	must_be(media_attach(path, 0, &m), 0);
	me = media_self(&m);
	while ((hold = rt_hold_get(me)))
		last = hold;
	must_be(rt_self_error(), -PF_ERUNSPACE);
	must_be(rt_fill(m.rt, rt_region(m.rt, RT_MEMMAP), 1 << 20), -PF_ERUNSPACE);
	must(free_bytes(dir) < 65536);
	rt_hold_put(me, last);
	must(rt_hold_get(me) == last);
	must_be(rt_lock(me, &m.shared->locks[0]), 0);
	rt_unlock(me, &m.shared->locks[0]);
	media_detach(&m);
	must_be(media_files(dir), 0);
	must(umount(dir) == 0);
}

static int in_small_directories(void *arg)
{
	(void)arg;
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	too_small();
	full_later();
	return 0;
}

int main(void)
{
	int status;

	path = media_make("pool");
	must_be(test_in_child(small_limit, NULL), 0);
	signals();
	status = test_in_child(in_small_directories, NULL);
	if (status == 77)
		skip_part("small directories: not allowed to mount");
	else
		must_be(status, 0);
	return 0;
}

/* See mounted.h. */
#include "mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "test.h"

#define FUSE_MAGIC 0x65735546

static pid_t server;
static char point[512];

/* Beside the directory that this test is in. */
static const char *build_file(const char *name)
{
	static char path[1024];
	ssize_t n = readlink("/proc/self/exe", path, 512);

	must(n > 0);
	path[n] = 0;
	for (unsigned i = 0; i < 2; i++)
		*strrchr(path, '/') = 0;
	snprintf(path + strlen(path), 256, "/%s", name);
	return path;
}

const char *mounted_cannot(void)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return "/dev/fuse cannot be opened: nothing is mounted";
	close(fd);
	if (access(build_file("pinfold-fuse"), X_OK) < 0)
		return "built without libfuse3: nothing is mounted";
	if (system("command -v fusermount3 >/dev/null") != 0)
		return "there is no fusermount3: nothing is mounted";
	return NULL;
}

struct what {
	const char *pool, *options;
};

static int serve(void *arg)
{
	const struct what *what = arg;
	char options[256];

	snprintf(options, sizeof options, "%s%s%s",
		 getuid() == 0 ? "allow_other,auto_unmount" : "auto_unmount",
		 *what->options ? "," : "", what->options);
	execl(build_file("pinfold"), "pinfold", "mount", "-f", "-o", options, what->pool, point,
	      NULL);
	return 127;
}

/* Until it is one, or the server has ended. */
static void wait_until_mounted(void)
{
	struct pollfd p = {.events = POLLPRI};
	struct statfs fs;

	p.fd = open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
	must(p.fd >= 0);
	for (unsigned waited = 0; statfs(point, &fs) < 0 || fs.f_type != FUSE_MAGIC;
	     waited += 100) {
		must(waited < TEST_PATIENCE && kill(server, 0) == 0);
		poll(&p, 1, 100);
	}
	close(p.fd);
}

const char *mounted_at(const char *pool, const char *name, const char *options)
{
	struct what what = {pool, options};

	snprintf(point, sizeof point, "%s", test_path("%s", name));
	must(mkdir(point, 0755) == 0);
	server = test_fork(serve, &what);
	wait_until_mounted();
	return point;
}

void mounted_end(void)
{
	must(kill(server, SIGTERM) == 0);
	must_be(test_wait(server, TEST_PATIENCE), 0);
}

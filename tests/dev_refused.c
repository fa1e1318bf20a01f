/* What is no memory device is refused with its own error and reason, and nothing is left of the try. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "dev/dev.h"
#include "test.h"

static struct dev *dev;

static void says(const char *part)
{
	if (!strstr(pf_message(), part))
		test_fail(__FILE__, __LINE__, "\"%s\" is not said", part);
}

static void refused(const char *path, int rc)
{
	must_be(dev_open(path, true, true, &dev), rc);
	says(path);
	must(dev_make(path, 1 << 20, false, true, &dev) < 0);
}

static void no_device(void)
{
	must(mkfifo(test_path("fifo"), 0666) == 0);
	refused(test_path("fifo"), -PF_ENODEV);
	refused(test_dir(), -PF_ENODEV);
	refused("/dev/null", -PF_ENODEV);
	refused("/dev/zero", -PF_ENODEV);
	refused(test_path("missing/file"), -ENOENT);
	must_be(dev_open(test_path("none"), false, false, &dev), -ENOENT);
	must_be(dev_make("/dev/null", 1 << 20, false, false, &dev), -PF_ENODEV);
	must_be(dev_make(test_dir(), 1 << 20, false, false, &dev), -PF_EEXISTPOOL);
	must(symlink("nowhere", test_path("link")) == 0);
	must_be(dev_make(test_path("link"), 1 << 20, false, false, &dev), -PF_EEXISTPOOL);
}

static void no_descriptor(void)
{
	int ends[2], file;

	must_be(dev_open_fd(-1, false, false, &dev), -EBADF);
	must_be(dev_open_fd(9999, false, false, &dev), -EBADF);
	must(pipe(ends) == 0);
	must_be(dev_open_fd(ends[0], false, false, &dev), -PF_ENODEV);
	close(ends[0]);
	close(ends[1]);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	must_be(dev_open_fd(ends[0], false, false, &dev), -ENXIO);
	says("opening it again");
	close(ends[0]);
	close(ends[1]);
	file = open(test_path("unlinked"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(unlink(test_path("unlinked")) == 0);
	must_be(dev_open_fd(file, false, false, &dev), 0);
	must(dev->fd != file && !strncmp(dev->path, test_dir(), strlen(test_dir())));
	dev_close(dev);
	close(file);
}

static void bad_sizes(void)
{
	static const uint64_t sizes[] = {0, 1ul << 63, -4096ul, -1ul};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		must_be(dev_make(test_path("size"), sizes[i], true, false, &dev), -PF_EPOOLSIZE);
		must_be(access(test_path("size"), F_OK), -1);
		must_be(dev_make_memfd(sizes[i], true, &dev), -PF_EPOOLSIZE);
	}
	test_write_file(test_path("short"), "x", 1);
	must_be(dev_open(test_path("short"), false, false, &dev), 0);
	must_be(dev->size, 0);
	dev_close(dev);
}

static void disk_file(void)
{
	char dir[] = "/var/tmp/pinfold-test.XXXXXX", path[64];
	struct statfs fs;
	int rc;

	if (!mkdtemp(dir) || statfs(dir, &fs) < 0 || fs.f_type == TMPFS_MAGIC) {
		rmdir(dir);
		skip_part("disk file: /var/tmp is no disk");
		return;
	}
	strcat(strcpy(path, dir), "/pool");
	rc = dev_make(path, 1 << 20, false, false, &dev);
	must_be(rmdir(dir), 0); /* nothing is left in it */
	must_be(rc, -PF_ECACHED);
	says(path);
	says("page cache");
	must_be(pf_errno(rc), EOPNOTSUPP);
}

int main(void)
{
	unsigned fds;

	test_dir();
	fds = test_fds();
	no_device();
	no_descriptor();
	bad_sizes();
	disk_file();
	must_be(test_fds(), fds);
	return 0;
}

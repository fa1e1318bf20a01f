/* The kinds of device that tests run over, see kinds.h. */
#include "kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/stand_in.h"
#include "test.h"

/* ---- mounts ---- */

static bool own_mounts(void)
{
	static int have = -1;

	if (have < 0)
		have = unshare(CLONE_NEWNS) == 0 &&
		       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return have;
}

bool private_mount(const char *type, const char *name, const char *options)
{
	const char *at = test_path("%s", name);

	if (!own_mounts()) {
		skip_part("%s: a mount needs root", name);
		return false;
	}
	must(mkdir(at, 0777) == 0);
	if (mount("pinfold-test", at, type, 0, options) < 0) {
		skip_part("%s: mount -t %s -o %s: %s", name, type, options, strerror(errno));
		return false;
	}
	return true;
}

/* ---- huge pages: some are set aside while a test uses them, by one test at a time ---- */

#define NR_HUGEPAGES "/proc/sys/vm/nr_hugepages"
#define WANTED_PAGES 24l

static long huge_pages_before = -1;
static pid_t huge_pages_owner;
static int huge_pages_lock = -1;

static long read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long n = -1;

	if (f && fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

static bool write_number(const char *path, long n)
{
	FILE *f = fopen(path, "we");
	bool ok = f && fprintf(f, "%ld\n", n) > 0;

	return f && fclose(f) == 0 && ok;
}

static long free_huge_pages(void)
{
	return read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
}

static void give_huge_pages_back(void)
{
	if (huge_pages_before >= 0 && huge_pages_owner == getpid())
		write_number(NR_HUGEPAGES, huge_pages_before);
	huge_pages_before = -1;
	if (huge_pages_lock >= 0)
		close(huge_pages_lock);
	huge_pages_lock = -1;
}

static void lock_huge_pages(void)
{
	huge_pages_lock = open(NR_HUGEPAGES, O_RDONLY | O_CLOEXEC);
	if (huge_pages_lock >= 0)
		must(flock(huge_pages_lock, LOCK_EX) == 0);
}

static bool want_huge_pages(const struct kind *kind)
{
	long before;

	lock_huge_pages();
	before = read_number(NR_HUGEPAGES);
	if (free_huge_pages() >= WANTED_PAGES)
		return true;
	if (before >= 0 && write_number(NR_HUGEPAGES, before + WANTED_PAGES)) {
		huge_pages_before = before;
		huge_pages_owner = getpid();
		atexit(give_huge_pages_back);
	}
	if (free_huge_pages() >= WANTED_PAGES)
		return true;
	give_huge_pages_back();
	skip_part("%s: %ld free huge pages of 2 MiB, %ld needed", kind->name, free_huge_pages(),
		  WANTED_PAGES);
	return false;
}

/* ---- starting each kind ---- */

static bool start_file(struct kind *kind)
{
	kind->granule = PAGE_BYTES;
	snprintf(kind->path, sizeof kind->path, "%s", test_path("device"));
	return true;
}

static char disk_dir[64];

static void remove_disk_dir(void)
{
	char path[80];

	if (!disk_dir[0])
		return;
	snprintf(path, sizeof path, "%s/device", disk_dir);
	unlink(path);
	rmdir(disk_dir);
	disk_dir[0] = 0;
}

static bool start_disk(struct kind *kind)
{
	struct statfs fs;

	strcpy(disk_dir, "/var/tmp/pinfold-test.XXXXXX");
	if (!mkdtemp(disk_dir)) {
		disk_dir[0] = 0;
		skip_part("%s: /var/tmp: %s", kind->name, strerror(errno));
		return false;
	}
	atexit(remove_disk_dir);
	if (statfs(disk_dir, &fs) < 0 || fs.f_type == TMPFS_MAGIC) {
		skip_part("%s: /var/tmp is no disk", kind->name);
		return false;
	}
	kind->granule = PAGE_BYTES;
	kind->volatile_ok = true;
	snprintf(kind->path, sizeof kind->path, "%s/device", disk_dir);
	return true;
}

static bool start_memfd(struct kind *kind)
{
	kind->granule = PAGE_BYTES;
	return true;
}

static bool start_hugetlbfs(struct kind *kind)
{
	if (!want_huge_pages(kind) || !private_mount("hugetlbfs", "huge", "pagesize=2M"))
		return false;
	kind->granule = BLOCK_BYTES;
	snprintf(kind->path, sizeof kind->path, "%s", test_path("huge/device"));
	return true;
}

static bool start_memfd_huge(struct kind *kind)
{
	if (!want_huge_pages(kind))
		return false;
	kind->granule = BLOCK_BYTES;
	kind->huge_bits = MFD_HUGETLB | 21u << MFD_HUGE_SHIFT;
	return true;
}

static struct stand_in stand_in;

/* <sysfs>/dev/char/240:7 leads to the device's directory, below that of its bus. */
static void make_sysfs(const char *bus)
{
	const char *dir = test_path("sys-%s/devices/%s/region0/dax0.0", bus, bus);
	char command[1024];

	snprintf(command, sizeof command,
		 "mkdir -p %s %s && ln -s %s %s/240:7 && echo %lu > %s/size && echo %lu > %s/align",
		 dir, test_path("sys-%s/dev/char", bus), dir, test_path("sys-%s/dev/char", bus),
		 4 * BLOCK_BYTES, dir, BLOCK_BYTES, dir);
	must(system(command) == 0);
	setenv("PINFOLD_SYSFS", test_path("sys-%s", bus), 1);
}

static bool start_devdax_on(struct kind *kind, const char *bus)
{
	struct stat st;

	kind->granule = BLOCK_BYTES;
	snprintf(kind->path, sizeof kind->path, "%s", test_path("dax-%s", bus));
	test_write_file(kind->path, "", 0);
	must(truncate(kind->path, 4 * BLOCK_BYTES) == 0);
	must(stat(kind->path, &st) == 0);
	stand_in = (struct stand_in){.device = st.st_dev,
				     .inode = st.st_ino,
				     .rdev = makedev(240, 7),
				     .align = BLOCK_BYTES};
	stand_in_set(&stand_in);
	make_sysfs(bus);
	return true;
}

static bool start_devdax(struct kind *kind)
{
	return start_devdax_on(kind, "ndbus0");
}

static bool start_devdax_ram(struct kind *kind)
{
	return start_devdax_on(kind, "hmem0");
}

static bool start_fsdax(struct kind *kind)
{
	struct stat st;

	must(stat(test_dir(), &st) == 0);
	stand_in = (struct stand_in){.device = st.st_dev, .dax = true};
	stand_in_set(&stand_in);
	return start_file(kind);
}

struct kind kinds[] = {
	{.name = "file", .start = start_file, .device = "file", .discards = true},
	{.name = "disk file", .start = start_disk, .device = "file"},
	{.name = "memfd", .start = start_memfd, .device = "memfd", .discards = true},
	{.name = "hugetlbfs", .start = start_hugetlbfs, .device = "hugetlbfs", .discards = true},
	{.name = "huge memfd", .start = start_memfd_huge, .device = "hugetlbfs", .discards = true},
	{.name = "devdax",
	 .start = start_devdax,
	 .device = "devdax",
	 .durability = DEV_PERSISTENT,
	 .fixed_size = true},
	{.name = "devdax of RAM",
	 .start = start_devdax_ram,
	 .device = "devdax",
	 .fixed_size = true},
	{.name = "fsdax", .start = start_fsdax, .device = "fsdax", .durability = DEV_PERSISTENT},
};
const unsigned kinds_count = ARRAY_SIZE(kinds);

/* ---- using one ---- */

uint64_t kind_bytes(const struct kind *kind)
{
	return 4 * MAX(kind->granule, 64 * PAGE_BYTES);
}

static int make_huge_memfd(const struct kind *kind, bool sparse, struct dev **dev)
{
	int fd = memfd_create("huge", MFD_CLOEXEC | kind->huge_bits), rc;

	must(fd >= 0);
	rc = dev_open_fd(fd, false, false, dev);
	close(fd);
	if (rc < 0)
		return rc;
	rc = (*dev)->ops->make(*dev, kind_bytes(kind), sparse);
	if (rc < 0)
		dev_close(*dev);
	return rc;
}

int kind_make(const struct kind *kind, bool sparse, struct dev **dev)
{
	uint64_t bytes = kind_bytes(kind);

	if (kind->huge_bits)
		return make_huge_memfd(kind, sparse, dev);
	if (!kind->path[0])
		return dev_make_memfd(bytes, sparse, dev);
	return dev_make(kind->path, bytes, sparse, kind->volatile_ok, dev);
}

int kind_open(const struct kind *kind, int fd, bool readonly, struct dev **other)
{
	return kind->path[0] ? dev_open(kind->path, readonly, kind->volatile_ok, other)
			     : dev_open_fd(fd, readonly, kind->volatile_ok, other);
}

uint64_t kind_reserved(const struct dev *dev)
{
	struct stat st;

	must(fstat(dev->fd, &st) == 0);
	return (uint64_t)st.st_blocks * 512;
}

void kind_remove(const struct kind *kind)
{
	if (kind->path[0] && !kind->fixed_size)
		must(unlink(kind->path) == 0);
}

void kind_end(void)
{
	stand_in_set(NULL);
	unsetenv("PINFOLD_SYSFS");
	give_huge_pages_back();
	remove_disk_dir();
}

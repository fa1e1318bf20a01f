/* A device that the host has no room for is not made: its own error, and nothing is left behind. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kinds.h"
#include "test.h"

static struct dev *dev;

static uint64_t free_blocks(const char *path)
{
	struct statfs fs;

	must(statfs(path, &fs) == 0);
	return fs.f_bfree;
}

static void too_large_for(const char *dir, uint64_t fits, uint64_t granule)
{
	uint64_t before = free_blocks(dir);
	char path[256];

	snprintf(path, sizeof path, "%s/pool", dir);
	must_be(dev_make(path, fits + granule, false, false, &dev), -ENOSPC);
	must(strstr(pf_message(), path) != NULL);
	must_be(test_names(dir), 0);
	must_be(free_blocks(dir), before);
	must_be(dev_make(path, 100 * fits, true, false, &dev), 0);
	dev_close(dev);
	must(unlink(path) == 0);
	must_be(dev_make(path, fits, false, false, &dev), 0);
	must_be(free_blocks(dir), before - fits / granule);
	dev_close(dev);
	must(unlink(path) == 0);
	must_be(free_blocks(dir), before);
}

/* Others may take what a punched page gave back before it is reserved again. */
static void discard_finds_no_room(const char *dir)
{
	char path[256], other[256];
	struct dev *filler;
	void *at;

	snprintf(path, sizeof path, "%s/pool", dir);
	snprintf(other, sizeof other, "%s/filler", dir);
	must_be(dev_make(path, 8 << 20, true, false, &dev), 0);
	must_be(dev_map(dev, 0, 8 << 20, PROT_READ | PROT_WRITE, NULL, &at), 0);
	memset(at, 1, 4 << 20);
	must_be(dev_make(other, 4 << 20, false, false, &filler), 0);
	must_be(dev_discard(dev, 4 << 20, 4 << 20), -ENOSPC);
	must_be(dev_discard(dev, 0, 4 << 20), 0);
	must_be(*(char *)at, 0);
	munmap(at, 8 << 20);
	dev_close(filler);
	dev_close(dev);
	unlink(other);
	unlink(path);
}

static void full_tmpfs(void)
{
	const char *dir;

	if (!private_mount("tmpfs", "small", "size=8m"))
		return;
	dir = test_path("small");
	too_large_for(dir, 8 << 20, PAGE_BYTES);
	discard_finds_no_room(dir);
}

static void full_huge_tmpfs(void)
{
	if (private_mount("tmpfs", "small-huge", "size=8m,huge=always"))
		too_large_for(test_path("small-huge"), 8 << 20, PAGE_BYTES);
}

static void full_hugetlbfs(void)
{
	for (unsigned i = 0; i < kinds_count; i++) {
		struct kind *kind = &kinds[i];

		if (strcmp(kind->name, "hugetlbfs"))
			continue;
		if (kind->start(kind)) {
			must_be(dev_make(kind->path, 1ul << 50, false, false, &dev), -ENOSPC);
			must(strstr(pf_message(), "nr_hugepages") != NULL);
			must_be(access(kind->path, F_OK), -1);
		}
		kind_end();
	}
}

static int no_descriptors_left(void *arg)
{
	int next = dup(0); /* the number that the next descriptor would have */
	struct rlimit limit = {(rlim_t)next, (rlim_t)next};

	must(next > 0 && close(next) == 0);
	must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	must_be(dev_make(arg, 1 << 20, false, false, &dev), -EMFILE);
	must_be(access(arg, F_OK), -1);
	must_be(dev_make_memfd(1 << 20, false, &dev), -EMFILE);
	return 0;
}

/* More than file system and machine have is refused before anything is taken: filling the memory first would get processes killed. */
static void more_than_there_is(void)
{
	struct dev *made;

	must_be(dev_make(test_path("huge"), 1ull << 50, false, false, &made), -ENOSPC);
	must(strstr(pf_message(), "free"));
	must_be(dev_make_memfd(1ull << 50, false, &made), -ENOSPC);
	must(strstr(pf_message(), "memory left"));
	must(access(test_path("huge"), F_OK) < 0);
}

int main(void)
{
	unsigned fds;

	test_dir();
	must_be(test_in_child(no_descriptors_left, (void *)(uintptr_t)test_path("pool")), 0);
	fds = test_fds();
	more_than_there_is();
	full_tmpfs();
	full_huge_tmpfs();
	full_hugetlbfs();
	must_be(test_fds(), fds);
	return 0;
}

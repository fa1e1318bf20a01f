/* The page size that the host really gave is seen; a tmpfs that may give huge pages does, also after a discard. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kinds.h"
#include "test.h"

#define BYTES (4 * BLOCK_BYTES)

/* What the host does for a file on the mount by itself: memory taken by one touched byte. */
static uint64_t taken_by_a_touch(const char *dir)
{
	struct stat st;
	char path[256];
	uint8_t *at;
	void *room;
	int fd;

	snprintf(path, sizeof path, "%s/reference", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0 && ftruncate(fd, BLOCK_BYTES) == 0);
	must_be(dev_reserve_addresses(BLOCK_BYTES, BLOCK_BYTES, &room), 0);
	at = mmap(room, BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	must(at != MAP_FAILED);
	madvise(at, BLOCK_BYTES, MADV_HUGEPAGE);
	at[0] = 1;
	must(fstat(fd, &st) == 0);
	munmap(at, BLOCK_BYTES);
	close(fd);
	must(unlink(path) == 0);
	return (uint64_t)st.st_blocks * 512;
}

static void sees(struct dev *dev, uint64_t page)
{
	uint8_t *at;
	void *room;

	must_be(dev_reserve_addresses(BYTES, BLOCK_BYTES, &room), 0);
	must_be(dev_host_page_size(room), PAGE_BYTES);
	must_be(dev_map(dev, 0, BYTES, PROT_READ | PROT_WRITE, room, &room), 0);
	at = room;
	must_be(dev_host_page_size(at), page);
	must_be(dev_host_page_size(at + BYTES - 1), page);
	if (dev->can_discard) {
		must_be(dev_discard(dev, 0, BYTES), 0);
		must_be(dev_host_page_size(at), page);
	}
	must_be(at[0], 0);
	must(munmap(at, BYTES) == 0);
}

static void on_tmpfs(const char *name, const char *options)
{
	struct dev *dev;
	uint64_t page;
	char path[256];

	if (!private_mount("tmpfs", name, options))
		return;
	page = taken_by_a_touch(test_path("%s", name)) == BLOCK_BYTES ? BLOCK_BYTES : PAGE_BYTES;
	printf("%s: pages of %lu KiB\n", options, (unsigned long)(page >> 10));
	snprintf(path, sizeof path, "%s", test_path("%s/pool", name));
	must_be(dev_make(path, BYTES, false, false, &dev), 0);
	sees(dev, page);
	must(strstr(dev->ops->huge_hint(dev), "huge=advise") != NULL);
	dev_close(dev);
	unlink(path);
}

static void on_hugetlbfs(void)
{
	for (unsigned i = 0; i < kinds_count; i++) {
		struct dev *dev;

		if (strcmp(kinds[i].device, "hugetlbfs"))
			continue;
		if (kinds[i].start(&kinds[i])) {
			must_be(kind_make(&kinds[i], false, &dev), 0);
			sees(dev, BLOCK_BYTES);
			dev_close(dev);
			kind_remove(&kinds[i]);
		}
		kind_end();
	}
}

int main(void)
{
	struct dev *dev;

	test_dir();
	on_tmpfs("never", "huge=never");
	on_tmpfs("advise", "huge=advise");
	on_tmpfs("always", "huge=always");
	on_hugetlbfs();
	must_be(dev_make_memfd(BYTES, false, &dev), 0);
	must(strstr(dev->ops->huge_hint(dev), "shmem_enabled") != NULL);
	dev_close(dev);
	must_be(dev_host_page_size(NULL), PAGE_BYTES);
	return 0;
}

/*
 * Device DAX: a character device that is memory. Size and alignment are in sysfs; the device is never truncated, allocated or punched.
 * Persistent, as stores reach it without a page cache, when the CPU's cache lines can be written back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "base/err.h"
#include "dev/dev_common.h"

/* A number in <sysfs>/dev/char/MAJOR:MINOR/<name>; 0 if it is not there. */
static uint64_t attribute(const struct stat *st, const char *name)
{
	char path[512], text[64] = "";
	FILE *f;

	snprintf(path, sizeof path, "%s/dev/char/%u:%u/%s", dev_sysfs(), major(st->st_rdev),
		 minor(st->st_rdev), name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(text, sizeof text, f))
		text[0] = 0;
	fclose(f);
	return strtoull(text, NULL, 0);
}

/* Any character device with an alignment beside its size is one. */
static bool probe(int fd, const struct stat *st)
{
	(void)fd;
	return S_ISCHR(st->st_mode) && attribute(st, "align") && attribute(st, "size");
}

static int open_devdax(struct dev *dev, const struct stat *st)
{
	uint64_t align = attribute(st, "align");

	if (align < PAGE_BYTES || align & (align - 1))
		return err(PF_ENODEV, "%s: alignment %lu", dev->path, (unsigned long)align);
	dev->granule = align;
	dev->size = align_down(attribute(st, "size"), align);
	common_persistent(dev);
	return 0;
}

static const char *huge_hint(const struct dev *dev)
{
	return dev->granule >= BLOCK_BYTES ? NULL
					   : "configure the device with an alignment of 2 MiB";
}

const struct dev_ops dev_devdax = {
	.name = "devdax",
	.probe = probe,
	.open = open_devdax,
	.huge_hint = huge_hint,
};

/*
 * Device DAX: a character device that is memory. Its geometry is in sysfs; the device is never truncated, allocated or punched. Stores
 * reach it without a page cache. It is persistent if it belongs to an nvdimm bus: the kernel makes the same kind of device of memory
 * that is set aside from ordinary RAM, which is volatile.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/err.h"
#include "dev/dev_common.h"

/* <sysfs>/dev/char/MAJOR:MINOR/<name> */
static void sysfs_path(char *path, size_t size, const struct stat *st, const char *name)
{
	snprintf(path, size, "%s/dev/char/%u:%u/%s", dev_sysfs(), major(st->st_rdev),
		 minor(st->st_rdev), name);
}

/* The number in an attribute; 0 if it is not there. */
static uint64_t attribute(const struct stat *st, const char *name)
{
	char path[512], text[64] = "";
	FILE *f;

	sysfs_path(path, sizeof path, st, name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(text, sizeof text, f))
		text[0] = 0;
	fclose(f);
	return strtoull(text, NULL, 0);
}

/* Older kernels have it with the region that the device is part of. */
static uint64_t alignment(const struct stat *st)
{
	uint64_t align = attribute(st, "align");

	return align ? align : attribute(st, "device/align");
}

/* The device's real directory is below the one of its bus: .../ndbus0/region0/dax0.0 */
static bool on_nvdimm_bus(const struct stat *st)
{
	char path[512], real[PATH_MAX];

	sysfs_path(path, sizeof path, st, "");
	return realpath(path, real) && strstr(real, "/ndbus");
}

/* Any character device with an alignment beside its size is one. */
static int probe(int fd, const struct stat *st)
{
	(void)fd;
	return S_ISCHR(st->st_mode) && alignment(st) && attribute(st, "size");
}

static int open_devdax(struct dev *dev, const struct stat *st)
{
	uint64_t align = alignment(st);

	if (align < PAGE_BYTES || align & (align - 1))
		return err(PF_ENODEV, "%s: alignment %lu", dev->path, (unsigned long)align);
	dev->granule = align;
	dev->size = align_down(attribute(st, "size"), align);
	dev->durability = DEV_VOLATILE;
	if (on_nvdimm_bus(st))
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

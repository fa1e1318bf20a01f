/*
 * Pools for the figures. A persistent one is a file on tmpfs that this process opens as one on a DAX file system: the library then writes cache
 * lines back and fences as on persistent memory, with this CPU's instructions, to ordinary memory.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "base/stand_in.h"
#include "bench.h"

void make_pool(const char *name, uint64_t size, uint64_t inodes, bool sparse, char *path)
{
	struct pf_mkfs_options o = {.size = size,
				    .inodes = inodes,
				    .flags = sparse ? PF_MKFS_SPARSE : 0};

	snprintf(path, 128, "%s/%s", pool_dir, name);
	if (pf_mkfs(path, &o) < 0)
		die(path);
}

pf_pool *open_pool(const char *path, bool persistent, unsigned flags)
{
	struct stand_in dax = {.dax = true};
	struct stat st;
	pf_pool *pool;
	int rc;

	if (stat(path, &st) < 0)
		die(path);
	dax.device = st.st_dev;
	dax.inode = st.st_ino;
	stand_in_set(persistent ? &dax : NULL);
	rc = pf_pool_open(path, flags, &pool);
	stand_in_set(NULL);
	if (rc < 0)
		die(path);
	return pool;
}

pf_file *open_file(pf_pool *pool, const char *name, unsigned flags)
{
	pf_file *file;

	if (pf_open(pool, name, flags, 0644, &file) < 0)
		die(name);
	return file;
}

pf_file *make_file(pf_pool *pool, const char *name, uint64_t bytes)
{
	pf_file *file = open_file(pool, name, PF_O_RDWR | PF_O_CREATE);
	pf_map *map;

	if (pf_allocate(file, 0, bytes, 0) < 0 ||
	    pf_map_file(file, 0, bytes, PF_MAP_READ | PF_MAP_WRITE, &map) < 0)
		die(name);
	pf_unmap(map);
	return file;
}

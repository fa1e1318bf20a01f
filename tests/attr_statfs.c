/* pf_statfs says what pf_info says, follows what is made and removed, and does not look at every page or file. */
#include <stdio.h>

#include "pool.h"

static struct pf_statfs statfs_of(pf_pool *pool)
{
	struct pf_statfs st;

	OK(pf_statfs(pool, &st));
	return st;
}

static void compare(pf_pool *pool)
{
	struct pf_statfs st = statfs_of(pool);
	struct pf_info info = pool_info(pool);

	must_be(st.block_size, 4096);
	must_be(st.name_max, 255);
	must_be(st.flags, 0);
	must_be(st.pages_total, info.pages_total);
	must_be(st.pages_free, info.pages_free);
	must_be(st.pages_available, info.pages_free);
	must_be(st.inodes_total, info.inodes_total);
	must_be(st.inodes_free, info.inodes_free);
}

int main(void)
{
	struct pf_statfs before, after;
	const char *path;
	pf_pool *pool, *reader;
	pf_file *file;
	uint64_t id;

	test_dir();
	path = pool_make("pool", 64);
	pool = pool_open(path);
	compare(pool);
	before = statfs_of(pool);
	OK(pf_open(pool, "file", PF_O_RDWR | PF_O_CREATE, 0644, &file));
	OK(pf_allocate(file, 0, 10 << 20, 0));
	OK(pf_close(file));
	compare(pool);
	after = statfs_of(pool);
	must_be(before.pages_free - after.pages_free, 2560);
	must_be(before.inodes_free - after.inodes_free, 1);
	id = after.id;
	must(id != 0);
	OK(pf_unlink(pool, "file"));
	compare(pool);
	must_be(statfs_of(pool).pages_free, before.pages_free);
	OK(pf_pool_open(path, PF_POOL_RDONLY | PF_POOL_NO_THREAD, &reader));
	must_be(statfs_of(reader).flags, PF_STATFS_RDONLY);
	must(statfs_of(reader).id == id);
	OK(pf_pool_close(reader));
	OK(pf_pool_close(pool));
	return 0;
}

#include <pinfold.h>
#include <stdio.h>

static int print_holder(void *arg, const struct pf_holder *h)
{
	(void)arg;
	printf("%s holds %lu bytes of %s\n", h->command, (unsigned long)h->bytes, h->name);
	return 0;
}

int main(int argc, char **argv)
{
	struct pf_mkfs_options options = {.size = 64 << 20};
	pf_pool *pool;
	pf_file *file, *other;
	pf_map *map;

	if (argc != 2 || pf_mkfs(argv[1], &options) < 0 || pf_pool_open(argv[1], 0, &pool) < 0 ||
	    pf_open(pool, "greeting", PF_O_RDWR | PF_O_CREATE, 0644, &file) < 0 ||
	    pf_write(file, "hello", 6, 0) != 6 || pf_map_file(file, 0, 6, PF_MAP_READ, &map) < 0) {
		fprintf(stderr, "%s\n", argc == 2 ? pf_message() : "usage: readme POOL");
		return 1;
	}
	/* Somebody cuts the file off. The page leaves the file and stays with its holder. */
	pf_open(pool, "greeting", PF_O_RDWR, 0, &other);
	pf_truncate(other, 0, PF_DETACH, 0);
	printf("stale: %d, still: %s\n", pf_map_stale(map), (char *)pf_map_address(map));
	pf_holders(pool, print_holder, NULL);
	pf_unmap(map); /* the last hold: now the page is free */
	return pf_pool_close(pool) < 0;
}

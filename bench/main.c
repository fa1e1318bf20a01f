/*
 * The table of figures, and a list of {name, unit, ours, peer, peer_value, ratio, spread} in the file named. ratio: how many times better
 * than the peer; spread: (largest - smallest) / median of our rounds, in percent.
 *
 *   bench JSON-FILE
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

char dir[] = "/dev/shm/pinfold-bench.XXXXXX";

static void make_bed(struct bed *b)
{
	make_pool("pool", 2560 * MIB, 0, false, b->path);
	b->pool = open_pool(b->path, false, 0);
	b->file = open_file(b->pool, "file", PF_O_RDWR | PF_O_CREATE);
	if (pf_allocate(b->file, 0, GIB, 0) < 0)
		die("file");
}

static void clean_up(void)
{
	char path[128];

	snprintf(path, sizeof path, "%s/pool", dir);
	unlink(path);
	remove_peers();
	if (rmdir(dir) < 0)
		fprintf(stderr, "bench: %s: %s\n", dir, strerror(errno));
}

int main(int argc, char **argv)
{
	struct bed bed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 2 || !mkdtemp(dir))
		die("usage: bench JSON-FILE");
	setenv("PINFOLD_RUNTIME_DIR", dir, 1);
	begin_table();
	bench_tree();
	make_peers();
	make_bed(&bed);
	bench_references(&bed);
	bench_truncation(&bed);
	bench_death(&bed);
	bench_attach();
	bench_memory();
	pf_close(bed.file);
	pf_pool_close(bed.pool);
	clean_up();
	write_table(argv[1]);
	return 0;
}

/*
 * The table of figures, and a list of {name, unit, ours, peer, peer_value, ratio, spread} in the file named. ratio: how many times better
 * than the peer; spread: (largest - smallest) / median of our rounds, in percent.
 *
 *   bench JSON-FILE [SUBJECT...]    tree, files, lookup, rebuild, holds, attach, memory; without one: all
 */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

char dir[] = "/dev/shm/pinfold-bench.XXXXXX";

static void make_bed(struct bed *b)
{
	make_pool("pool", GIB + 64 * MIB, 0, false, b->path);
	b->pool = open_pool(b->path, false, 0);
}

static void holds(void)
{
	struct bed bed;

	make_peers();
	make_bed(&bed);
	bench_references(&bed);
	bench_truncation(&bed);
	bench_death(&bed);
	pf_pool_close(bed.pool);
	unlink(bed.path);
	remove_peers();
}

static void files(void)
{
	bench_files(false, "");
	bench_files(true, "_persistent");
}

static const struct {
	const char *name;
	void (*run)(void);
} subjects[] = {{"tree", bench_tree},       {"files", files}, {"lookup", bench_lookup},
		{"rebuild", bench_rebuild}, {"holds", holds}, {"attach", bench_attach},
		{"memory", bench_memory}};

static bool wanted(const char *name, char **names)
{
	for (char **n = names; *n; n++)
		if (!strcmp(*n, name))
			return true;
	return !*names;
}

static void measure_all(char **argv)
{
	begin_table();
	for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
		if (wanted(subjects[i].name, argv + 2))
			subjects[i].run();
	write_table(argv[1]);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

/* What is measured runs in a child, so that nothing stays of it whatever becomes of that: gigabytes of memory. */
int main(int argc, char **argv)
{
	int status = 1;
	pid_t pid;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || !mkdtemp(dir))
		die("usage: bench JSON-FILE [SUBJECT...]");
	setenv("PINFOLD_RUNTIME_DIR", dir, 1);
	prepare_peers();
	/* Who interrupts the program interrupts the child too. */
	signal(SIGINT, SIG_IGN);
	pid = fork();
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		measure_all(argv);
		return 0;
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	restore_peers();
	if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0)
		fprintf(stderr, "bench: %s: %s\n", dir, strerror(errno));
	return status != 0;
}

/*
 * The table of figures, and the same as a JSON document (see bench.h).
 *
 *   bench [--output FILE] [--json] [--directory DIRECTORY] [SUBJECT...]
 *
 * --output: the document into this file, too; --json: the document on standard output instead of the table; --directory: where the pools
 * are (/dev/shm); subjects: tree, files, lookup, rebuild, holds, attach, windows, memory, pgtable; without one: all. "make bench" and "pinfold bench" run it.
 */
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define LONGEST 60 /* bytes of a directory's name: paths are in buffers of 128 */

char dir[] = "/dev/shm/pinfold-bench.XXXXXX", pool_dir[LONGEST + 32];

static struct {
	const char *output, *directory;
	bool json;
} options = {NULL, "/dev/shm", false};

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

static void windows(void)
{
	make_peers();
	bench_windows();
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
} subjects[] = {{"tree", bench_tree},       {"files", files},         {"lookup", bench_lookup},
		{"rebuild", bench_rebuild}, {"holds", holds},         {"attach", bench_attach},
		{"windows", windows},       {"memory", bench_memory}, {"pgtable", bench_pgtable}};

#define SUBJECTS (sizeof subjects / sizeof *subjects)

static bool wanted(const char *name, char **names)
{
	for (char **n = names; *n; n++)
		if (!strcmp(*n, name))
			return true;
	return !*names;
}

static bool is_subject(const char *name)
{
	for (size_t i = 0; i < SUBJECTS; i++)
		if (!strcmp(name, subjects[i].name))
			return true;
	return false;
}

static void measure_all(char **names)
{
	int out = -1;

	/* All that is printed on the way is for the table. */
	if (options.json && ((out = dup(STDOUT_FILENO)) < 0 || !freopen("/dev/null", "w", stdout)))
		die("standard output");
	begin_table(options.directory);
	for (size_t i = 0; i < SUBJECTS; i++)
		if (wanted(subjects[i].name, names))
			subjects[i].run();
	if (options.output)
		write_table(options.output);
	if (options.json)
		write_table_to(out);
	if (fflush(stdout) != 0 || ferror(stdout))
		die("standard output");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static int usage(const char *why, const char *what)
{
	fprintf(stderr, "%s: %s %s\nsubjects:", program_invocation_name, what, why);
	for (size_t i = 0; i < SUBJECTS; i++)
		fprintf(stderr, " %s", subjects[i].name);
	fputc('\n', stderr);
	return 2;
}

static int parse(int argc, char **argv)
{
	static const struct option known[] = {{"output", required_argument, NULL, 'o'},
					      {"json", no_argument, NULL, 'j'},
					      {"directory", required_argument, NULL, 'd'},
					      {0}};
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter == '?')
			return usage("is not an option, or lacks its value", argv[optind - 1]);
		if (letter == 'j')
			options.json = true;
		else
			*(letter == 'o' ? &options.output : &options.directory) = optarg;
	}
	for (int i = optind; i < argc; i++)
		if (!is_subject(argv[i]))
			return usage("is not a subject", argv[i]);
	return strlen(options.directory) > LONGEST
		       ? usage("is too long a name: at most 60 bytes", options.directory)
		       : 0;
}

static void make_directories(void)
{
	if (!mkdtemp(dir))
		die(dir);
	snprintf(pool_dir, sizeof pool_dir, "%s/pinfold-bench.XXXXXX", options.directory);
	if (!mkdtemp(pool_dir)) {
		rmdir(dir);
		die(options.directory);
	}
	setenv("PINFOLD_RUNTIME_DIR", dir, 1);
}

static void remove_directory(const char *path)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0)
		fprintf(stderr, "%s: %s: %s\n", program_invocation_name, path, strerror(errno));
}

/* What is measured runs in a child, so that nothing stays of it whatever becomes of that: gigabytes of memory. */
int main(int argc, char **argv)
{
	int status = 1, rc = parse(argc, argv);
	pid_t pid;

	if (rc)
		return rc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	make_directories();
	prepare_peers();
	/* Who interrupts the program interrupts the child too. */
	signal(SIGINT, SIG_IGN);
	pid = fork();
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		measure_all(argv + optind);
		return 0;
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	restore_peers();
	remove_directory(dir);
	remove_directory(pool_dir);
	return status != 0;
}

/* Measuring, and the table, see bench.h. */
#include "bench.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_t *document, *rows;

/* The library's last message, if it is of what failed: otherwise it was a system call. */
void die(const char *what)
{
	const char *said = pf_message();

	if (strstr(said, what))
		fprintf(stderr, "%s: %s\n", program_invocation_name, said);
	else if (*said)
		fprintf(stderr, "%s: %s: %s (%s)\n", program_invocation_name, what, said,
			strerror(errno));
	else
		fprintf(stderr, "%s: %s: %s\n", program_invocation_name, what, strerror(errno));
	exit(1);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct figure figure_of(double *t, int rounds)
{
	double median;

	qsort(t, (size_t)rounds, sizeof *t, compare);
	median = t[rounds / 2];
	return (struct figure){median,
			       median > 0 ? (t[rounds * 3 / 4] - t[rounds / 4]) / median * 100 : 0};
}

struct figure measure(double (*run)(void *arg), void *arg, int rounds)
{
	double t[ROUNDS_MAX];

	run(arg);
	for (int i = 0; i < rounds; i++)
		t[i] = run(arg);
	return figure_of(t, rounds);
}

void take_turns(struct runner *runners, unsigned count, unsigned parts, int rounds)
{
	for (int i = -1; i < rounds; i++)
		for (unsigned r = 0; r < count; r++) {
			double ns[PARTS_MAX];

			runners[r].run(runners[r].arg, ns);
			for (unsigned p = 0; p < parts && i >= 0; p++)
				runners[r].t[p][i] = ns[p];
		}
	for (unsigned r = 0; r < count; r++)
		for (unsigned p = 0; p < parts; p++)
			runners[r].part[p] = figure_of(runners[r].t[p], rounds);
}

void row(const char *name, const char *unit, double scale, struct figure ours, const char *peer,
	 double peer_ns)
{
	double a = ours.median / scale, b = peer_ns / scale, ratio = a > 0 ? b / a : 0;

	printf("%-24s %12.3f %-4s  %-11s %12.3f %10.2fx  +-%.0f%%\n", name, a, unit, peer, b, ratio,
	       ours.spread / 2);
	json_array_append_new(rows, json_pack("{s:s, s:s, s:f, s:s, s:f, s:f, s:f}", "name", name,
					      "unit", unit, "ours", a, "peer", peer, "peer_value",
					      b, "ratio", ratio, "spread", ours.spread));
}

void begin_table(const char *pool_directory)
{
	json_t *machine = describe_machine(pool_directory);

	rows = json_array();
	document = json_pack("{s:i, s:o, s:o}", "schema", 1, "machine", machine, "rows", rows);
	if (!document)
		die("memory");
	print_machine(machine);
	printf("%-24s %12s %-4s  %-11s %12s %11s  spread\n", "figure", "pinfold", "", "peer", "",
	       "better");
}

void write_table(const char *path)
{
	if (json_dump_file(document, path, JSON_INDENT(1)) < 0)
		die(path);
}

void write_table_to(int fd)
{
	if (json_dumpfd(document, fd, JSON_INDENT(1)) < 0 || write(fd, "\n", 1) != 1)
		die("standard output");
}

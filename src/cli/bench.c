/* bench: runs the program that measures, which nobody calls by itself: it is in libexec. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

enum { OPERANDS = 10 }; /* a directory, and each subject once */

static int access_directory(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -1;
	errno = ENOTDIR;
	return S_ISDIR(st.st_mode) ? 0 : -1;
}

static int run_bench(const struct options *o, char **operands, int count)
{
	char path[PATH_MAX + 64];
	static char name[] = "pinfold: bench", json[] = "--json", directory[] = "--directory";
	char *arguments[3 + OPERANDS + 1] = {name};
	int n = 1;

	if (count && access_directory(operands[0]) < 0)
		return complain("%s: %s; the first operand is the directory for pools, as /dev/shm",
				operands[0], strerror(errno));
	if (!find_helper("bench/bench", "bench", path, sizeof path))
		return complain(
			"the program that measures is not installed; it comes with 'make install', "
			"and 'make' builds it");
	if (o->json)
		arguments[n++] = json;
	if (count) {
		arguments[n++] = directory;
		memcpy(arguments + n, operands, (size_t)count * sizeof *operands);
	}
	execv(path, arguments);
	return complain("%s: %s", path, strerror(errno));
}

const struct command cmd_bench = {
	"bench",
	"json",
	0,
	OPERANDS,
	run_bench,
	"measures pinfold beside its peers on this machine\n"
	"usage: pinfold bench [DIRECTORY [SUBJECT...]] [--json]\n"
	"Makes pools in DIRECTORY (/dev/shm), and removes them. It and /dev/shm need 3 GiB of room, and the whole takes some minutes.\n"
	"Subjects: tree (names), files, lookup, rebuild, holds, attach, windows, memory, pgtable (page tables); all, if none is said.\n"
	"Example: pinfold bench /dev/shm attach"};

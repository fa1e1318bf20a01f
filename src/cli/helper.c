/* Programs that nobody calls by themselves: beside this one in the build tree, and in libexec once installed. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* The directory of this program, without a '/' at its end. */
static bool find_self(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	path[n < 0 ? 0 : n] = 0;
	slash = strrchr(path, '/');
	if (slash)
		*slash = 0;
	return slash;
}

bool find_helper(const char *built, const char *installed, char *path, size_t size)
{
	static const char libexec[] = PINFOLD_LIBEXEC;
	char self[PATH_MAX];
	int n;

	if (!find_self(self, sizeof self))
		return false;
	n = snprintf(path, size, "%s/%s", self, built);
	if (n > 0 && (size_t)n < size && access(path, X_OK) == 0)
		return true;
	if (*libexec == '/')
		n = snprintf(path, size, "%s/%s", libexec, installed);
	else
		n = snprintf(path, size, "%s/%s/%s", self, libexec, installed);
	return n > 0 && (size_t)n < size && access(path, X_OK) == 0;
}

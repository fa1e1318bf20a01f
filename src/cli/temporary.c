/*
 * The names under which copies are made: ".cp-NAMESPACE-PID-NUMBER". A copier that is killed leaves its file; the namespace and number of
 * its process in the name let the next copier see that, and remove it.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

/* Process numbers mean something only in their namespace. 0: not known. */
static unsigned long pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) < 0 ? 0 : (unsigned long)st.st_ino;
}

void temporary_name(char name[TEMPORARY_NAME])
{
	static unsigned number;

	snprintf(name, TEMPORARY_NAME, ".cp-%lx-%d-%u", pid_namespace(), (int)getpid(), number++);
}

struct leftovers {
	pf_pool *pool;
	unsigned long namespace;
};

static int remove_leftover(void *arg, const char *name, const struct pf_stat *stat)
{
	const struct leftovers *l = arg;
	unsigned long namespace;
	unsigned number;
	int pid, end = 0;

	(void)stat;
	if (sscanf(name, ".cp-%lx-%d-%u%n", &namespace, &pid, &number, &end) == 3 && !name[end] &&
	    namespace == l->namespace && pid > 0 && kill(pid, 0) < 0 && errno == ESRCH)
		pf_unlink(l->pool, name); /* or another copier has by now */
	return 0;
}

void remove_leftovers(pf_pool *pool)
{
	struct leftovers l = {pool, pid_namespace()};

	if (l.namespace)
		pf_list(pool, "/", remove_leftover, &l);
}

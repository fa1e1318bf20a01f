/*
 * Who holds memory: a supervisor that looks at a pool every so often, reports processes by what they hold and what of that no file has any more, and asks the
 * largest to give back when the pool is nearly full.
 *
 *   supervisor POOL [TIMES [MILLISECONDS]]    (1 time; 1000)
 */
#include <pinfold.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROCESSES 256
#define NEARLY    10u /* per cent of the pool that are free */

struct process {
	pid_t pid;
	char command[32];
	unsigned holds;
	unsigned long long bytes;
	char largest[64]; /* the file of its largest hold */
	unsigned long long largest_bytes;
	int alive;
};

struct report {
	struct process of[PROCESSES];
	unsigned count;
};

static struct process *process_of(struct report *r, const struct pf_holder *h)
{
	for (unsigned i = 0; i < r->count; i++)
		if (r->of[i].pid == h->pid)
			return &r->of[i];
	if (r->count == PROCESSES)
		return NULL;
	r->of[r->count] = (struct process){.pid = h->pid, .alive = h->alive};
	snprintf(r->of[r->count].command, sizeof r->of->command, "%s", h->command);
	return &r->of[r->count++];
}

static int add(void *arg, const struct pf_holder *h)
{
	struct process *p = process_of(arg, h);

	if (!p)
		return 0;
	p->holds++;
	p->bytes += h->bytes;
	if (h->bytes > p->largest_bytes) {
		p->largest_bytes = h->bytes;
		snprintf(p->largest, sizeof p->largest, "%s",
			 h->name ? h->name : "(no name known)");
	}
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	unsigned long long x = ((const struct process *)a)->bytes,
			   y = ((const struct process *)b)->bytes;

	return x < y ? 1 : x > y ? -1 : 0;
}

static int tell_orphan(void *arg, const struct pf_orphan *o)
{
	(void)arg;
	printf("  %10.1f MiB of %s are held and in no file\n", (double)o->bytes / (1 << 20),
	       o->name ? o->name : "a removed file");
	return 0;
}

static int tell_left(void *arg, const struct pf_holder *h)
{
	(void)arg;
	printf("  process %d keeps %.1f MiB of %s\n", (int)h->pid, (double)h->bytes / (1 << 20),
	       h->name ? h->name : "a file without a name");
	return 0;
}

static int look(pf_pool *pool)
{
	struct report r = {.count = 0};
	struct pf_info info;
	int rc = pf_info(pool, &info);

	if (rc == 0)
		rc = pf_holders(pool, add, &r);
	if (rc < 0)
		return rc;
	qsort(r.of, r.count, sizeof *r.of, by_bytes);
	printf("%lu of %lu MiB free, %u processes\n", (unsigned long)(info.pages_free >> 8),
	       (unsigned long)(info.pages_total >> 8), info.processes);
	for (unsigned i = 0; i < r.count; i++)
		printf("  %7d %-16s %10.1f MiB in %u holds, most of it %s%s\n", (int)r.of[i].pid,
		       r.of[i].command, (double)r.of[i].bytes / (1 << 20), r.of[i].holds,
		       r.of[i].largest, r.of[i].alive ? "" : " (dead, not yet reaped)");
	rc = pf_orphans(pool, tell_orphan, NULL);
	if (rc == 0 && r.count && info.pages_free * 100 < info.pages_total * NEARLY) {
		printf("the pool is nearly full: process %d is asked to give back\n",
		       (int)r.of[0].pid);
		rc = pf_evict(pool, r.of[0].pid, 100, tell_left, NULL);
	}
	return rc < 0 ? rc : 0;
}

int main(int argc, char **argv)
{
	long times = argc > 2 ? atol(argv[2]) : 1, ms = argc > 3 ? atol(argv[3]) : 1000;
	struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
	pf_pool *pool;
	int rc = 0;

	if (argc < 2 || pf_pool_open(argv[1], 0, &pool) < 0) {
		fprintf(stderr, "%s\n",
			argc < 2 ? "usage: supervisor POOL [TIMES [MILLISECONDS]]" : pf_message());
		return 1;
	}
	for (long i = 0; i < times && rc == 0; i++) {
		if (i)
			nanosleep(&pause, NULL);
		rc = look(pool);
	}
	if (rc < 0)
		fprintf(stderr, "supervisor: %s\n", pf_message());
	return pf_pool_close(pool) < 0 || rc < 0;
}

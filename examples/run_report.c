/* Looking at who holds what, waiting for what the dead held, and telling it. */
#include "run_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINES   8    /* of the worst moment */
#define WAIT_MS 3000 /* for what a dead process held */

/* ---- words ----------------------------------------------------------------------------------------- */

static char *buffer(void)
{
	static char text[8][32];
	static unsigned next;

	return text[next++ % 8];
}

const char *number(unsigned long n)
{
	char digits[24], *to = buffer();
	size_t length = (size_t)snprintf(digits, sizeof digits, "%lu", n), at = 0;

	for (size_t i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			to[at++] = ',';
		to[at++] = digits[i];
	}
	to[at] = 0;
	return to;
}

const char *amount(uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	char *to = buffer();
	double n = (double)bytes;
	unsigned u = 0;

	while (n >= 1024 && u < 4) {
		n /= 1024;
		u++;
	}
	snprintf(to, 32, u ? "%.1f %s" : "%.0f %s", n, units[u]);
	return to;
}

/* ---- looking --------------------------------------------------------------------------------------- */

/* A pin of a file that is in several pieces is reported piece by piece, one after the other: here it is one hold. */
static struct hold *hold_of(struct moment *m, const struct pf_holder *h, const char *kind)
{
	struct hold *last = m->holds ? &m->hold[m->holds - 1] : NULL;

	if (last && last->pid == h->pid && last->inode == h->inode && !strcmp(last->kind, kind))
		return last;
	if (m->holds == HOLDS_MAX)
		return NULL;
	last = &m->hold[m->holds++];
	last->pid = h->pid;
	last->inode = h->inode;
	snprintf(last->command, sizeof last->command, "%s", h->command);
	snprintf(last->kind, sizeof last->kind, "%s", kind);
	snprintf(last->file, sizeof last->file, "%s", h->name ? h->name : "(no name)");
	return last;
}

static int note_hold(void *arg, const struct pf_holder *h)
{
	static const char *const kinds[] = {"map", "pin", "longterm", "read"};
	struct moment *m = arg;
	struct hold *to = hold_of(m, h, kinds[h->kind]);

	if (!to)
		return 0;
	to->bytes += h->bytes;
	m->bytes += h->bytes;
	if (h->pid == m->victim)
		m->victim_bytes += h->bytes;
	return 0;
}

static int larger_first(const void *a, const void *b)
{
	const struct hold *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : x->pid - y->pid;
}

int moment_look(struct moment *m, pf_pool *pool, pid_t victim, double at)
{
	struct pf_info info;

	*m = (struct moment){.at = at, .victim = victim};
	if (pf_holders(pool, note_hold, m) < 0 || pf_info(pool, &info) < 0)
		return -1;
	m->orphan = info.pages_orphan * PF_PAGE_SIZE;
	qsort(m->hold, m->holds, sizeof *m->hold, larger_first);
	return 0;
}

/* ---- a death --------------------------------------------------------------------------------------- */

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

struct search {
	pid_t pid;
	size_t found;
};

static int count_own(void *arg, const struct pf_holder *h)
{
	struct search *s = arg;

	s->found += h->pid == s->pid;
	return 0;
}

static size_t holds_of(pf_pool *pool, pid_t pid)
{
	struct search s = {.pid = pid};

	return pf_holders(pool, count_own, &s) < 0 ? 0 : s.found;
}

/* Before the death of one that held something, more is to be seen. */
static int is_worse(const struct moment *a, const struct moment *b)
{
	if (!a->victim_bytes != !b->victim_bytes)
		return a->victim_bytes != 0;
	return a->orphan != b->orphan ? a->orphan > b->orphan : a->bytes > b->bytes;
}

void report_death(struct report *r, struct moment *m, pf_pool *pool)
{
	double begin = now_ms();
	struct pf_info info;

	r->kills++;
	while (m->victim_bytes && holds_of(pool, m->victim)) {
		if (now_ms() > begin + WAIT_MS) {
			r->late++;
			break;
		}
		nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
	}
	m->back_ms = now_ms() - begin;
	if (pf_info(pool, &info) == 0 && info.pages_quarantine * PF_PAGE_SIZE > r->quarantine)
		r->quarantine = info.pages_quarantine * PF_PAGE_SIZE;
	if (is_worse(m, &r->worst))
		r->worst = *m;
	if (!m->victim_bytes)
		return;
	if (r->holding < KILLS_MAX)
		r->back_ms[r->holding] = m->back_ms;
	r->holding++;
	r->bytes += m->victim_bytes;
	for (size_t i = 0; i < m->holds; i++)
		r->holds += m->hold[i].pid == m->victim;
}

/* ---- telling --------------------------------------------------------------------------------------- */

void report_worst(const struct report *r)
{
	const struct moment *m = &r->worst;

	printf("\nWho held what at the worst moment, %.1f s after the start ('pinfold who POOL' shows it of any pool):\n\n",
	       m->at);
	printf("    PID COMMAND          KIND            KEEPS  FILE\n");
	for (size_t i = 0; i < m->holds && i < LINES; i++)
		printf("%7d %-16s %-8s %12s  %s%s\n", (int)m->hold[i].pid, m->hold[i].command,
		       m->hold[i].kind, amount(m->hold[i].bytes), m->hold[i].file,
		       m->hold[i].pid == m->victim ? "  <- killed next" : "");
	if (m->holds > LINES)
		printf("    and %zu more\n", m->holds - LINES);
	if (!m->holds)
		printf("    nobody held anything\n");
	printf("\n  What has no name was removed or replaced while it was held (run-disk's file never had one); %s was cut off its file.\n"
	       "  All of it stays what it was until its holder lets go.\n",
	       amount(m->orphan));
	if (m->victim_bytes)
		printf("  Then process %d was killed; %.1f ms later the others had given its %s back.\n",
		       (int)m->victim, m->back_ms, amount(m->victim_bytes));
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

void report_kills(struct report *r)
{
	size_t n = r->holding < KILLS_MAX ? r->holding : KILLS_MAX;

	printf("  killed       %s processes; %s of them held something: %s in %s holds\n",
	       number(r->kills), number(r->holding), amount(r->bytes), number(r->holds));
	if (!n)
		return;
	qsort(r->back_ms, n, sizeof *r->back_ms, by_value);
	printf("  came back    %s: whoever was alive gave it back, after %.1f ms (median; at most %.1f ms)\n",
	       r->late ? "not all of it" : "all of it", r->back_ms[n / 2], r->back_ms[n - 1]);
	if (r->quarantine)
		printf("               at most %s was in quarantine, until the kernel was certain to be done with it\n",
		       amount(r->quarantine));
}

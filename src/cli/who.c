/* who: holders, and pages that have left their files. */
#include <string.h>
#include <time.h>

#include "cli/cli.h"

const char *hold_kind(enum pf_hold_kind kind)
{
	static const char *const kinds[] = {"map", "pin", "longterm", "read", "window"};

	return kinds[kind];
}

json_t *holder_object(const struct pf_holder *h)
{
	return json_pack("{s:i, s:o, s:s, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "pid",
			 (int)h->pid, "command", json_text(h->command), "kind", hold_kind(h->kind),
			 "alive", h->alive, "path", json_text(h->name), "inode",
			 (json_int_t)h->inode, "offset", (json_int_t)h->offset, "length",
			 (json_int_t)h->length, "bytes", (json_int_t)h->bytes, "address",
			 (json_int_t)h->address, "leaf", (json_int_t)h->leaf, "since",
			 timestamp(h->since_ns));
}

static int holder_json(void *arg, const struct pf_holder *h)
{
	json_array_append_new(arg, holder_object(h));
	return 0;
}

static int orphan_json(void *arg, const struct pf_orphan *o)
{
	json_array_append_new(arg,
			      json_pack("{s:I, s:o, s:I}", "bytes", (json_int_t)o->bytes, "path",
					json_text(o->name), "inode", (json_int_t)o->inode));
	return 0;
}

static const char *age(uint64_t since_ns)
{
	static char text[32];
	struct timespec ts;
	uint64_t now, s;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	s = since_ns && now > since_ns ? (now - since_ns) / 1000000000u : 0;
	snprintf(text, sizeof text, "%lu:%02lu:%02lu", (unsigned long)(s / 3600),
		 (unsigned long)(s / 60 % 60), (unsigned long)(s % 60));
	return text;
}

struct table {
	int holders, dead;
};

static int print_holder(void *arg, const struct pf_holder *h)
{
	struct table *t = arg;

	t->dead += !h->alive;
	if (!t->holders++)
		printf("%7s %-16s %-8s %10s %12s %12s  %s\n", "PID", "COMMAND", "KIND", "FOR",
		       "OFFSET", "KEEPS", "FILE");
	printf("%7d %-16s %-8s %10s %12lu %12s  %s", (int)h->pid, printable(h->command),
	       hold_kind(h->kind), age(h->since_ns), (unsigned long)h->offset, human(h->bytes),
	       h->name ? printable(h->name) : "(removed)");
	if (h->address)
		printf(" at %#lx", (unsigned long)h->address);
	puts(h->alive ? "" : "  (dead, not yet reaped)");
	return 0;
}

static int print_orphan(void *arg, const struct pf_orphan *o)
{
	int *lines = arg;

	if (!(*lines)++)
		puts("held, but no longer in a file:");
	printf("  %12s  of %s\n", human(o->bytes), o->name ? printable(o->name) : "a removed file");
	return 0;
}

static int who(pf_pool *pool, const char *path, bool json)
{
	json_t *holders = json_array(), *orphans = json_array();
	struct pf_info info;
	struct table table = {0};
	int more = 0, rc;

	rc = pf_holders(pool, json ? holder_json : print_holder, json ? (void *)holders : &table);
	if (rc == 0)
		rc = pf_orphans(pool, json ? orphan_json : print_orphan,
				json ? (void *)orphans : &more);
	if (rc == 0)
		rc = pf_info(pool, &info);
	if (rc == 0 && json)
		return print_json(json_pack("{s:i, s:o, s:o, s:I}", "schema", 1, "holders", holders,
					    "orphans", orphans, "quarantine",
					    (json_int_t)info.pages_quarantine * PF_PAGE_SIZE));
	json_decref(holders);
	json_decref(orphans);
	if (rc < 0)
		return complain("%s", pf_message());
	if (!table.holders)
		puts("nobody holds anything");
	if (table.dead)
		printf("'pinfold reap %s' gives back what the dead held; others that have the pool open do, too\n",
		       path);
	if (info.pages_quarantine)
		printf("in quarantine: %s\n", human(info.pages_quarantine * PF_PAGE_SIZE));
	return finish_output();
}

static int run_who(const struct options *o, char **operands, int count)
{
	pf_pool *pool = open_pool(operands[0], PF_POOL_NO_THREAD);
	int rc;

	(void)count;
	if (!pool)
		return EXIT_FAILED;
	rc = who(pool, operands[0], o->json);
	pf_pool_close(pool);
	return rc;
}

const struct command cmd_who = {"who",
				"json",
				1,
				1,
				run_who,
				"shows who holds what, and what is held but has left its file\n"
				"usage: pinfold who POOL [--json]\n"
				"Example: pinfold who /dev/shm/pool"};

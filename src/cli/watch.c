/* watch: waits for changes of a directory, and says which names came, went, or lead elsewhere. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

struct name {
	char *text;
	uint64_t inode, generation;
};

struct list {
	struct name *at;
	size_t count, room;
};

static void empty(struct list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->at[i].text);
	free(l->at);
	*l = (struct list){0};
}

static bool add(struct list *l, const char *name, const struct pf_stat *stat)
{
	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct name *grown = realloc(l->at, room * sizeof *grown);

		if (!grown)
			return false;
		l->at = grown;
		l->room = room;
	}
	l->at[l->count] = (struct name){strdup(name), stat->inode, stat->generation};
	return l->at[l->count].text && ++l->count;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* The names as they are now. One that goes between being read and being looked at is not there. */
static int read_names(pf_file *dir, struct list *l)
{
	struct pf_entry entry = {.cursor = 0};
	int rc;

	while ((rc = pf_readdir(dir, entry.cursor, &entry)) == 1) {
		struct pf_stat stat;

		if (pf_statat(dir, entry.name, PF_O_NOFOLLOW, &stat) < 0)
			continue;
		if (!add(l, entry.name, &stat))
			return complain("out of memory");
	}
	if (rc < 0)
		return complain_pf("reading the directory");
	if (l->count)
		qsort(l->at, l->count, sizeof *l->at, by_name);
	return EXIT_FINE;
}

/* One line for each change, also as JSON: who reads them need not know where a document ends. */
static void tell(const struct options *o, const char *event, char mark, const struct name *n)
{
	json_t *document;

	if (!o->json) {
		printf("%c %s\n", mark, printable(n->text));
		return;
	}
	document = json_pack("{s:i, s:s, s:o, s:I}", "schema", 1, "event", event, "name",
			     json_text(n->text), "inode", (json_int_t)n->inode);
	json_dumpf(document, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(document);
}

/* What is in one list and not in the other; both are in the order of names. How many changes. */
static unsigned compare(const struct options *o, const struct list *old, const struct list *new)
{
	unsigned changes = 0;
	size_t i = 0, k = 0;

	while (i < old->count || k < new->count) {
		int order = i == old->count   ? 1
			    : k == new->count ? -1
					      : by_name(&old->at[i], &new->at[k]);

		if (order < 0)
			tell(o, "removed", '-', &old->at[i]);
		else if (order > 0)
			tell(o, "added", '+', &new->at[k]);
		else if (old->at[i].inode != new->at[k].inode ||
			 old->at[i].generation != new->at[k].generation)
			tell(o, "replaced", '=', &new->at[k]);
		else
			changes--;
		changes++;
		i += order <= 0;
		k += order >= 0;
	}
	return changes;
}

/* Until it is to end. A change that is gone again when it is looked at is none. */
static int watch(const struct options *o, pf_file *dir)
{
	struct list old = {0}, new = {0};
	uint64_t seen = 0;
	bool changed = false;
	int rc = pf_watch(dir, &seen, 0);

	if (rc < 0)
		return complain_pf("watching");
	rc = read_names(dir, &old);
	while (rc == EXIT_FINE) {
		int woken = pf_watch(dir, &seen, (int)o->timeout_ms);
		unsigned changes;

		if (woken < 0)
			rc = complain_pf("watching");
		if (woken <= 0 || (rc = read_names(dir, &new)) != EXIT_FINE)
			break;
		changes = compare(o, &old, &new);
		empty(&old);
		old = new;
		new = (struct list){0};
		changed |= changes;
		rc = finish_output();
		if (changes && o->once)
			break;
	}
	empty(&old);
	empty(&new);
	return rc == EXIT_FINE && o->once && !changed ? EXIT_FAILED : rc;
}

static int run_watch(const struct options *o, char **operands, int count)
{
	char *path, *pool_path;
	pf_pool *pool;
	pf_file *dir;
	int rc;

	(void)count;
	if (!split_operand(operands[0], &pool_path, &path))
		return complain_operand(operands[0]);
	pool = open_pool(pool_path, PF_POOL_NO_THREAD);
	if (!pool)
		return EXIT_FAILED;
	rc = pf_open(pool, path, PF_O_RDONLY | PF_O_DIRECTORY, 0, &dir);
	rc = rc < 0 ? complain_pf(path) : watch(o, dir);
	pf_pool_close(pool);
	return rc;
}

const struct command cmd_watch = {
	"watch",
	"json once watch.timeout",
	1,
	1,
	run_watch,
	"waits until a directory changes, and says what came and went\n"
	"usage: pinfold watch POOL:/directory [--once] [--timeout MILLISECONDS] [--json]\n"
	"Prints '+ NAME' for what came, '- NAME' for what went, '= NAME' for what was replaced, until it is interrupted. With --json one\n"
	"document for each change. With --once it ends with 1 if nothing changed within --timeout.\n"
	"Example: pinfold watch /dev/shm/pool:/ --once & sleep 1; pinfold touch /dev/shm/pool:/new; wait $!"};

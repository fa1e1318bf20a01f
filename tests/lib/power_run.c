/* See power_run.h. */
#include "power_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool.h"

#define OPS_MAX 2u

/* Operations of one recording, and the tree before and after each; middle[i]: while the i-th is under way. */
struct round {
	unsigned count;
	struct op op[OPS_MAX];
	struct tree tree[OPS_MAX + 1], middle[OPS_MAX];
};

static struct round round_;
static struct tree now_;

/* Operation i is between marks 2 i + 1 and 2 i + 2. */
static bool judge(void *arg, const struct power_image *image, unsigned marks, char why[200])
{
	const struct round *r = arg;
	unsigned i = marks / 2;
	char other[200];
	bool good = tree_is(&r->tree[i], image, why);

	if (!good && marks % 2)
		good = tree_is(&r->middle[i], image, other) ||
		       tree_is(&r->tree[i + 1], image, other);
	if (!good) {
		for (unsigned n = 0; n < r->count; n++)
			op_print(&r->op[n]);
		if (marks % 2)
			fprintf(stderr, "nor: %s\n", other);
	}
	return good;
}

/* The operations of the round, from the tree as it is. */
static void record_and_cut(pf_pool *pool, struct test_random *chance, unsigned bound,
			   unsigned samples)
{
	struct round *r = &round_;

	r->tree[0] = now_;
	for (unsigned i = 0; i < r->count; i++) {
		r->tree[i + 1] = r->tree[i];
		op_model(&r->op[i], &r->tree[i + 1], &r->middle[i]);
		power_mark();
		op_run(pool, &r->op[i]);
		power_mark();
	}
	power_end();
	now_ = r->tree[r->count];
	power_cuts(chance, bound, samples, judge, r);
	power_record();
}

static pf_pool *new_pool(void)
{
	const char *path = pool_make("power", 16);

	tree_end();
	tree_init(&now_);
	power_device(path);
	return pool_open(path);
}

/* Closing it changes nothing of the tree. */
static void end_pool(pf_pool *pool, struct test_random *chance, unsigned bound, unsigned samples)
{
	power_end();
	pool_check(pool, "the operations");
	round_.count = 0;
	round_.tree[0] = now_;
	power_closing();
	OK(pf_pool_close(pool));
	power_end();
	power_cuts(chance, bound, samples, judge, &round_);
	power_done();
	must(unlink(test_path("power")) == 0);
}

/* ---- alone -------------------------------------------------------------------------------------------- */

static void do_now(pf_pool *pool, struct op op)
{
	struct tree middle;

	op_model(&op, &now_, &middle);
	op_run(pool, &op);
}

static void do_some(pf_pool *pool, const struct op *ops, size_t count)
{
	for (size_t i = 0; i < count; i++)
		do_now(pool, ops[i]);
}

/* A few of everything. Among the first free nodes are some that are full of what they were before. */
static const struct op first_ops[] = {
	{.kind = OP_CREATE, .path = "file"},
	{.kind = OP_WRITE, .path = "file", .length = 9000, .fill = 1},
	{.kind = OP_CREATE, .path = "other"},
	{.kind = OP_SYMLINK, .path = "used", .length = 1000},
	{.kind = OP_SYMLINK, .path = "used too", .length = 1000},
	{.kind = OP_SYMLINK, .path = "and used", .length = 1000},
	{.kind = OP_SYMLINK, .path = "and too", .length = 1000},
	{.kind = OP_WRITE, .path = "other", .length = 70000, .fill = 2},
	{.kind = OP_TRUNCATE, .path = "other", .length = 5000},
	{.kind = OP_MKDIR, .path = "dir"},
	{.kind = OP_MKDIR, .path = "empty"},
	{.kind = OP_CREATE, .path = "dir/in"},
	{.kind = OP_SYMLINK, .path = "short", .length = 20},
	{.kind = OP_SYMLINK, .path = "dir/long", .length = 500},
	{.kind = OP_SETXATTR, .path = "file", .length = 100},
	{.kind = OP_UNLINK, .path = "used"},
	{.kind = OP_UNLINK, .path = "used too"},
	{.kind = OP_UNLINK, .path = "and used"},
	{.kind = OP_UNLINK, .path = "and too"},
};

/* Files with nodes below the root. */
static const struct op tree_ops[] = {
	{.kind = OP_WRITE, .path = "file", .offset = 100000, .length = 30000, .fill = 3},
	{.kind = OP_WRITE, .path = "file", .offset = 6000000, .length = 1, .fill = 3},
	{.kind = OP_ALLOCATE_KEEP, .path = "other", .offset = 8192, .length = 300000},
	{.kind = OP_PUNCH, .path = "file", .offset = 4096, .length = 8192},
};

#define FULL_BUCKET 62u
#define STATES      3u

/* 0: these; 1: and so many names that no more goes into the directories' buckets; 2: and files with trees. */
static void start_state(pf_pool *pool, unsigned state)
{
	do_some(pool, first_ops, ARRAY_SIZE(first_ops));
	for (unsigned i = 0; state == 1 && i < FULL_BUCKET - 5; i++) {
		struct op op = {.kind = OP_CREATE};

		sprintf(op.path, "n%u", i);
		do_now(pool, op);
	}
	if (state == 2)
		do_some(pool, tree_ops, ARRAY_SIZE(tree_ops));
}

static const struct op alone[] = {
	{.kind = OP_CREATE, .path = "new"},
	{.kind = OP_CREATE, .path = "empty/new"},
	{.kind = OP_MKDIR, .path = "new"},
	{.kind = OP_SYMLINK, .path = "new", .length = 50},
	{.kind = OP_SYMLINK, .path = "new", .length = 700},
	{.kind = OP_TMPFILE, .path = "/", .to = "new", .length = 3000, .fill = 7},
	{.kind = OP_PUBLISH, .path = "/", .to = "file", .length = 3000, .fill = 7},
	{.kind = OP_LINK, .path = "file", .to = "dir/new"},
	{.kind = OP_UNLINK, .path = "file"},
	{.kind = OP_UNLINK, .path = "dir/long"},
	{.kind = OP_RMDIR, .path = "empty"},
	{.kind = OP_RENAME, .path = "file", .to = "new"},
	{.kind = OP_RENAME, .path = "file", .to = "empty/new"},
	{.kind = OP_RENAME, .path = "file", .to = "other"},
	{.kind = OP_RENAME, .path = "dir", .to = "empty"},
	{.kind = OP_RENAME, .path = "dir", .to = "empty/new"},
	{.kind = OP_EXCHANGE, .path = "file", .to = "dir/in"},
	{.kind = OP_EXCHANGE, .path = "dir/long", .to = "empty"},
	{.kind = OP_WRITE, .path = "dir/in", .length = 100, .fill = 8},
	{.kind = OP_WRITE, .path = "file", .offset = 4000, .length = 300, .fill = 8},
	{.kind = OP_WRITE, .path = "file", .offset = 8192, .length = 4096, .fill = 8},
	{.kind = OP_WRITE, .path = "other", .offset = 20000, .length = 100, .fill = 8},
	{.kind = OP_WRITE, .path = "file", .offset = 60000, .length = 9000, .fill = 8},
	{.kind = OP_WRITE, .path = "dir/in", .offset = 3000000, .length = 1, .fill = 8},
	{.kind = OP_APPEND, .path = "file", .length = 200, .fill = 9},
	{.kind = OP_APPEND, .path = "file", .length = 70000, .fill = 9},
	{.kind = OP_APPEND, .path = "other", .length = 5000, .fill = 9},
	{.kind = OP_TRUNCATE, .path = "file", .length = 0},
	{.kind = OP_TRUNCATE, .path = "file", .length = 5000},
	{.kind = OP_TRUNCATE, .path = "other", .length = 9000},
	{.kind = OP_PUNCH, .path = "file", .offset = 1000, .length = 100},
	{.kind = OP_PUNCH, .path = "file", .offset = 0, .length = 6000},
	{.kind = OP_ALLOCATE, .path = "file", .offset = 0, .length = 20000},
	{.kind = OP_ALLOCATE_KEEP, .path = "file", .offset = 0, .length = 20000},
	{.kind = OP_ALLOCATE_ZERO, .path = "file", .offset = 100, .length = 8000},
	{.kind = OP_CHMOD, .path = "file", .length = 0640},
	{.kind = OP_SETXATTR, .path = "dir/in", .length = 60},
	{.kind = OP_SETXATTR, .path = "file", .length = 1000},
	{.kind = OP_REMOVEXATTR, .path = "file"},
	{.kind = OP_COMPACT},
};

void power_each(struct test_random *chance, unsigned bound, unsigned samples, bool all_states)
{
	unsigned by_chance = (unsigned)test_below(chance, STATES);

	for (unsigned state = 0; state < STATES; state++)
		for (size_t i = 0; i < ARRAY_SIZE(alone); i++) {
			pf_pool *pool;

			if (!all_states && (i + by_chance) % STATES != state)
				continue;
			pool = new_pool();
			start_state(pool, state);
			power_begin(pool);
			round_.count = 1;
			round_.op[0] = alone[i];
			record_and_cut(pool, chance, bound, samples);
			end_pool(pool, chance, bound, samples);
		}
}

/* ---- pairs -------------------------------------------------------------------------------------------- */

static bool nearly_full(pf_pool *pool)
{
	struct pf_info info = pool_info(pool);
	unsigned names = 0;

	for (unsigned i = 0; i < now_.names; i++)
		names += now_.name[i].name != NULL;
	return names > 150 || info.pages_free < info.pages_total / 2;
}

void power_pairs(struct test_random *chance, unsigned bound, unsigned samples, bool (*enough)(void))
{
	while (!enough()) {
		pf_pool *pool = new_pool();

		start_state(pool, (unsigned)test_below(chance, STATES));
		power_begin(pool);
		for (unsigned n = 0; n < 60 && !enough() && !nearly_full(pool); n++) {
			struct tree middle, tree = now_;

			round_.count = OPS_MAX;
			for (unsigned i = 0; i < OPS_MAX; i++) {
				op_random(&round_.op[i], &tree, chance,
					  test_below(chance, 8) ? 40000 : 150000);
				op_model(&round_.op[i], &tree, &middle);
			}
			record_and_cut(pool, chance, bound, samples);
		}
		end_pool(pool, chance, bound, samples);
	}
	tree_end();
}

void power_print(void)
{
	const struct power_counts *c = &power_counts;

	printf("%lu moments; %lu images recovered, %lu of them distinct, to %lu results; %lu after a power cut "
	       "in recovery too; %lu opened as pools\n",
	       c->moments, c->recovered, c->distinct, c->results, c->again, c->opened);
}

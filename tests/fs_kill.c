/*
 * A process killed at every step of every operation on metadata, and another one at a random step of settling it: afterwards it has happened
 * whole or not at all, and nothing leaked.
 */
/* test: suite=short timeout=300 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "test.h"

static struct box box;
static struct test_random chance;
static uint32_t file, other;
static bool skip_other; /* what a bystander did to it is not looked at */

/* ---- what the file system is, as text ----------------------------------------------------------------- */

static char *end_of(char *text)
{
	return text + strlen(text);
}

static void describe_map(char *text, uint32_t ino)
{
	uint64_t index = 0, pfn;

	for (; (index = fs_next_entry(&box.fs, ino, index, FILE_PAGES_MAX)) < FILE_PAGES_MAX;
	     index++)
		if (index % 512 < 20) { /* enough of each block */
			fs_entry(&box.fs, ino, index, &pfn);
			sprintf(end_of(text), " %lu:%lu", (unsigned long)index, (unsigned long)pfn);
		}
	sprintf(end_of(text), " of %lu\n", (unsigned long)fs_pages(&box.fs, ino));
}

static void describe(char *text)
{
	text[0] = 0;
	for (uint32_t ino = 1; ino < fs_inodes_high(&box.fs); ino++) {
		struct inode_attr a;
		bool sure;

		must_be(fs_attr(&box.fs, ino, &a), 0);
		if (a.state == INODE_FREE || (skip_other && ino == other))
			continue;
		sprintf(end_of(text), "%s state %u found %d:", a.name, (unsigned)a.state,
			fs_lookup(&box.fs, a.name, &sure) == ino);
		must(sure);
		describe_map(text, ino);
	}
}

/* ---- operations --------------------------------------------------------------------------------------- */

static void lock(uint32_t ino)
{
	must_be(rt_lock(box.me, &fs_state(&box.fs, ino)->lock), 0);
}

static void unlock(uint32_t ino)
{
	rt_unlock(box.me, &fs_state(&box.fs, ino)->lock);
}

static void lock_names(void)
{
	must_be(rt_lock(box.me, &box.fs.shared->names), 0);
}

static void unlock_names(void)
{
	rt_unlock(box.me, &box.fs.shared->names);
}

static void add_to(uint32_t ino, uint64_t index, unsigned order, uint64_t page)
{
	lock(ino);
	must_be(box_add(&box, ino, index, order, page), 0);
	unlock(ino);
}

static void add(uint64_t index, unsigned order, uint64_t page)
{
	add_to(file, index, order, page);
}

static void cut(uint64_t index, uint64_t pages)
{
	lock(file);
	box_cut(&box, file, index, pages);
	unlock(file);
}

static void mark_evicting(void)
{
	struct inode_attr attr;
	struct journal_tx tx;

	must_be(fs_attr(&box.fs, file, &attr), 0);
	attr.state = INODE_EVICTING;
	journal_begin(&tx, box.me);
	fs_attr_set(&box.fs, &tx, file, &attr);
	journal_commit(&box.fs.journal, &tx);
}

static void nothing(void)
{
}

static void do_create(void)
{
	lock_names();
	must(fs_create(&box.fs, box.me, "new", 1, 2, 3) > 0);
	unlock_names();
}

static void do_unlink(void)
{
	lock_names();
	lock(file);
	fs_unlink(&box.fs, box.me, file);
	unlock(file);
	unlock_names();
}

static void do_rename(void)
{
	lock_names();
	lock(file);
	fs_rename(&box.fs, box.me, file, "to", 0);
	unlock(file);
	unlock_names();
}

static void do_replace(void)
{
	lock_names();
	lock(file);
	fs_rename(&box.fs, box.me, file, "other", other);
	unlock(file);
	unlock_names();
}

static void has_inline(void)
{
	add(2, 1, 2);
	add(9, 0, 5);
}

static void do_add_inline(void)
{
	add(4, 2, 8);
}

static void do_add_tree(void)
{
	add(16, 3, 16);
}

static void has_tree(void)
{
	has_inline();
	add(16, 3, 16);
}

static void do_add_far(void)
{
	add(3ul << 18, 0, 99);
}

static void do_add_leaf(void)
{
	add(0, 9, 0);
}

static void has_leaf(void)
{
	add(512, 9, 0);
}

static void do_cut_leaf(void)
{
	cut(512, 512);
}

static void do_break_leaf(void)
{
	cut(514, 5);
}

static void do_cut_inline(void)
{
	cut(2, 2);
}

static void is_evicting(void)
{
	add(16, 0, 1);
	add(1ul << 18, 0, 2);
	add(512 * 3, 0, 3);
	cut(16, 1);
	cut(1ul << 18, 1);
	cut(512 * 3, 1);
	do_unlink();
	mark_evicting();
}

static void do_evict(void)
{
	lock(file);
	must_be(fs_evict(&box.fs, box.me, file), 0);
	unlock(file);
}

/* More than half of the numbers are in use, and the cursor is at the last. */
static void has_many(void)
{
	char name[16];

	lock_names();
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "many%u", i);
		must(fs_create(&box.fs, box.me, name, 0, 0, 0) > 0);
	}
	store_relaxed(&box.fs.shared->inode_cursor, 512);
	unlock_names();
}

static const struct operation {
	const char *name;
	void (*prepare)(void);
	void (*run)(void);
	bool always;    /* what is left is finished by who settles it */
	bool bystander; /* another file may be changed before the dead are settled */
} operations[] = {
	{"create", nothing, do_create, false, false},
	{"create with a new number", has_many, do_create, false, false},
	{"unlink", has_inline, do_unlink, false, false},
	{"rename", nothing, do_rename, false, false},
	{"replace", nothing, do_replace, false, false},
	{"add inline", has_inline, do_add_inline, false, true},
	{"first node", has_inline, do_add_tree, false, true},
	{"deeper tree", has_tree, do_add_far, false, true},
	{"add leaf", nothing, do_add_leaf, false, true},
	{"remove leaf", has_leaf, do_cut_leaf, false, true},
	{"part of a leaf", has_leaf, do_break_leaf, false, true},
	{"remove inline", has_inline, do_cut_inline, false, true},
	{"evict", is_evicting, do_evict, true, true},
};

/* ---- the test ----------------------------------------------------------------------------------------- */

static void prepare(const struct operation *op)
{
	box_make(&box, 16 << 20, 1024, 0);
	box_open(&box);
	file = box_create(&box, "file");
	other = box_create(&box, "other");
	op->prepare();
}

struct child {
	const struct operation *op; /* NULL: settles */
	long kill_at;
};

static int run_child(void *arg)
{
	struct child *c = arg;

	box_open(&box);
	box_kill_at(c->kill_at);
	if (c->op)
		c->op->run();
	else
		box_reap(&box);
	return 0;
}

static int run_killed(const struct operation *op, long n)
{
	struct child c = {op, n};

	return test_wait(test_fork(run_child, &c), TEST_PATIENCE);
}

static char before[1 << 16], after[1 << 16], now[1 << 16];

static void what_it_does(const struct operation *op)
{
	prepare(op);
	describe(before);
	op->run();
	describe(after);
	box_check(&box);
	box_end(&box);
	must(strcmp(before, after));
}

/* Takes nodes, perhaps the one that the dead process had in hand. */
static void bystander(void)
{
	add_to(other, 600, 0, 1500);
	add_to(other, 1ul << 18, 0, 1501);
}

/* True if it was killed; false: there are fewer steps. */
static bool one_kill(const struct operation *op, long n)
{
	int status;

	prepare(op);
	status = run_killed(op, n);
	must(status == 0 || status == 256 + SIGKILL);
	if (op->bystander && test_below(&chance, 2))
		bystander();
	if (test_below(&chance, 2))
		run_killed(NULL, (long)test_below(&chance,
						  30)); /* the first to settle it is killed too */
	box_reap(&box);
	describe(now);
	if (strcmp(now, after) && (op->always || status == 0 || strcmp(now, before)))
		test_fail(__FILE__, __LINE__, "%s killed at step %ld:\n%sbefore:\n%safter:\n%s",
			  op->name, n, now, before, after);
	box_check(&box);
	/* And it can be used: by the same operation, if it has not happened. */
	if (!strcmp(now, before))
		op->run();
	describe(now);
	must(!strcmp(now, after));
	box_check(&box);
	box_end(&box);
	return status != 0;
}

int main(void)
{
	test_dir();
	if (!box_kill_at(-1))
		skip("this build has no steps");
	chance.state = test_seed();
	for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
		long n = 0;

		skip_other = operations[i].bystander;
		what_it_does(&operations[i]);
		while (one_kill(&operations[i], n))
			n++;
		printf("%s: %ld steps\n", operations[i].name, n);
		must(n > 5);
	}
	return 0;
}

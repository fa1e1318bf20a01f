/*
 * A process killed at every step of every operation on metadata, and another one at a random step of settling it: afterwards it has happened
 * whole or not at all, and nothing leaked.
 */
/* test: suite=short timeout=300 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "box.h"
#include "format/xattr_format.h"
#include "test.h"

static struct box box;
static struct test_random chance;
static uint32_t file, other, directory;
static uint32_t evicted;
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

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* All names of a directory, sorted: their keys are others in every file system. */
static void describe_names(char *text, uint32_t dir)
{
	struct dir_name names[FS_DIR_READ];
	char(*all)[16] = calloc(1000, sizeof *all);
	uint64_t key = 0;
	size_t count = 0;
	bool sure;

	must(all);
	while (key < 1ull << DIR_KEY_BITS) {
		unsigned n = fs_dir_read(&box.fs, dir, key, names, &key, &sure);

		must(sure);
		for (unsigned i = 0; i < n; i++)
			snprintf(all[count++], sizeof *all, "%.15s", names[i].name);
	}
	qsort(all, count, sizeof *all, by_name);
	for (size_t i = 0; i < count; i++)
		sprintf(end_of(text), " %s", all[i]);
	free(all);
}

static void describe_inode(char *text, uint32_t ino)
{
	char path[PF_PATH_MAX + 1];
	struct xattr_page page;
	struct inode_attr a;

	must_be(fs_attr(&box.fs, ino, &a), 0);
	if (a.state == INODE_FREE || (skip_other && ino == other))
		return;
	if (!fs_path(&box.fs, ino, a.generation, path, sizeof path))
		strcpy(path, "something whose name was given to another");
	sprintf(end_of(text), "%.40s mode %o state %u links %u size %lu:", path, a.mode,
		(unsigned)a.state, a.nlink, (unsigned long)a.size);
	must_be(fs_xattr_read(&box.fs, ino, &page), 0);
	sprintf(end_of(text), " attributes %u of %u bytes ", page.count, page.used);
	if (S_ISDIR(a.mode))
		describe_names(text, ino);
	if (S_ISLNK(a.mode))
		sprintf(end_of(text), " says %d", fs_link_read(&box.fs, ino, path));
	if (S_ISREG(a.mode))
		describe_map(text, ino);
	strcat(text, "\n");
}

static void describe(char *text)
{
	text[0] = 0;
	for (uint32_t ino = 1; ino < fs_inodes_high(&box.fs); ino++)
		describe_inode(text, ino);
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

/* In order of their numbers; 0: none. */
static void lock_all(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t inos[] = {a, b, c};

	for (unsigned i = 0; i < 3; i++)
		if (inos[i])
			lock(inos[i]);
}

static void unlock_all(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t inos[] = {c, b, a};

	for (unsigned i = 0; i < 3; i++)
		if (inos[i])
			unlock(inos[i]);
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

static void nothing(void)
{
}

static void make(uint32_t dir, const char *name, uint32_t mode, const char *target)
{
	int64_t ino;

	lock(dir);
	ino = fs_pick(&box.fs, box.me);
	must(ino > 0);
	lock((uint32_t)ino);
	must_be(fs_make(&box.fs, box.me,
			&(struct fs_new){.ino = (uint32_t)ino,
					 .dir = dir,
					 .name = name,
					 .length = strlen(name),
					 .mode = mode,
					 .target = target}),
		0);
	fs_note_use(&box.fs, (uint32_t)ino);
	unlock((uint32_t)ino);
	unlock(dir);
}

static void do_create(void)
{
	make(ROOT_INO, "new", S_IFREG | 1, NULL);
}

static void do_mkdir(void)
{
	make(ROOT_INO, "new", S_IFDIR | 1, NULL);
}

static void do_create_below(void)
{
	make(directory, "new", S_IFREG | 1, NULL);
}

static void do_symlink(void)
{
	make(ROOT_INO, "new", S_IFLNK | 0777, "other");
}

static void do_long_symlink(void)
{
	char target[LINK_INLINE + 2];

	memset(target, 't', sizeof target);
	target[sizeof target - 1] = 0;
	make(ROOT_INO, "new", S_IFLNK | 0777, target);
}

static void remove_name(const char *name, uint32_t ino)
{
	lock_all(ROOT_INO, ino, 0);
	box_unlink(&box, ROOT_INO, name);
	unlock_all(ROOT_INO, ino, 0);
}

static void do_unlink(void)
{
	remove_name("file", file);
}

static void do_rmdir(void)
{
	remove_name("directory", directory);
}

static void do_link(void)
{
	lock_all(ROOT_INO, file, 0);
	must_be(fs_link(&box.fs, box.me, ROOT_INO, "second", 6, file, 0), 0);
	unlock_all(ROOT_INO, file, 0);
}

static void do_link_over(void)
{
	lock_all(ROOT_INO, file, other);
	must_be(fs_link(&box.fs, box.me, ROOT_INO, "other", 5, file, other), 0);
	unlock_all(ROOT_INO, file, other);
}

static void rename_to(uint32_t to_dir, const char *from, const char *to, bool exchange)
{
	struct fs_rename r = {.from_dir = ROOT_INO,
			      .to_dir = to_dir,
			      .from = from,
			      .to = to,
			      .from_length = strlen(from),
			      .to_length = strlen(to),
			      .exchange = exchange};

	must_be(fs_rename(&box.fs, box.me, &r), 0);
}

static void do_rename(void)
{
	lock_all(ROOT_INO, file, 0);
	rename_to(ROOT_INO, "file", "to", false);
	unlock_all(ROOT_INO, file, 0);
}

static void do_replace(void)
{
	lock_all(ROOT_INO, file, other);
	rename_to(ROOT_INO, "file", "other", false);
	unlock_all(ROOT_INO, file, other);
}

static void do_exchange(void)
{
	lock_all(ROOT_INO, file, directory);
	rename_to(ROOT_INO, "file", "directory", true);
	unlock_all(ROOT_INO, file, directory);
}

static void do_move(void)
{
	lock_all(ROOT_INO, file, directory);
	rename_to(directory, "file", "moved", false);
	unlock_all(ROOT_INO, file, directory);
}

/* The next name does not fit into the only bucket: it gets a table above it, and is split. */
static void has_full_bucket(void)
{
	char name[16];

	for (unsigned i = 0; i < DIR_GRANULES - DIR_FIRST; i++) {
		snprintf(name, sizeof name, "f%u", i);
		make(directory, name, S_IFREG, NULL);
	}
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

/* value NULL: they go. */
static void set_attributes(const char *value)
{
	struct xattr_page page;

	lock(file);
	xattr_init(&page, file, fs_generation(&box.fs, file));
	must(!value || xattr_add(&page, "user.name", value, strlen(value)));
	must_be(fs_xattr_write(&box.fs, box.me, file, &page, false), 0);
	unlock(file);
}

static void do_first_attributes(void)
{
	set_attributes("first");
}

static void do_other_attributes(void)
{
	set_attributes("another");
}

static void do_remove_attributes(void)
{
	set_attributes(NULL);
}

static void evicting(const char *name, uint32_t ino)
{
	struct inode_attr attr;
	struct journal_tx tx;

	remove_name(name, ino);
	must_be(fs_attr(&box.fs, ino, &attr), 0);
	attr.state = INODE_EVICTING;
	journal_begin(&tx, box.me);
	fs_attr_set(&box.fs, &tx, ino, &attr);
	journal_commit(&box.fs.journal, &tx);
}

static void is_evicting(void)
{
	add(16, 0, 1);
	add(1ul << 18, 0, 2);
	add(512 * 3, 0, 3);
	cut(16, 1);
	cut(1ul << 18, 1);
	cut(512 * 3, 1);
	evicting("file", file);
	evicted = file;
}

static void is_evicting_attributes(void)
{
	do_first_attributes();
	evicting("file", file);
	evicted = file;
}

static void do_evict(void)
{
	lock(evicted);
	must_be(fs_evict(&box.fs, box.me, evicted), 0);
	unlock(evicted);
}

/* More than half of the numbers are in use, and the cursor is at the last. */
static void has_many(void)
{
	char name[16];

	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "many%u", i);
		make(directory, name, S_IFREG, NULL);
	}
	store_relaxed(&box.fs.shared->inode_cursor, 512);
}

/* Its names went, its table and its buckets are still there. */
static void is_evicting_directory(void)
{
	struct fs_place place;
	char name[16];

	has_full_bucket();
	make(directory, "one more", S_IFREG, NULL);
	for (unsigned i = 0; i < DIR_GRANULES - DIR_FIRST; i++) {
		snprintf(name, sizeof name, "f%u", i);
		must(fs_dir_find(&box.fs, directory, name, strlen(name), &place));
		must_be(fs_unlink(&box.fs, box.me, directory, &place), 0);
		box_evict(&box, place.name.ino);
	}
	must(fs_dir_find(&box.fs, directory, "one more", 8, &place));
	must_be(fs_unlink(&box.fs, box.me, directory, &place), 0);
	box_evict(&box, place.name.ino);
	evicting("directory", directory);
	evicted = directory;
}

static void is_evicting_link(void)
{
	do_long_symlink();
	evicted = box_find(&box, ROOT_INO, "new");
	evicting("new", evicted);
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
	{"mkdir", nothing, do_mkdir, false, false},
	{"symlink", nothing, do_symlink, false, false},
	{"long symlink", nothing, do_long_symlink, false, false},
	{"rmdir", nothing, do_rmdir, false, false},
	{"link", nothing, do_link, false, false},
	{"link over", nothing, do_link_over, false, false},
	{"rename", nothing, do_rename, false, false},
	{"replace", nothing, do_replace, false, false},
	{"exchange", nothing, do_exchange, false, false},
	{"move", nothing, do_move, false, false},
	{"first bucket", nothing, do_create_below, false, false},
	{"split", has_full_bucket, do_create_below, false, false},
	{"add inline", has_inline, do_add_inline, false, true},
	{"first node", has_inline, do_add_tree, false, true},
	{"deeper tree", has_tree, do_add_far, false, true},
	{"add leaf", nothing, do_add_leaf, false, true},
	{"remove leaf", has_leaf, do_cut_leaf, false, true},
	{"part of a leaf", has_leaf, do_break_leaf, false, true},
	{"remove inline", has_inline, do_cut_inline, false, true},
	{"evict", is_evicting, do_evict, true, true},
	{"first attributes", nothing, do_first_attributes, false, true},
	{"other attributes", do_first_attributes, do_other_attributes, false, true},
	{"no attributes", do_first_attributes, do_remove_attributes, false, true},
	{"evict attributes", is_evicting_attributes, do_evict, true, true},
	{"evict a directory", is_evicting_directory, do_evict, true, false},
	{"evict a link", is_evicting_link, do_evict, true, false},
};

/* ---- the test ----------------------------------------------------------------------------------------- */

static void prepare(const struct operation *op)
{
	box_make(&box, 16 << 20, 1024, 0);
	box_open(&box);
	file = box_create(&box, "file");
	other = box_create(&box, "other");
	directory = box_make_inode(&box, ROOT_INO, "directory", S_IFDIR | 0755, NULL);
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
	if (strcmp(now, after))
		test_fail(__FILE__, __LINE__,
			  "%s done again after a kill at step %ld:\n%safter:\n%s", op->name, n, now,
			  after);
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

/* See box.h. */
#include "box.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/step.h"
#include "test.h"

void box_make(struct box *box, uint64_t bytes, uint64_t inodes, uint64_t nodes)
{
	struct dev *dev;
	void *meta;

	memset(box, 0, sizeof *box);
	must_be(dev_make_memfd(bytes, true, &dev), 0);
	must_be(super_layout(&box->super, bytes, PAGE_BYTES, inodes), 0);
	if (nodes) {
		must(nodes <= box->super.nodes);
		box->super.nodes = nodes;
	}
	must_be(dev_map(dev, 0, box->super.data_offset, PROT_READ | PROT_WRITE, NULL, &meta), 0);
	fs_mkfs(dev, meta, &box->super, 1000, 1000);
	munmap(meta, box->super.data_offset);
	box->media_fd = dup(dev->fd);
	must(box->media_fd >= 0);
	dev_close(dev);
	must_be(rt_make_memfd(&box->runtime_fd), 0);
}

static int keep_run(void *arg, uint64_t pfn, uint64_t pages, unsigned order, uint32_t ino,
		    uint32_t igen, uint64_t index)
{
	struct box *box = arg;

	box->runs = realloc(box->runs, (box->run_count + 1) * sizeof *box->runs);
	must(box->runs);
	box->runs[box->run_count++] = (struct box_run){pfn, pages, index, ino, igen, order};
	return 0;
}

static int build(void *arg, struct rt *rt, struct rt_self *me)
{
	struct box *box = arg;

	fs_open(&box->fs, box->dev, rt, box->meta, &box->super);
	box->run_count = 0;
	return fs_build(&box->fs, me, keep_run, box);
}

static void unmap(struct box *box)
{
	munmap(box->meta, box->super.data_offset);
	dev_close(box->dev);
	box->rt = NULL;
}

int box_try_open(struct box *box)
{
	struct rt_plan plan = {.limit_ms = 5000, .build = build, .arg = box};
	void *meta;
	int rc;

	must_be(dev_open_fd(box->media_fd, false, true, &box->dev), 0);
	must_be(dev_map(box->dev, 0, box->super.data_offset, PROT_READ | PROT_WRITE, NULL, &meta),
		0);
	box->meta = meta;
	fs_plan(&box->super, &plan);
	rc = rt_attach(box->dev, box->meta, true, box->runtime_fd, &plan, &box->rt);
	if (rc < 0) {
		unmap(box);
		return rc;
	}
	fs_open(&box->fs, box->dev, box->rt, box->meta, &box->super);
	box->me = rt_self_get(box->rt);
	must(box->me);
	return 0;
}

void box_open(struct box *box)
{
	must_be(box_try_open(box), 0);
}

static int finish(void *arg, struct rt_self *me)
{
	(void)arg;
	(void)me;
	return 0;
}

void box_close(struct box *box)
{
	rt_detach(box->rt, finish, NULL);
	unmap(box);
}

void box_end(struct box *box)
{
	if (box->rt)
		box_close(box);
	close(box->media_fd);
	close(box->runtime_fd);
	free(box->runs);
}

uint64_t box_first_pfn(const struct box *box)
{
	return box->super.data_offset / PAGE_BYTES;
}

/* ---- operations ------------------------------------------------------------------------------------- */

uint32_t box_create(struct box *box, const char *name)
{
	return box_make_inode(box, ROOT_INO, name, S_IFREG | 0644, NULL);
}

uint32_t box_make_inode(struct box *box, uint32_t dir, const char *name, uint32_t mode,
			const char *target)
{
	int64_t ino = fs_pick(&box->fs, box->me);
	struct fs_new new = {.ino = (uint32_t)ino,
			     .dir = dir,
			     .name = name,
			     .length = strlen(name),
			     .mode = mode,
			     .uid = 1000,
			     .gid = 1000,
			     .target = target};

	must(ino > 0);
	must_be(fs_make(&box->fs, box->me, &new), 0);
	fs_note_use(&box->fs, (uint32_t)ino);
	return (uint32_t)ino;
}

uint32_t box_find(struct box *box, uint32_t dir, const char *name)
{
	struct fs_place place;

	return fs_dir_find(&box->fs, dir, name, strlen(name), &place) ? place.name.ino : 0;
}

void box_unlink(struct box *box, uint32_t dir, const char *name)
{
	struct fs_place place;

	must(fs_dir_find(&box->fs, dir, name, strlen(name), &place));
	must_be(fs_unlink(&box->fs, box->me, dir, &place), 0);
}

int box_add(struct box *box, uint32_t ino, uint64_t index, unsigned order, uint64_t page)
{
	struct journal_tx tx;
	int rc;

	journal_begin(&tx, box->me);
	rc = fs_entry_add(&box->fs, &tx, ino, index, order, ENTRY_LEAF, box_first_pfn(box) + page);
	if (rc == 0)
		journal_commit(&box->fs.journal, &tx);
	return rc;
}

void box_cut(struct box *box, uint32_t ino, uint64_t index, uint64_t pages)
{
	struct journal_tx tx;

	journal_begin(&tx, box->me);
	must_be(fs_entry_remove(&box->fs, &tx, ino, index, pages), 0);
	journal_commit(&box->fs.journal, &tx);
	fs_node_linked(box->me);
}

void box_evict(struct box *box, uint32_t ino)
{
	char path[PF_PATH_MAX + 1], *name;
	struct inode_attr attr;
	struct journal_tx tx;

	must_be(fs_attr(&box->fs, ino, &attr), 0);
	if (attr.state == INODE_NAMED) {
		must(fs_path(&box->fs, ino, attr.generation, path, sizeof path));
		name = strrchr(path, '/');
		box_unlink(box, attr.parent, name ? name + 1 : path);
	}
	must_be(fs_attr(&box->fs, ino, &attr), 0);
	if (attr.state == INODE_FREE)
		return; /* there was nothing to give back */
	must_be(attr.state, INODE_UNNAMED);
	attr.state = INODE_EVICTING;
	journal_begin(&tx, box->me);
	fs_attr_set(&box->fs, &tx, ino, &attr);
	journal_commit(&box->fs.journal, &tx);
	must_be(fs_next_unfinished(&box->fs, ino), ino);
	must_be(fs_evict(&box->fs, box->me, ino), 0);
}

/* ---- the dead --------------------------------------------------------------------------------------- */

/* Takes the lock of each inode a dead row named, as its next user would. */
static void settle_inode(struct box *box, uint32_t ino)
{
	struct fs_inode *state = fs_state(&box->fs, ino);
	struct rt_cursor c = {0};
	struct inode_attr attr;
	struct rt_row *row;

	must(rt_lock(box->me, &state->lock) >= 0);
	while ((row = rt_next_row(box->rt, &c)))
		if (rt_slot_state(c.word) == RT_SLOT_DEAD && load_acquire(&row->node.set) &&
		    load_relaxed(&row->node.ino) == ino)
			must_be(fs_node_resolve(&box->fs, box->me, row), 0);
	fs_note_use(&box->fs, ino);
	fs_dir_end(&box->fs, ino);
	must_be(fs_attr(&box->fs, ino, &attr), 0);
	if (attr.state == INODE_EVICTING)
		must_be(fs_evict(&box->fs, box->me, ino), 0);
	rt_unlock(box->me, &state->lock);
}

void box_reap(struct box *box)
{
	for (unsigned s = 0; s < rt_slots_used(box->rt); s++) {
		uint64_t word = load_acquire(&rt_slot_at(box->rt, s)->word);

		if (s == box->rt->slot || rt_slot_state(word) == RT_SLOT_FREE ||
		    !rt_slot_bury(box->rt, s) || !rt_reap_lock(box->me, s, rt_slot_epoch(word)))
			continue;
		journal_settle(&box->fs.journal, box->me, true);
		for (uint32_t ino = 1; ino < fs_inodes_high(&box->fs); ino++)
			settle_inode(box, ino);
		rt_slot_free(box->me, s);
		rt_reap_unlock(box->me, s);
	}
}

/* ---- checking --------------------------------------------------------------------------------------- */

static void complain(void *arg, const char *rule, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s: %s\n", rule, text);
}

void box_check(struct box *box)
{
	struct report report = {.each = complain};
	uint64_t length = box->super.bytes;
	void *base = mmap(NULL, length, PROT_READ, MAP_SHARED, box->media_fd, 0);

	must(base != MAP_FAILED);
	fs_check_media(base, length, &report);
	munmap(base, length);
	if (box->rt)
		fs_check_runtime(&box->fs, box->me, &report);
	must_be(report.violations, 0);
}

struct first {
	char *rule, *text;
	size_t rule_size, text_size;
};

static void keep_first(void *arg, const char *rule, const char *text)
{
	struct first *first = arg;

	if (first->rule[0])
		return;
	snprintf(first->rule, first->rule_size, "%s", rule);
	snprintf(first->text, first->text_size, "%s", text);
}

unsigned long box_fsck(const void *base, uint64_t length, char *rule, size_t rule_size, char *text,
		       size_t text_size)
{
	struct first first = {rule, text, rule_size, text_size};
	struct report report = {.each = keep_first, .arg = &first};

	rule[0] = text[0] = 0;
	fs_check_media(base, length, &report);
	return report.violations;
}

/* ---- steps ------------------------------------------------------------------------------------------ */

static long kill_at, steps;

#ifdef PF_STEPS
static void count_step(const char *name)
{
	(void)name;
	if (steps++ == kill_at)
		raise(SIGKILL);
}
#endif

bool box_kill_at(long n)
{
	kill_at = n;
	steps = 0;
#ifdef PF_STEPS
	step_hook = count_step;
	return true;
#else
	return false;
#endif
}

long box_steps(void)
{
	return steps;
}

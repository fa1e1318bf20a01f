/* The runtime's part against the media, while others work: a difference counts when it is still there after many looks. */
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/sys.h"
#include "fs/inner.h"

#define LOOKS 1000

/* Calls `each` for every handle word of every process that is or was there. */
static void each_handle(struct fs *fs, void (*each)(void *arg, uint64_t word), void *arg)
{
	for (unsigned s = 0; s < rt_slots_used(fs->rt); s++) {
		if (rt_slot_state(load_acquire(&rt_slot_at(fs->rt, s)->word)) == RT_SLOT_FREE)
			continue;
		for (struct rt_chunk *c = rt_chunks(fs->rt, s, RT_CHUNK_HANDLES); c;
		     c = rt_chunk_next(fs->rt, c))
			for (unsigned i = 0; i < RT_HANDLES; i++)
				each(arg, load_acquire(&c->handles[i]));
	}
}

struct wanted {
	uint64_t word, count;
};

static void count_wanted(void *arg, uint64_t word)
{
	struct wanted *w = arg;

	w->count += word == w->word;
}

uint64_t fs_count_opens(struct fs *fs, uint32_t ino)
{
	struct wanted w = {.word = (uint64_t)fs_generation(fs, ino) << 32 | ino};

	each_handle(fs, count_wanted, &w);
	return w.count;
}

static bool inode_differs(struct fs *fs, uint32_t ino)
{
	unsigned state = load_acquire(&fs->inodes[ino].state) & 0xff;
	bool used = state != INODE_FREE;

	/* An eviction clears the bit before the record is free. */
	return (used != inner_bit(inner_inode_bits(fs), ino) && state != INODE_EVICTING) ||
	       (used && load_acquire(&fs_state(fs, ino)->opens) != fs_count_opens(fs, ino));
}

static void check_inode(struct fs *fs, uint32_t ino, struct report *report)
{
	for (unsigned look = 0; look < LOOKS; look++, sched_yield())
		if (!inode_differs(fs, ino))
			return;
	report_violation(report, "inode",
			 "inode %u: its bit is %d, it is open %lu times, its handles are %lu", ino,
			 inner_bit(inner_inode_bits(fs), ino),
			 (unsigned long)load_acquire(&fs_state(fs, ino)->opens),
			 (unsigned long)fs_count_opens(fs, ino));
}

struct opens {
	uint32_t *of; /* each inode */
	uint32_t high;
};

static void count_any(void *arg, uint64_t word)
{
	struct opens *o = arg;

	if ((uint32_t)word < o->high)
		o->of[(uint32_t)word]++;
}

/* One look at all handles tells for most inodes that nothing differs; the others are looked at by themselves. */
static void check_inodes(struct fs *fs, struct report *report)
{
	struct opens o = {.high = fs_inodes_high(fs)};

	o.of = sys_calloc(o.high, sizeof *o.of);
	if (!o.of) {
		report_violation(report, "check", "no memory to look at inodes");
		return;
	}
	each_handle(fs, count_any, &o);
	for (uint32_t ino = 1; ino < o.high; ino++) {
		bool used = load_acquire(&fs->inodes[ino].state) & 0xff;

		if (used != inner_bit(inner_inode_bits(fs), ino) ||
		    load_acquire(&fs_state(fs, ino)->opens) != o.of[ino])
			check_inode(fs, ino, report);
	}
	free(o.of);
}

/* ---- nodes ----------------------------------------------------------------------------------------- */

static void mark_map(struct fs *fs, entry_t e, uint64_t *seen)
{
	uint64_t node = entry_target(e);

	if (entry_kind(e) != ENTRY_TABLE || node >= fs->super.nodes ||
	    seen[node / 64] >> node % 64 & 1)
		return;
	seen[node / 64] |= 1ull << node % 64;
	for (unsigned i = 0; entry_order(e) && i < NODE_ENTRIES; i++)
		mark_map(fs, load_acquire(&inner_node(fs, node)[i]), seen);
}

static void mark(struct fs *fs, entry_t e, uint64_t *seen)
{
	uint64_t node = entry_target(e);

	if (e && node < fs->super.nodes)
		seen[node / 64] |= 1ull << node % 64;
}

/* Of a directory every entry names a node. */
static void mark_trie(struct fs *fs, entry_t e, uint64_t *seen, unsigned depth)
{
	mark(fs, e, seen);
	if (entry_kind(e) != ENTRY_TABLE || entry_target(e) >= fs->super.nodes ||
	    depth == DIR_DEPTH_MAX)
		return;
	for (unsigned i = 0; i < NODE_ENTRIES; i++)
		mark_trie(fs, load_acquire(&inner_node(fs, entry_target(e))[i]), seen, depth + 1);
}

static void mark_nodes(struct fs *fs, uint32_t ino, uint64_t *seen)
{
	entry_t root = load_acquire(&fs->inodes[ino].root);
	uint32_t type = fs_type(fs, ino);

	mark(fs, load_acquire(&fs->inodes[ino].xattr), seen);
	if (type == S_IFDIR)
		mark_trie(fs, root, seen, 0);
	else if (type == S_IFLNK)
		mark(fs, root, seen);
	else
		mark_map(fs, root, seen);
}

static void mark_recorded(struct fs *fs, uint64_t node, uint64_t *recorded)
{
	if (node < fs->super.nodes && inner_bit(inner_node_bits(fs), node))
		recorded[node / 64] |= 1ull << node % 64;
}

/* Nodes that rows are taking or giving back. */
static void mark_records(struct fs *fs, uint64_t *recorded)
{
	struct rt_cursor c = {0};
	struct rt_row *row;

	while ((row = rt_next_row(fs->rt, &c))) {
		uint32_t set = load_acquire(&row->node.set);
		uint64_t replaced = load_relaxed(&row->node.pages);

		if (rt_record_moves(set))
			continue;
		if (set)
			mark_recorded(fs, load_relaxed(&row->node.head), recorded);
		if (set && load_relaxed(&row->node.index) == XATTR_INDEX && replaced)
			mark_recorded(fs, replaced, recorded);
	}
}

/* Under the node lock nobody begins to take a node, and nobody gives one back. Who had begun has a record when the records are looked
 * at, or his node is in a map by then. */
static void compare_nodes(struct fs *fs, uint64_t *seen, uint64_t *recorded, struct report *report)
{
	mark_records(fs, recorded);
	for (uint32_t ino = 1; ino < fs_inodes_high(fs); ino++)
		mark_nodes(fs, ino, seen);
	for (uint64_t n = 1; n < fs->super.nodes; n++) {
		bool used = inner_bit(inner_node_bits(fs), n);

		if (((seen[n / 64] | recorded[n / 64]) >> n % 64 & 1) != used)
			report_violation(report, "node", "node %lu is %s", (unsigned long)n,
					 used ? "in use but in no map" : "in a map but free");
	}
}

static void check_nodes(struct fs *fs, struct rt_self *me, struct report *report)
{
	uint64_t words = div_up(fs->super.nodes, 64), *seen = sys_calloc(2 * words, 8);

	if (!seen) {
		report_violation(report, "check", "no memory to look at nodes");
		return;
	}
	/* While a stopped process has the lock nothing can be said. */
	if (inner_lock_meta(fs, me) == 0) {
		compare_nodes(fs, seen, seen + words, report);
		rt_unlock(me, &fs->shared->meta);
	}
	free(seen);
}

/* ---- names ----------------------------------------------------------------------------------------- */

/* The inode's lock, if nothing is to be settled there. Who gets it from a dead owner leaves that to the next one. */
static bool lock_settled(struct fs *fs, struct rt_self *me, uint32_t ino)
{
	struct fs_inode *state = fs_state(fs, ino);
	int rc = rt_lock(me, &state->lock);

	if (rc == RT_LOCK_REPAIR)
		store_release(&state->unsettled, 1);
	if (rc >= 0 && !load_relaxed(&state->unsettled))
		return true;
	if (rc >= 0)
		rt_unlock(me, &state->lock);
	return false;
}

/* Calls `each` for every entry of a directory that stays in it meanwhile. False: it changed all the time. */
static bool each_name(struct fs *fs, uint32_t dir,
		      void (*each)(void *arg, const struct dir_name *name), void *arg)
{
	struct dir_name names[FS_DIR_READ];
	uint64_t key = 0, next = 0;

	for (unsigned look = 0; look < LOOKS && key < 1ull << DIR_KEY_BITS; look++) {
		bool sure = false;
		unsigned n = fs_dir_read(fs, dir, key, names, &next, &sure);

		if (!sure) {
			sched_yield();
			continue;
		}
		for (unsigned i = 0; i < n; i++)
			each(arg, &names[i]);
		key = next;
		look = 0;
	}
	return key >= 1ull << DIR_KEY_BITS;
}

struct names {
	uint32_t high;
	uint32_t *of; /* names of each inode below it; or of one */
	uint32_t one;
};

static void count_name(void *arg, const struct dir_name *name)
{
	struct names *n = arg;

	if (n->one ? name->ino == n->one : name->ino < n->high)
		n->of[n->one ? 0 : name->ino]++;
}

static bool count_names(struct fs *fs, struct names *n)
{
	bool all = true;

	for (uint32_t dir = ROOT_INO; dir < n->high; dir++)
		if (!fs_is_free(fs, dir) && fs_is_directory(fs, dir))
			all = each_name(fs, dir, count_name, n) && all;
	return all;
}

/* How many entries the record says lead to it. */
static uint32_t names_wanted(struct fs *fs, uint32_t ino)
{
	const struct inode_format *inode = &fs->inodes[ino];
	unsigned state = load_acquire(&inode->state) & 0xff;

	if (state != INODE_NAMED || ino == ROOT_INO)
		return 0;
	return fs_is_directory(fs, ino) ? 1 : load_acquire(&inode->gid_nlink) >> 32;
}

/* Under its lock no name of it comes or goes. */
static void check_names_of(struct fs *fs, struct rt_self *me, uint32_t ino, struct report *report)
{
	uint32_t count = 0;
	struct names n = {.high = fs_inodes_high(fs), .of = &count, .one = ino};

	if (!lock_settled(fs, me, ino))
		return;
	if (count_names(fs, &n) && count != names_wanted(fs, ino))
		report_violation(report, "name", "inode %u has %u names, not %u", ino, count,
				 names_wanted(fs, ino));
	rt_unlock(me, &fs_state(fs, ino)->lock);
}

/* One look at all directories tells for most inodes that nothing differs. */
static void check_names(struct fs *fs, struct rt_self *me, struct report *report)
{
	struct names n = {.high = fs_inodes_high(fs)};

	n.of = sys_calloc(n.high, sizeof *n.of);
	if (!n.of) {
		report_violation(report, "check", "no memory to look at names");
		return;
	}
	count_names(fs, &n);
	for (uint32_t ino = ROOT_INO; ino < n.high; ino++)
		if (n.of[ino] != names_wanted(fs, ino))
			check_names_of(fs, me, ino, report);
	free(n.of);
}

static bool is_named_directory(struct fs *fs, uint32_t ino)
{
	return ino && ino < fs_inodes_high(fs) && fs_is_directory(fs, ino) &&
	       (load_acquire(&fs->inodes[ino].state) & 0xff) == INODE_NAMED;
}

/* Parents lead from the directory to one that is known to be below the root; then it is known of all on the way. */
static bool is_below_root(struct fs *fs, uint32_t ino, uint64_t *known)
{
	uint32_t at = ino, high = fs_inodes_high(fs);

	for (uint32_t n = 0; !(known[at / 64] >> at % 64 & 1); n++) {
		if (n == high || !is_named_directory(fs, at))
			return false;
		at = fs_parent(fs, at);
		if (at >= high)
			return false;
	}
	for (at = ino; !(known[at / 64] >> at % 64 & 1) && at < high; at = fs_parent(fs, at))
		known[at / 64] |= 1ull << at % 64;
	return true;
}

static bool is_astray(struct fs *fs, uint32_t ino, uint64_t *known)
{
	return is_named_directory(fs, ino) && !is_below_root(fs, ino, known);
}

/* Under the names lock no directory moves to another parent; it may still go, and others come: under its own lock it does not. */
static void check_tree(struct fs *fs, struct rt_self *me, uint64_t *known, struct report *report)
{
	known[0] = 1ull << ROOT_INO;
	for (uint32_t ino = ROOT_INO + 1; ino < fs_inodes_high(fs); ino++) {
		if (likely(!is_astray(fs, ino, known)) || !lock_settled(fs, me, ino))
			continue;
		if (is_astray(fs, ino, known))
			report_violation(report, "name", "directory %u is not below the root", ino);
		rt_unlock(me, &fs_state(fs, ino)->lock);
	}
}

static void check_directories(struct fs *fs, struct rt_self *me, struct report *report)
{
	uint64_t *known = sys_calloc(div_up(fs->super.inodes, 64), 8);
	int rc;

	if (!known) {
		report_violation(report, "check", "no memory to look at directories");
		return;
	}
	rc = rt_lock(me, &fs->shared->names);
	if (rc == RT_LOCK_REPAIR)
		store_release(&fs->shared->names_unsettled, 1);
	if (rc >= 0 && !load_relaxed(&fs->shared->names_unsettled))
		check_tree(fs, me, known, report);
	if (rc >= 0)
		rt_unlock(me, &fs->shared->names);
	free(known);
}

/* Nobody needs it, and it is still there. */
static bool is_left(struct fs *fs, uint32_t ino)
{
	unsigned state = load_acquire(&fs->inodes[ino].state) & 0xff;

	return state == INODE_EVICTING ||
	       (state == INODE_UNNAMED && !load_acquire(&fs_state(fs, ino)->opens));
}

void fs_check_left(struct fs *fs, struct rt_self *me, uint32_t ino, struct report *report)
{
	if (likely(!is_left(fs, ino)) || !lock_settled(fs, me, ino))
		return;
	if (is_left(fs, ino) && !load_acquire(&fs->shared->leftovers))
		report_violation(report, "unnamed",
				 "inode %u has no name, nobody has it open, and it is still there",
				 ino);
	rt_unlock(me, &fs_state(fs, ino)->lock);
}

void fs_check_runtime(struct fs *fs, struct rt_self *me, struct report *report)
{
	check_inodes(fs, report);
	check_nodes(fs, me, report);
	check_names(fs, me, report);
	check_directories(fs, me, report);
}

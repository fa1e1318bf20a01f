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

void fs_check_runtime(struct fs *fs, struct rt_self *me, struct report *report)
{
	check_inodes(fs, report);
	check_nodes(fs, me, report);
}

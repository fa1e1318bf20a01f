/*
 * Directories: a trie of buckets over the names' keys (format/dir_format.h). All changes are made under the directory's inode lock and between
 * fs_dir_begin() and fs_dir_end(); a bucket that is full is split in a transaction of its own before a name is added.
 *
 * Lookups take no lock. Nodes on their way may change, be given back, and become something else: so what they read is bounded, an entry that
 * is found proves itself by its checksum if the directory changed meanwhile, and "there is none" counts only if it did not.
 */
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/broken.h"
#include "base/err.h"
#include "base/futex.h"
#include "base/step.h"
#include "fs/inner.h"

/* From the root to a bucket: the entry that names it, and where that is. */
struct way {
	_Atomic uint64_t *at; /* the root, or a slot of a table */
	entry_t entry;
	uint64_t first; /* key of that slot */
	unsigned depth; /* tables above */
	unsigned slot;
};

static struct way descend(struct fs *fs, uint32_t dir, uint64_t key)
{
	struct way w = {.at = &fs->inodes[dir].root};

	w.entry = load_acquire(w.at);
	while (entry_kind(w.entry) == ENTRY_TABLE && w.depth < DIR_DEPTH_MAX &&
	       entry_target(w.entry) < fs->super.nodes) {
		w.slot = dir_slot(key, w.depth);
		w.first = dir_first_key(key, w.depth, w.slot);
		w.at = &inner_node(fs, entry_target(w.entry))[w.slot];
		w.entry = load_acquire(w.at);
		w.depth++;
	}
	return w;
}

static struct dir_page *bucket_at(struct fs *fs, uint64_t node)
{
	return (struct dir_page *)inner_node(fs, node);
}

/* NULL: there is none, or no more. */
static struct dir_page *bucket_of(struct fs *fs, const struct way *w)
{
	return entry_kind(w->entry) == ENTRY_LEAF && entry_target(w->entry) < fs->super.nodes
		       ? bucket_at(fs, entry_target(w->entry))
		       : NULL;
}

/* How many low bits of a key a bucket leaves open. */
static unsigned open_bits(const struct way *w)
{
	return w->depth ? DIR_KEY_BITS - DIR_BITS * w->depth + DIR_BITS - entry_order(w->entry)
			: DIR_KEY_BITS;
}

/* ---- finding --------------------------------------------------------------------------------------- */

/* A name that is looked for: padded with zeros as entries are. */
struct wanted {
	uint64_t key;
	unsigned length;
	uint64_t words[32];
};

static void want(struct fs *fs, struct wanted *w, const char *name, size_t length)
{
	w->key = dir_hash(fs->super.uuid, name, length);
	w->length = (unsigned)length;
	w->words[(length - 1) / 8] = 0;
	memcpy(w->words, name, length);
}

/* Granules whose byte is this one, and no others: an entry that was removed is still in its granule. */
#ifdef __SSE2__
static uint64_t match_prints(const struct dir_page *page, unsigned print)
{
	__m128i all = _mm_set1_epi8((char)print);
	uint64_t mask = 0;

	for (unsigned i = 0; i < 8; i += 2) {
		__m128i x = _mm_set_epi64x((int64_t)load_acquire(&page->prints[i + 1]),
					   (int64_t)load_acquire(&page->prints[i]));

		mask |= (uint64_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, all)) << 8 * i;
	}
	return mask;
}
#else
static uint64_t match_prints(const struct dir_page *page, unsigned print)
{
	uint64_t ones = 0x0101010101010101, all = ones * print, mask = 0;

	for (unsigned i = 0; i < 8; i++) {
		uint64_t x = load_acquire(&page->prints[i]) ^ all;
		uint64_t zero = ~(((x & ones * 0x7f) + ones * 0x7f) | x) & ones << 7;

		mask |= ((zero >> 7) * 0x0102040810204080 >> 56) << 8 * i;
	}
	return mask;
}
#endif

static bool entry_is(const struct dir_page *page, unsigned granule, const struct wanted *w)
{
	const _Atomic uint64_t *at = (const _Atomic uint64_t *)page + granule * 8;
	uint64_t what = load_acquire(&at[0]);

	if ((what >> 32 & 0xff) != w->length ||
	    (load_acquire(&at[1]) & ~(DIR_TIES - 1ull)) != w->key ||
	    granule + dir_granules(w->length) > DIR_GRANULES)
		return false;
	for (unsigned i = 0; i < div_up(w->length, 8); i++)
		if (load_acquire(&at[3 + i]) != w->words[i])
			return false;
	return true;
}

/* The granule of that name; 0: it is not there. */
static unsigned find_in(const struct dir_page *page, const struct wanted *w)
{
	uint64_t mask = match_prints(page, dir_print(w->key)) >> DIR_FIRST << DIR_FIRST;

	for (; mask; mask &= mask - 1)
		if (entry_is(page, (unsigned)__builtin_ctzll(mask), w))
			return (unsigned)__builtin_ctzll(mask);
	return 0;
}

bool fs_dir_find(struct fs *fs, uint32_t dir, const char *name, size_t length,
		 struct fs_place *place)
{
	struct dir_page *page;
	struct wanted w;
	struct way way;

	want(fs, &w, name, length);
	way = descend(fs, dir, w.key);
	page = bucket_of(fs, &way);
	place->granule = page ? find_in(page, &w) : 0;
	if (!place->granule)
		return false;
	place->node = entry_target(way.entry);
	return dir_read(page, place->granule, &place->name);
}

/* Same name, whole: it was in the directory at some moment while we looked. */
static bool proves_itself(const struct dir_page *page, unsigned granule, const struct wanted *w,
			  struct dir_name *name)
{
	return dir_read(page, granule, name) && name->length == w->length &&
	       !memcmp(name->name, w->words, w->length);
}

/* The lines of its attributes: whoever looks a name up looks at these next. */
static void prefetch_inode(struct fs *fs, uint32_t ino)
{
	if (likely(ino < fs->super.inodes)) {
		__builtin_prefetch(&fs->inodes[ino].crc);
		__builtin_prefetch(&fs->inodes[ino].mode_uid);
	}
}

uint32_t fs_dir_lookup(struct fs *fs, uint32_t dir, const char *name, size_t length, uint32_t *igen,
		       bool *sure)
{
	_Atomic uint64_t *sequence = &fs_state(fs, dir)->sequence;
	uint64_t before = load_acquire(sequence);
	const _Atomic uint64_t *at;
	struct dir_page *page;
	struct dir_name found;
	struct wanted w;
	struct way way;
	unsigned granule;

	want(fs, &w, name, length);
	way = descend(fs, dir, w.key);
	page = bucket_of(fs, &way);
	granule = page ? find_in(page, &w) : 0;
	found.ino = found.igen = 0;
	if (granule) {
		at = (const _Atomic uint64_t *)page + granule * 8;
		found.ino = (uint32_t)load_acquire(&at[0]);
		prefetch_inode(fs, found.ino);
		found.igen = load_acquire(&at[2]) >> 32;
	}
	/* All loads above are acquire loads. Pairs with fs_dir_begin(): who read a word stored after it sees the sequence odd, or a later one. */
	*sure = !(before & 1) && load_relaxed(sequence) == before;
	if (!*sure && granule)
		*sure = proves_itself(page, granule, &w, &found);
	*igen = found.igen;
	return *sure ? found.ino : 0;
}

/* ---- changing -------------------------------------------------------------------------------------- */

void fs_dir_begin(struct fs *fs, uint32_t dir)
{
	if (broken(PF_BREAK_DIR_SEQUENCE))
		return;
	/* An atomic or with acquire: no store of the directory comes before it. */
	atomic_fetch_or_explicit(&fs_state(fs, dir)->sequence, 1, memory_order_acq_rel);
}

static __attribute__((noinline)) void wake_watchers(struct fs *fs, uint32_t dir)
{
	struct fs_inode *state = fs_state(fs, dir);

	if (swap(&state->watched, 0))
		futex_wake(&state->sequence);
}

void fs_dir_end(struct fs *fs, uint32_t dir)
{
	_Atomic uint64_t *sequence = &fs_state(fs, dir)->sequence;

	/* A full fence behind it, which pairs with that of fs_dir_watch(): one of the two sees the other. */
	store_fence(sequence, align_up(load_relaxed(sequence), 2));
	if (unlikely(load_relaxed(&fs_state(fs, dir)->watched)))
		wake_watchers(fs, dir);
}

bool fs_dir_watch(struct fs *fs, uint32_t dir, uint64_t seen, unsigned ms, uint64_t *now)
{
	struct fs_inode *state = fs_state(fs, dir);

	*now = load_acquire(&state->sequence);
	if (!(*now & 1) && *now != seen)
		return true;
	if (!ms)
		return false;
	store_relaxed(&state->watched, 1);
	memory_fence(memory_order_seq_cst);
	if (load_acquire(&state->sequence) == *now)
		futex_wait(&state->sequence, (uint32_t)*now, ms);
	*now = load_acquire(&state->sequence);
	return !(*now & 1) && *now != seen;
}

static entry_t make(struct fs *fs, uint32_t dir, uint64_t first, enum entry_kind kind,
		    unsigned order, uint64_t node)
{
	return entry_make(dir, fs_generation(fs, dir), first, kind, order, node);
}

static void commit_node(struct fs *fs, struct rt_self *me, uint32_t dir, struct journal_tx *tx)
{
	if (!broken(PF_BREAK_DIR_NODE_FENCE))
		dev_drain(fs->dev);
	fs_dir_begin(fs, dir);
	journal_commit(&fs->journal, tx);
	fs_dir_end(fs, dir);
	fs_node_linked(me);
}

/* An empty bucket that nothing leads to yet. */
static int64_t new_bucket(struct fs *fs, struct rt_self *me, uint32_t dir, uint64_t first,
			  unsigned depth)
{
	int64_t node = inner_node_take(fs, me, dir, first, depth, false);

	if (node > 0) {
		struct dir_page *page = bucket_at(fs, (uint64_t)node);

		media_begin(fs->dev);
		media_word(fs->dev, &page->owner, dir | (uint64_t)fs_generation(fs, dir) << 32);
		media_word(fs->dev, &page->used, (1ull << DIR_FIRST) - 1);
		media_end(fs->dev);
	}
	return node;
}

static int first_bucket(struct fs *fs, struct rt_self *me, uint32_t dir)
{
	int64_t node = new_bucket(fs, me, dir, 0, 0);
	struct journal_tx tx;

	if (node < 0)
		return (int)node;
	if (!broken(PF_BREAK_DIR_BUCKET_FLUSH))
		dev_persist(fs->dev, bucket_at(fs, (uint64_t)node), PAGE_BYTES);
	journal_begin(&tx, me);
	journal_word(&fs->journal, &tx, &fs->inodes[dir].root,
		     make(fs, dir, 0, ENTRY_LEAF, 0, (uint64_t)node));
	commit_node(fs, me, dir, &tx);
	return 0;
}

/* A bucket that has a slot for itself, or is the root, gets a table above it: all slots lead to it. */
static int deepen(struct fs *fs, struct rt_self *me, uint32_t dir, const struct way *w)
{
	struct journal_tx tx;
	int64_t node;

	if (w->depth == DIR_DEPTH_MAX)
		return err(PF_ENOMETA, "directory %u has too many names with one hash", dir);
	node = inner_node_take(fs, me, dir, w->first, w->depth, false);
	if (node < 0)
		return (int)node;
	media_begin(fs->dev);
	for (unsigned i = 0; i < NODE_ENTRIES; i++)
		media_word(fs->dev, &inner_node(fs, (uint64_t)node)[i],
			   make(fs, dir, dir_first_key(w->first, w->depth, i), ENTRY_LEAF, 0,
				entry_target(w->entry)));
	media_end(fs->dev);
	if (!broken(PF_BREAK_DIR_TABLE_FLUSH))
		dev_persist(fs->dev, (void *)inner_node(fs, (uint64_t)node), PAGE_BYTES);
	step("dir: table filled");
	journal_begin(&tx, me);
	journal_word(&fs->journal, &tx, w->at,
		     make(fs, dir, w->first, ENTRY_TABLE, w->depth, (uint64_t)node));
	commit_node(fs, me, dir, &tx);
	return 0;
}

/* Of a granule, in its word of prints. */
static uint64_t byte_mask(unsigned granule)
{
	return 0xffull << granule % 8 * 8;
}

/* The same of all these granules, in word i. */
static uint64_t bytes_of(uint64_t granules, unsigned i)
{
	uint64_t mask = 0;

	for (unsigned g = 8 * i; g < 8 * i + 8; g++)
		if (granules >> g & 1)
			mask |= byte_mask(g);
	return mask;
}

/* The entries whose keys have this bit go to the new bucket as they are, at the granules where they were. Returns their heads. */
static uint64_t copy_upper(struct fs *fs, const struct dir_page *from, struct dir_page *to,
			   uint64_t bit, uint64_t *used)
{
	uint64_t heads = 0;

	*used = 0;
	for (uint64_t mask = load_relaxed(&from->heads); mask; mask &= mask - 1) {
		unsigned g = (unsigned)__builtin_ctzll(mask);
		const struct dir_entry *e = &from->entry[g - DIR_FIRST];
		unsigned n = dir_granules(load_relaxed(&e->what) >> 32 & 0xff);

		if (!(load_relaxed(&e->key) & bit))
			continue;
		media_bytes(fs->dev, &to->entry[g - DIR_FIRST], e, n * sizeof *e);
		heads |= 1ull << g;
		*used |= ((1ull << n) - 1) << g;
	}
	for (unsigned i = 0; i < 8; i++)
		media_word(fs->dev, &to->prints[i],
			   load_relaxed(&from->prints[i]) & bytes_of(heads, i));
	media_word(fs->dev, &to->heads, heads);
	media_word(fs->dev, &to->used, *used | ((1ull << DIR_FIRST) - 1));
	return heads;
}

/* A bucket with several slots gives the upper half of them, and the entries that belong there, to a new one. */
static int split(struct fs *fs, struct rt_self *me, uint32_t dir, const struct way *w)
{
	unsigned order = entry_order(w->entry), slots = NODE_ENTRIES >> order;
	unsigned first = w->slot & ~(slots - 1), middle = first + slots / 2;
	struct dir_page *page = bucket_of(fs, w);
	uint64_t heads, used, middle_key = dir_first_key(w->first, w->depth - 1, middle);
	int64_t node = new_bucket(fs, me, dir, middle_key, w->depth);
	struct journal_tx tx;

	if (node < 0)
		return (int)node;
	media_begin(fs->dev);
	heads = copy_upper(fs, page, bucket_at(fs, (uint64_t)node), 1ull << (open_bits(w) - 1),
			   &used);
	media_end(fs->dev);
	if (!broken(PF_BREAK_DIR_SPLIT_FLUSH))
		dev_persist(fs->dev, bucket_at(fs, (uint64_t)node), PAGE_BYTES);
	step("dir: bucket filled");
	journal_begin(&tx, me);
	for (unsigned s = first; s < first + slots; s++)
		journal_word(&fs->journal, &tx, w->at + ((int)s - (int)w->slot),
			     make(fs, dir, dir_first_key(w->first, w->depth - 1, s), ENTRY_LEAF,
				  order + 1, s < middle ? entry_target(w->entry) : (uint64_t)node));
	for (unsigned i = 0; i < 8; i++)
		journal_word(&fs->journal, &tx, &page->prints[i],
			     load_relaxed(&page->prints[i]) & ~bytes_of(heads, i));
	journal_word(&fs->journal, &tx, &page->heads, load_relaxed(&page->heads) & ~heads);
	journal_word(&fs->journal, &tx, &page->used, load_relaxed(&page->used) & ~used);
	commit_node(fs, me, dir, &tx);
	step("dir: split");
	return 0;
}

/* The first of `n` neighbouring granules that are free; 0: there are none. */
static unsigned find_free(uint64_t used, unsigned n)
{
	uint64_t free = ~used;

	for (unsigned i = 1; i < n; i++)
		free &= ~used >> i;
	return free ? (unsigned)__builtin_ctzll(free) : 0;
}

int fs_dir_room(struct fs *fs, struct rt_self *me, uint32_t dir, const char *name, size_t length)
{
	uint64_t key = dir_hash(fs->super.uuid, name, length);

	for (;;) {
		struct way w = descend(fs, dir, key);
		struct dir_page *page = bucket_of(fs, &w);
		int rc;

		if (page && find_free(load_relaxed(&page->used), dir_granules((unsigned)length)))
			return 0;
		if (!page)
			rc = first_bucket(fs, me, dir);
		else if (w.depth && entry_order(w.entry) < DIR_BITS)
			rc = split(fs, me, dir, &w);
		else
			rc = deepen(fs, me, dir, &w);
		if (rc < 0)
			return rc;
	}
}

/* The first key that no entry of the bucket has. Of DIR_TIES names with one hash, that is the last. */
static uint64_t untie(const struct dir_page *page, uint64_t key)
{
	uint64_t mask = match_prints(page, dir_print(key)) >> DIR_FIRST << DIR_FIRST;
	unsigned taken = 0;

	for (; mask; mask &= mask - 1) {
		uint64_t other =
			load_relaxed(&page->entry[(unsigned)__builtin_ctzll(mask) - DIR_FIRST].key);

		if ((other & ~(DIR_TIES - 1ull)) == key)
			taken |= 1u << (other & (DIR_TIES - 1));
	}
	return taken == (1u << DIR_TIES) - 1 ? 0 : key | (unsigned)__builtin_ctz(~taken);
}

static void set_word(struct fs *fs, struct journal_tx *tx, _Atomic uint64_t *at, uint64_t value)
{
	journal_word(&fs->journal, tx, at, value);
}

/* What is in use now, with what the transaction has changed already. */
static uint64_t word_now(struct fs *fs, const struct journal_tx *tx, _Atomic uint64_t *at)
{
	return journal_load(&fs->journal, tx, at);
}

int fs_dir_add(struct fs *fs, struct journal_tx *tx, uint32_t dir, struct dir_name *name)
{
	uint64_t key = dir_hash(fs->super.uuid, name->name, name->length), words[5 * 8], print;
	struct way w = descend(fs, dir, key);
	struct dir_page *page = bucket_of(fs, &w);
	unsigned n = dir_granules(name->length), g;
	_Atomic uint64_t *at;

	g = page ? find_free(word_now(fs, tx, &page->used), n) : 0;
	CHECK(g);
	name->key = untie(page, key);
	if (!name->key)
		return err(PF_ENOMETA, "directory %u has too many names with one hash", dir);
	dir_words(name, words);
	at = (_Atomic uint64_t *)&page->entry[g - DIR_FIRST];
	for (unsigned i = 0; i < 3 + div_up(name->length, 8); i++)
		set_word(fs, tx, &at[i], words[i]);
	for (unsigned i = 3 + (unsigned)div_up(name->length, 8); i < n * 8; i++)
		if (load_relaxed(&at[i]))
			set_word(fs, tx, &at[i], 0);
	set_word(fs, tx, &page->used, word_now(fs, tx, &page->used) | ((1ull << n) - 1) << g);
	set_word(fs, tx, &page->heads, word_now(fs, tx, &page->heads) | 1ull << g);
	/* Last: a lookup that sees it sees the entry. */
	print = word_now(fs, tx, &page->prints[g / 8]) & ~byte_mask(g);
	set_word(fs, tx, &page->prints[g / 8], print | (uint64_t)dir_print(name->key) << g % 8 * 8);
	return 0;
}

/* No lookup finds it any more when its byte is gone. */
void fs_dir_remove(struct fs *fs, struct journal_tx *tx, const struct fs_place *place)
{
	struct dir_page *page = bucket_at(fs, place->node);
	uint64_t granules = ((1ull << dir_granules(place->name.length)) - 1) << place->granule;
	_Atomic uint64_t *prints = &page->prints[place->granule / 8];

	set_word(fs, tx, prints, word_now(fs, tx, prints) & ~byte_mask(place->granule));
	set_word(fs, tx, &page->heads, word_now(fs, tx, &page->heads) & ~(1ull << place->granule));
	set_word(fs, tx, &page->used, word_now(fs, tx, &page->used) & ~granules);
}

void fs_dir_set(struct fs *fs, struct journal_tx *tx, const struct fs_place *place, uint32_t ino,
		uint32_t igen, uint32_t type)
{
	struct dir_entry *e = &bucket_at(fs, place->node)->entry[place->granule - DIR_FIRST];
	struct dir_name name = place->name;
	uint64_t words[5 * 8];

	name.ino = ino;
	name.igen = igen;
	name.type = type;
	dir_words(&name, words);
	set_word(fs, tx, &e->what, words[0]);
	set_word(fs, tx, &e->check, words[2]);
}

/* ---- reading --------------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	uint64_t x = ((const struct dir_name *)a)->key, y = ((const struct dir_name *)b)->key;

	return x < y ? -1 : x > y;
}

unsigned fs_dir_read(struct fs *fs, uint32_t dir, uint64_t key, struct dir_name *names,
		     uint64_t *next, bool *sure)
{
	_Atomic uint64_t *sequence = &fs_state(fs, dir)->sequence;
	uint64_t before = load_acquire(sequence);
	struct way w = descend(fs, dir, key);
	const struct dir_page *page = bucket_of(fs, &w);
	unsigned n = 0, open = open_bits(&w);

	for (uint64_t mask = page ? load_acquire(&page->heads) : 0; mask; mask &= mask - 1)
		if (dir_read(page, (unsigned)__builtin_ctzll(mask), &names[n]) &&
		    names[n].key >= key)
			n++;
	*sure = !(before & 1) && load_relaxed(sequence) == before;
	if (!*sure)
		return 0;
	*next = w.depth ? ((key >> open) + 1) << open : 1ull << DIR_KEY_BITS;
	qsort(names, n, sizeof *names, by_key);
	return n;
}

/* Entries that were removed are still in their granules until others come. */
bool inner_dir_name(struct fs *fs, uint32_t dir, uint64_t key, uint32_t ino, uint32_t igen,
		    struct dir_name *name)
{
	struct way w = descend(fs, dir, key);
	const struct dir_page *page = bucket_of(fs, &w);

	for (unsigned g = DIR_FIRST; page && g < DIR_GRANULES; g++)
		if (load_acquire(&page->entry[g - DIR_FIRST].key) == key &&
		    dir_read(page, g, name) && name->ino == ino && name->igen == igen)
			return true;
	return false;
}

/* ---- freeing --------------------------------------------------------------------------------------- */

/* `slots` neighbouring words from `at` on lose the node in one transaction. Not part of free_below(), whose frames are many. */
static __attribute__((noinline)) int free_node(struct fs *fs, struct rt_self *me, uint32_t dir,
					       const struct way *w, _Atomic uint64_t *at,
					       unsigned slots)
{
	struct journal_tx tx;

	journal_begin(&tx, me);
	for (unsigned s = 0; s < slots; s++)
		journal_word(&fs->journal, &tx, at + s, 0);
	return inner_node_release(fs, me, dir, w->first, w->depth, entry_target(w->entry), &tx);
}

/* What the entry leads to, from the bottom up. A bucket is met first at the first of its slots. */
static int free_below(struct fs *fs, struct rt_self *me, uint32_t dir, struct way w)
{
	int rc = 0;

	if (entry_kind(w.entry) == ENTRY_LEAF)
		return free_node(fs, me, dir, &w, w.at,
				 w.depth ? NODE_ENTRIES >> entry_order(w.entry) : 1);
	for (unsigned i = 0; i < NODE_ENTRIES && rc == 0; i++) {
		struct way below = {.at = &inner_node(fs, entry_target(w.entry))[i],
				    .first = dir_first_key(w.first, w.depth, i),
				    .depth = w.depth + 1,
				    .slot = i};

		below.entry = load_relaxed(below.at);
		if (below.entry)
			rc = free_below(fs, me, dir, below);
	}
	return rc < 0 ? rc : free_node(fs, me, dir, &w, w.at, 1);
}

int inner_dir_free(struct fs *fs, struct rt_self *me, uint32_t dir)
{
	struct way w = {.at = &fs->inodes[dir].root};
	int rc;

	w.entry = load_relaxed(w.at);
	if (!w.entry)
		return 0;
	fs_dir_begin(fs, dir);
	rc = free_below(fs, me, dir, w);
	fs_dir_end(fs, dir);
	return rc;
}

bool inner_dir_refers(struct fs *fs, uint32_t dir, uint64_t key, uint64_t node)
{
	_Atomic uint64_t *at = &fs->inodes[dir].root;
	entry_t e = load_acquire(at);

	for (unsigned depth = 0; e; depth++) {
		if (entry_target(e) == node)
			return true;
		if (entry_kind(e) != ENTRY_TABLE || depth == DIR_DEPTH_MAX)
			return false;
		e = load_acquire(&inner_node(fs, entry_target(e))[dir_slot(key, depth)]);
	}
	return false;
}

/* The live check sees what is wrong: one word of a pool in use is changed at a time, and the check names the rule; undone, it is clean. */
/* test: suite=short timeout=60 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/pool.h"
#include "fs/inner.h"
#include "pool.h"

#define MIB (1ul << 20)

static struct pf_pool *pool;
static struct layout *l;
static struct pages *p;

/* ---- what the check says ---------------------------------------------------------------------------- */

struct seen {
	const char *rule;
	unsigned named, others;
	char text[160];
};

static void note(void *arg, const char *rule, const char *text)
{
	struct seen *seen = arg;

	if (!seen->rule || strcmp(rule, seen->rule))
		seen->others++;
	else
		seen->named++;
	snprintf(seen->text, sizeof seen->text, "%s: %s", rule, text);
}

static void clean(const char *when)
{
	struct seen seen = {0};

	if (OK(pf_check(pool, note, &seen)))
		test_fail(__FILE__, __LINE__, "%s: %s", when, seen.text);
}

static void names(const char *rule, const char *what)
{
	struct seen seen = {.rule = rule};

	OK(pf_check(pool, note, &seen));
	if (!seen.named)
		test_fail(__FILE__, __LINE__, "%s: the check does not name %s, it says: %s", what,
			  rule, seen.text);
	printf("%-40s %s\n", what, seen.text);
}

/* It may be one of the metadata, which builds with checks keep read-only. */
static void set_word(_Atomic uint64_t *word, uint64_t to)
{
	media_begin(pool->dev);
	store_release(word, to);
	media_end(pool->dev);
}

/* The word gets another value; the check names the rule; the word is as before and the check finds nothing. */
static void change(_Atomic uint64_t *word, uint64_t to, const char *rule, const char *what)
{
	uint64_t was = load_acquire(word);

	must(was != to);
	set_word(word, to);
	names(rule, what);
	set_word(word, was);
	clean(what);
}

static void change_byte(_Atomic uint8_t *byte, uint8_t to, const char *rule, const char *what)
{
	uint8_t was = load_acquire(byte);

	must(was != to);
	store_release(byte, to);
	names(rule, what);
	store_release(byte, was);
	clean(what);
}

/* ---- places ----------------------------------------------------------------------------------------- */

static uint32_t inode_of(const char *name)
{
	uint32_t igen, ino;
	bool sure;

	ino = fs_dir_lookup(&l->fs, ROOT_INO, name, strlen(name), &igen, &sure);
	must(ino);
	return ino;
}

static uint64_t pfn_of(const char *name, uint64_t index)
{
	uint64_t pfn;

	must(fs_entry(&l->fs, inode_of(name), index, &pfn));
	return pfn;
}

/* A free page of a block that has descriptors and is not wholly free. */
static uint64_t free_pfn(void)
{
	uint64_t first = align_down(pfn_of("small", 0) - p->first, BLOCK_PAGES) + p->first;

	for (uint64_t pfn = first; pfn < first + BLOCK_PAGES; pfn++) {
		uint64_t head, w;

		if (!page_head(p, pfn, 0, &head, &w))
			return pfn;
	}
	test_fail(__FILE__, __LINE__, "no free page beside a used one");
}

/* ---- the rules -------------------------------------------------------------------------------------- */

static void counts_and_members(void)
{
	uint64_t big = pfn_of("big", 0), unused = free_pfn();
	_Atomic uint64_t *word = &page_at(p, big)->word, *unused_word = &page_at(p, unused)->word;
	_Atomic uint64_t *entry = &l->fs.inodes[inode_of("small")].inlined[0];
	uint64_t w = load_acquire(word), e = load_acquire(entry);
	uint32_t ino = inode_of("small");

	must_be(page_detail(p, big), 0);
	change(word, w + 1, "count", "a folio's count, one more");
	change(word, w - 1, "count", "a folio's count, one less");
	change(word, word_with_state(w, PAGE_ORPHAN), "member", "a folio's state");
	change(word, word_with_state(w, PAGE_FREE), "allocator", "a folio that seems to be free");
	change(unused_word, load_acquire(unused_word) + 1, "count", "a free page's count");
	change(unused_word, word_with_state(load_acquire(unused_word), PAGE_ORPHAN), "leak",
	       "an orphan that nobody holds");
	change_byte(&page_at(p, unused)->left, 1, "left", "a free page's left byte");
	change_byte(&page_at(p, big + 3)->left, 1, "member", "a member's left byte");
	change(entry, 0, "member", "a map entry that is gone");
	change(entry,
	       entry_make(ino, fs_generation(&l->fs, ino), 0, ENTRY_LEAF, entry_order(e), unused),
	       "member", "a map entry to a free page");
	change(entry, entry_make(ino, fs_generation(&l->fs, ino), 0, ENTRY_LEAF, 0, 1), "extent",
	       "a map entry to no page");
	change(entry, e ^ 1ull << 50, "map", "a map entry's check");
}

static void allocator(void)
{
	uint64_t unused = free_pfn(), block = page_block(p, unused), at = unused - p->first;
	_Atomic uint64_t *bits = &p->block[block].free[at % BLOCK_PAGES / 64];
	unsigned class = load_acquire(&p->class[block]);

	change(bits, load_acquire(bits) ^ 1ull << at % 64, "allocator", "a bit of the free index");
	at = pfn_of("small", 0) - p->first;
	bits = &p->block[block].free[at % BLOCK_PAGES / 64];
	change(bits, load_acquire(bits) ^ 1ull << at % 64, "allocator", "a used page's free bit");
	change_byte(&p->class[block], (uint8_t)(class ? class - 1 : 1), "allocator",
		    "a block's class");
	change(&p->by_class[class].level[0][block / 64],
	       load_acquire(&p->by_class[class].level[0][block / 64]) ^ 1ull << block % 64,
	       "allocator", "a block on the list of its class");
	if (p->by_class[class].levels > 1)
		change(&p->by_class[class].level[1][0], 0, "allocator", "the list's upper level");
}

static void metadata(void)
{
	uint32_t ino = inode_of("big");
	struct inode_format *inode = &l->fs.inodes[ino];
	_Atomic uint64_t *opens = &fs_state(&l->fs, ino)->opens;
	_Atomic uint64_t *lane =
		(_Atomic uint64_t *)(l->fs.journal.meta + l->fs.journal.lanes_offset);
	_Atomic uint64_t *node_bits = inner_node_bits(&l->fs);

	change(&inode->crc, load_acquire(&inode->crc) ^ 1, "inode", "an inode's crc");
	change(&inode->size, load_acquire(&inode->size) + 4096, "inode", "a file's size");
	change(&inode->pages, load_acquire(&inode->pages) + (1 << 8), "map", "a file's pages");
	change(opens, load_acquire(opens) + 1, "inode", "how often a file is open");
	change(inner_inode_bits(&l->fs) + ino / 64,
	       load_acquire(inner_inode_bits(&l->fs) + ino / 64) ^ 1ull << ino % 64, "inode",
	       "an inode's bit");
	change(node_bits, load_acquire(node_bits) ^ 1ull << 40, "node", "a node's bit");
	change(lane, 3, "journal", "a lane that nobody has");
}

/* ---- names ------------------------------------------------------------------------------------------ */

/* Words of a record and the checksum that fits them, at once. */
static void set_attr(uint32_t ino, const struct inode_attr *attr)
{
	_Atomic uint64_t *at = &l->fs.inodes[ino].crc;
	uint64_t words[INODE_WORDS];

	inode_words(attr, words);
	for (unsigned i = 0; i < INODE_WORDS; i++)
		set_word(&at[i], words[i]);
}

static void change_attr(uint32_t ino, const struct inode_attr *to, const char *rule,
			const char *what)
{
	struct inode_attr was;

	must_be(fs_attr(&l->fs, ino, &was), 0);
	set_attr(ino, to);
	names(rule, what);
	set_attr(ino, &was);
	clean(what);
}

/* The only bucket of the root directory. */
static struct dir_page *root_bucket(void)
{
	entry_t root = load_acquire(&l->fs.inodes[ROOT_INO].root);

	must(entry_kind(root) == ENTRY_LEAF);
	return (struct dir_page *)inner_node(&l->fs, entry_target(root));
}

/* The entry says something else for a while. */
static void change_entry(const char *name, const struct dir_name *to, const char *rule,
			 const char *what)
{
	struct fs_place place;
	uint64_t words[5 * 8];
	struct dir_entry *e;

	must(fs_dir_find(&l->fs, ROOT_INO, name, strlen(name), &place));
	e = &root_bucket()->entry[place.granule - DIR_FIRST];
	dir_words(to, words);
	set_word(&e->what, words[0]);
	set_word(&e->check, words[2]);
	names(rule, what);
	dir_words(&place.name, words);
	set_word(&e->what, words[0]);
	set_word(&e->check, words[2]);
	clean(what);
}

static struct dir_name name_of(const char *name)
{
	struct fs_place place;

	must(fs_dir_find(&l->fs, ROOT_INO, name, strlen(name), &place));
	return place.name;
}

static void entries(void)
{
	struct dir_name to = name_of("small");
	struct fs_place place;
	_Atomic uint64_t *heads = &root_bucket()->heads;

	to.ino = inode_of("big");
	to.igen = fs_generation(&l->fs, to.ino);
	change_entry("small", &to, "name", "a name that leads to another file");
	to = name_of("small");
	to.igen++;
	change_entry("small", &to, "name", "a name's generation");
	to = name_of("small");
	to.ino = fs_inodes_high(&l->fs) + 5;
	change_entry("small", &to, "name", "a name that leads to no inode");
	to = name_of("small");
	to.type = S_IFDIR;
	change_entry("small", &to, "name", "a name's type");
	must(fs_dir_find(&l->fs, ROOT_INO, "small", 5, &place));
	change(heads, load_acquire(heads) & ~(1ull << place.granule), "directory",
	       "an entry that is gone");
	change(heads, load_acquire(heads) & ~(1ull << place.granule), "name",
	       "a file that has a name less");
	change(&fs_state(&l->fs, ROOT_INO)->sequence,
	       load_acquire(&fs_state(&l->fs, ROOT_INO)->sequence) | 1, "directory",
	       "a directory that is left changing");
}

static void records(void)
{
	uint32_t ino = inode_of("small"), dir = inode_of("directory");
	struct inode_attr attr;

	must_be(fs_attr(&l->fs, ino, &attr), 0);
	attr.nlink++;
	change_attr(ino, &attr, "name", "a file's number of names");
	must_be(fs_attr(&l->fs, dir, &attr), 0);
	attr.nlink++;
	change_attr(dir, &attr, "directory", "a directory's number of directories");
	must_be(fs_attr(&l->fs, dir, &attr), 0);
	attr.size++;
	change_attr(dir, &attr, "directory", "a directory's size");
	must_be(fs_attr(&l->fs, dir, &attr), 0);
	attr.parent = inode_of("other");
	change_attr(dir, &attr, "name", "a directory's parent");
	must_be(fs_attr(&l->fs, dir, &attr), 0);
	attr.key += DIR_TIES;
	change_attr(dir, &attr, "name", "a directory's key");
}

static void move(uint32_t from_dir, const char *from, uint32_t to_dir, const char *to)
{
	struct fs_rename r = {.from_dir = from_dir,
			      .to_dir = to_dir,
			      .from = from,
			      .to = to,
			      .from_length = strlen(from),
			      .to_length = strlen(to)};

	must_be(fs_rename(&l->fs, rt_self_get(l->rt), &r), 0);
}

/* A directory is in what is in itself: every count is right, and no path leads there. */
static void ring(void)
{
	uint32_t dir = inode_of("directory"), igen, inner;
	bool sure;

	inner = fs_dir_lookup(&l->fs, dir, "inner", 5, &igen, &sure);
	must(inner);
	move(ROOT_INO, "directory", inner, "ring");
	names("name", "directories in a ring");
	move(inner, "ring", ROOT_INO, "directory");
	clean("directories out of the ring");
}

/* Its last handle went without it: nothing but the check knows of the file. Whoever takes its lock removes it. */
static void unnamed(void)
{
	uint32_t ino = inode_of("leaked");
	_Atomic uint64_t *opens = &fs_state(&l->fs, ino)->opens;
	pf_file *file;

	OK(pf_open(pool, "leaked", PF_O_RDWR, 0, &file));
	OK(pf_unlink(pool, "leaked"));
	clean("an unnamed file that is open");
	store_release(file->handle, 0);
	store_release(opens, 0);
	names("unnamed", "an unnamed file that nobody has open");
	clean("an unnamed file that was found");
	must(fs_is_free(&l->fs, ino));
	OK(pf_close(file));
}

/* ---- quarantine -------------------------------------------------------------------------------------- */

static int hold_and_end(void *arg)
{
	pf_pool *mine = pool_open(arg);
	pf_file *file;
	pf_pin *pin;

	OK(pf_open(mine, "held", PF_O_RDWR, 0, &file));
	OK(pf_pin_file(file, 0, 8 * PAGE_BYTES, 0, &pin));
	OK(pf_unlink(mine, "held"));
	_exit(0);
}

/* Pages wait in quarantine while a process has registered the pool. */
static void quarantine(const char *path)
{
	struct pf_region region;
	_Atomic uint64_t *word, *list;
	uint64_t pfn, block;

	must_be(pf_regions(pool, &region, 1), 1);
	pattern_file(pool, "held", 8 * PAGE_BYTES, 3);
	pfn = pfn_of("held", 0);
	must_be(test_in_child(hold_and_end, (void *)(uintptr_t)path), 0);
	OK(pf_reap(pool));
	must(pool_info(pool).pages_quarantine >= 8);
	clean("pages in quarantine");
	word = &page_at(p, pfn)->word;
	must_be(word_state(load_acquire(word)), PAGE_QUARANTINE);
	change(word, load_acquire(word) + 1, "quarantine", "a quarantined page's count");
	change(word, word_with_state(load_acquire(word), PAGE_FREE), "allocator",
	       "a quarantined page's state");
	block = page_block(p, pfn);
	list = &p->quarantine.level[0][block / 64];
	change(list, load_acquire(list) ^ 1ull << block % 64, "quarantine", "the quarantine list");
}

int main(void)
{
	const char *path = pool_make("check", 32);
	pf_file *file;
	pf_map *map;

	pool = pool_open(path);
	l = &pool->layout;
	p = &l->pages;
	pattern_file(pool, "small", 3 * PAGE_BYTES, 1);
	pattern_file(pool, "big", 4 * MIB, 2);
	pattern_file(pool, "leaked", 5 * PAGE_BYTES, 7);
	OK(pf_link(pool, "small", "second"));
	OK(pf_mkdir(pool, "other", 0700));
	OK(pf_mkdir(pool, "directory", 0700));
	OK(pf_mkdir(pool, "directory/inner", 0700));
	OK(pf_open(pool, "big", PF_O_RDONLY, 0, &file));
	OK(pf_map_file(file, 0, 4 * MIB, PF_MAP_READ, &map));
	clean("before");
	counts_and_members();
	allocator();
	metadata();
	entries();
	records();
	ring();
	unnamed();
	quarantine(path);
	OK(pf_unmap(map));
	OK(pf_close(file));
	OK(pf_pool_close(pool));
	return 0;
}

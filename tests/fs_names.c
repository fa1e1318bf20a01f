/*
 * Names are what a slow model says: adding, finding, removing, replacing and reading, with names of every length, until the trie has several
 * levels, with names chosen so that they have one hash; numbers of inodes go round. A lookup without a lock never says "not there" of a name that is there, and a
 * reader without a lock sees all that stays, whoever changes the directory meanwhile.
 */
/* test: suite=short timeout=120 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/err.h"
#include "box.h"
#include "test.h"

#define NAMES 1500u

static struct box box;
static struct test_random chance;
static uint32_t model[NAMES]; /* inode of each name; 0: none */
static unsigned files;
static uint32_t dir;

/* From 4 to 255 bytes, none a part of another up to its end; some of all bytes that a name may have. */
static size_t name_of(unsigned n, char *name)
{
	size_t length = n % 5 == 0 ? 255 - n % 8 : 4 + n % 60;

	for (size_t i = 0; i < length; i++) {
		name[i] = (char)(n % 3 ? 'a' : 1 + (n * 7 + i * 31) % 255);
		if (name[i] == '/')
			name[i] = 'x';
	}
	name[length] = 0;
	snprintf(name + length - 4, 5, "%04x", n);
	return length;
}

/* ---- changes of a directory, as fs/names.c makes them ------------------------------------------------- */

static uint32_t create(struct box *at, uint32_t in, const char *name)
{
	return box_make_inode(at, in, name, S_IFREG | 0600, NULL);
}

static void remove_all(struct box *at, uint32_t in, const char *name)
{
	uint32_t ino = box_find(at, in, name);

	box_unlink(at, in, name);
	box_evict(at, ino);
}

static void rename_over(unsigned a, unsigned b, bool exchange)
{
	char from[256], to[256];
	struct fs_rename r = {.from_dir = dir,
			      .to_dir = dir,
			      .from = from,
			      .to = to,
			      .exchange = exchange};

	r.from_length = name_of(a, from);
	r.to_length = name_of(b, to);
	must_be(fs_rename(&box.fs, box.me, &r), 0);
}

static void rename_one(unsigned a, unsigned b)
{
	uint32_t lost = model[b];

	rename_over(a, b, false);
	model[b] = model[a];
	model[a] = 0;
	if (lost) {
		box_evict(&box, lost);
		files--;
	}
}

/* For most of the time more names come than go. */
static void one_step(bool growing)
{
	unsigned a = (unsigned)test_below(&chance, NAMES), b = (unsigned)test_below(&chance, NAMES);
	char name[256];

	name_of(a, name);
	if (!model[a]) {
		model[a] = create(&box, dir, name);
		files++;
	} else if (test_below(&chance, growing ? 8 : 1) == 0) {
		remove_all(&box, dir, name);
		model[a] = 0;
		files--;
	} else if (a != b && test_below(&chance, 3)) {
		rename_one(a, b);
	} else if (a != b && model[b]) {
		uint32_t was = model[a];

		rename_over(a, b, true);
		model[a] = model[b];
		model[b] = was;
	}
}

/* ---- comparing ---------------------------------------------------------------------------------------- */

static void compare_lookups(void)
{
	for (unsigned i = 0; i < NAMES; i++) {
		struct fs_place place;
		bool sure = false;
		char name[256];
		size_t length = name_of(i, name);
		uint32_t igen;

		must_be(fs_dir_lookup(&box.fs, dir, name, length, &igen, &sure), model[i]);
		must(sure);
		must_be(fs_dir_find(&box.fs, dir, name, length, &place), model[i] != 0);
		if (!model[i])
			continue;
		must_be(igen, fs_generation(&box.fs, model[i]));
		must(place.name.ino == model[i] && place.name.igen == igen);
		must(place.name.length == length && !strcmp(place.name.name, name));
	}
}

/* Reading gives each name once, with rising keys. */
static void compare_reading(void)
{
	struct dir_name names[FS_DIR_READ];
	uint64_t key = 0, last = 0;
	unsigned seen = 0;
	char name[256];
	bool sure;

	while (key < 1ull << DIR_KEY_BITS) {
		unsigned n = fs_dir_read(&box.fs, dir, key, names, &key, &sure);

		must(sure);
		for (unsigned i = 0; i < n; i++) {
			unsigned which =
				(unsigned)strtoul(names[i].name + names[i].length - 4, NULL, 16);

			must(names[i].key > last && names[i].key < key);
			last = names[i].key;
			must(which < NAMES && model[which] == names[i].ino);
			name_of(which, name);
			must(!strcmp(name, names[i].name));
			seen++;
		}
	}
	must_be(seen, files);
}

static void compare(void)
{
	compare_lookups();
	compare_reading();
	must_be(fs_size(&box.fs, dir), files);
}

static void against_model(void)
{
	dir = box_make_inode(&box, ROOT_INO, "directory", S_IFDIR | 0700, NULL);
	for (unsigned i = 0; i < 20000; i++) {
		one_step(i < 15000);
		if (i % 1000 == 0)
			compare();
	}
	compare();
	box_check(&box);
	box_close(&box);
	box_open(&box);
	compare();
}

/* Taken away and evicted, a directory leaves no node. */
static void emptied(void)
{
	uint64_t before;
	char name[256];

	for (unsigned i = 0; i < NAMES; i++)
		if (model[i]) {
			name_of(i, name);
			remove_all(&box, dir, name);
			model[i] = 0;
		}
	files = 0;
	compare();
	before = load_relaxed(&box.fs.shared->nodes_free);
	must(entry_kind(load_relaxed(&box.fs.inodes[dir].root)) == ENTRY_TABLE);
	remove_all(&box, ROOT_INO, "directory");
	must(load_relaxed(&box.fs.shared->nodes_free) > before + 10);
	box_check(&box);
}

/* ---- names with chosen hashes ---------------------------------------------------------------------------- */

/* XXH3 of 8 bytes turns them into 64 bits by steps of which each can be undone, so there is a name for every hash. */

#define HASH_FACTOR 0x9fb21c651e98df25ull

static uint64_t factor_inverse(void)
{
	uint64_t x = HASH_FACTOR;

	for (unsigned i = 0; i < 6; i++)
		x *= 2 - HASH_FACTOR * x;
	return x;
}

static uint64_t rotated(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

/* What the hash was, before its last steps mixed it. */
static uint64_t unmixed(uint64_t h)
{
	h ^= h >> 28 ^ h >> 56;
	h *= factor_inverse();
	h ^= (h >> 35) + 8;
	h *= factor_inverse();
	/* The map is its own inverse's 63rd root: 64 times it is nothing. */
	for (unsigned i = 0; i < 63; i++)
		h ^= rotated(h, 49) ^ rotated(h, 24);
	return h;
}

static uint64_t whole_hash(const char *name)
{
	uint64_t start;

	memcpy(&start, box.super.uuid, sizeof start);
	return XXH3_64bits_withSeed(name, 8, start);
}

/* The name of 8 bytes that has this hash. False: it has a byte that no name has. */
static bool name_with_hash(uint64_t hash, char name[9])
{
	uint64_t known = 'a' * 0x0101010101010101ull, flip, bytes;

	memcpy(name, "aaaaaaaa", 9);
	flip = unmixed(whole_hash(name)) ^ known;
	bytes = rotated(unmixed(hash) ^ flip, 32);
	memcpy(name, &bytes, 8);
	must(whole_hash(name) == hash);
	return !memchr(name, 0, 8) && !memchr(name, '/', 8);
}

static int try_create(uint32_t in, const char *name)
{
	int64_t ino = fs_pick(&box.fs, box.me);
	struct fs_new new = {.ino = (uint32_t)ino,
			     .dir = in,
			     .name = name,
			     .length = strlen(name),
			     .mode = S_IFREG | 0600};
	int rc;

	must(ino > 0);
	rc = fs_make(&box.fs, box.me, &new);
	if (rc == 0)
		fs_note_use(&box.fs, (uint32_t)ino);
	return rc;
}

static void all_are_there(uint32_t in, char (*names)[9], unsigned count)
{
	struct dir_name read[FS_DIR_READ];
	uint64_t key = 0, seen = 0;
	struct fs_place place;
	bool sure;

	for (unsigned i = 0; i < count; i++)
		must(fs_dir_find(&box.fs, in, names[i], 8, &place));
	while (key < 1ull << DIR_KEY_BITS) {
		seen += fs_dir_read(&box.fs, in, key, read, &key, &sure);
		must(sure);
	}
	must_be(seen, count);
	must_be(fs_size(&box.fs, in), count);
	box_check(&box);
}

/* Names whose hashes have all but the lowest `bits` in common, as many as one directory takes; then all but every third go, and come again. */
static void chosen(unsigned bits, unsigned wanted, unsigned levels)
{
	uint32_t in = box_make_inode(&box, ROOT_INO, "chosen", S_IFDIR | 0700, NULL);
	uint64_t hash = test_random(&chance) >> bits << bits;
	unsigned n = 0, depth = 0;
	char names[100][9];
	int rc = 0;

	for (uint64_t i = 0; i < 1ull << bits; i++) {
		/* The lowest 5 bits are not part of the key: those names are ties. */
		uint64_t low = (i * 32 & ((1ull << bits) - 1)) + (i * 32 >> bits);

		if (!name_with_hash(hash + low, names[n]))
			continue;
		rc = try_create(in, names[n]);
		if (rc < 0)
			break;
		n++;
	}
	must_be(rc, -PF_ENOMETA);
	must_be(n, wanted);
	all_are_there(in, names, n);
	for (entry_t e = load_relaxed(&box.fs.inodes[in].root); entry_kind(e) == ENTRY_TABLE;
	     depth++)
		e = load_relaxed(
			&((_Atomic uint64_t *)(box.fs.nodes +
					       entry_target(e) *
						       PAGE_BYTES))[dir_slot(hash >> 1, depth)]);
	must_be(depth, levels);
	for (unsigned i = 0; i < n; i++)
		if (i % 3)
			remove_all(&box, in, names[i]);
	for (unsigned i = 0; i < n; i++)
		must_be(box_find(&box, in, names[i]) != 0, i % 3 == 0);
	for (unsigned i = 0; i < n; i++)
		if (i % 3)
			must_be(try_create(in, names[i]), 0);
	all_are_there(in, names, n);
	for (unsigned i = 0; i < n; i++)
		remove_all(&box, in, names[i]);
	remove_all(&box, ROOT_INO, "chosen");
	box_check(&box);
}

/* ---- numbers ------------------------------------------------------------------------------------------ */

/* Until the last number, each once; then the error, and after one is free, that one. */
static void all_numbers(void)
{
	struct box old = box;
	uint32_t last = 0;
	unsigned n = 0;
	char name[16];

	memset(&box, 0, sizeof box);
	box_make(&box, 32 << 20, 1500, 0);
	box_open(&box);
	for (;; n++) {
		int64_t ino = fs_pick(&box.fs, box.me);

		if (ino < 0) {
			must_be(ino, -PF_ENOINODES);
			break;
		}
		snprintf(name, sizeof name, "n%u", n);
		last = create(&box, ROOT_INO, name);
	}
	must_be(n, box.super.inodes - 2); /* all but 0 and the root directory */
	must_be(fs_inodes_free(&box.fs), 0);
	box_check(&box);
	box_evict(&box, last - 700);
	must_be(create(&box, ROOT_INO, "again"), last - 700);
	box_check(&box);
	box_end(&box);
	box = old;
}

/* ---- lookups meanwhile ------------------------------------------------------------------------------- */

#define STAYING 40u

static size_t staying_name(unsigned n, char *name)
{
	return (size_t)snprintf(name, 256, "stays%u", n);
}

/* "home" is always there; it only changes which inode has it. So are those that stay, each with its own. */
static int change(void *arg)
{
	struct fs_rename r = {.from_dir = ROOT_INO,
			      .to_dir = ROOT_INO,
			      .from = "other",
			      .to = "home",
			      .from_length = 5,
			      .to_length = 4};
	int *gate = arg;
	uint32_t home;
	char name[256];

	box_open(&box);
	home = box_find(&box, ROOT_INO, "home");
	for (unsigned n = 0; !test_gate_try(*gate); n++) {
		/* Buckets come, are split, and go. */
		if (n % 2000 == 0)
			for (unsigned i = 0; i < 200; i++) {
				snprintf(name, sizeof name, "more%u", i);
				if (n % 4000)
					remove_all(&box, ROOT_INO, name);
				else
					create(&box, ROOT_INO, name);
			}
		create(&box, ROOT_INO, "other");
		must_be(fs_rename(&box.fs, box.me, &r), 0);
		box_evict(&box, home);
		home = box_find(&box, ROOT_INO, "home");
		must(home);
	}
	box_close(&box);
	return 0;
}

struct tally {
	unsigned long looked, unsure, read;
};

static void look_once(struct tally *t, const uint32_t *inos)
{
	unsigned n = (unsigned)test_below(&chance, STAYING);
	char name[256];
	size_t length = staying_name(n, name);
	uint32_t igen, ino;
	bool sure = false;

	ino = fs_dir_lookup(&box.fs, ROOT_INO, "home", 4, &igen, &sure);
	must(ino || !sure);
	t->unsure += !sure;
	ino = fs_dir_lookup(&box.fs, ROOT_INO, name, length, &igen, &sure);
	must(sure ? ino == inos[n] : !ino);
	ino = fs_dir_lookup(&box.fs, ROOT_INO, "never", 5, &igen, &sure);
	must(!ino);
	t->looked++;
}

/* One whole reading, as often as it takes. */
static void read_once(struct tally *t)
{
	struct dir_name names[FS_DIR_READ];
	uint64_t key = 0, next = 0, last = 0;
	unsigned staying = 0;

	while (key < 1ull << DIR_KEY_BITS) {
		bool sure = false;
		unsigned n = fs_dir_read(&box.fs, ROOT_INO, key, names, &next, &sure);

		if (!sure)
			continue;
		for (unsigned i = 0; i < n; i++) {
			must(names[i].key >= key && names[i].key > last);
			last = names[i].key;
			staying += !strncmp(names[i].name, "stays", 5);
		}
		must(next > key);
		key = next;
	}
	must_be(staying, STAYING);
	t->read++;
}

static void meanwhile(void)
{
	uint32_t inos[STAYING];
	int stop = test_gate();
	struct tally t = {0};
	char name[256];
	pid_t pid;

	for (unsigned i = 0; i < STAYING; i++) {
		staying_name(i, name);
		inos[i] = create(&box, ROOT_INO, name);
	}
	create(&box, ROOT_INO, "home");
	pid = test_fork(change, &stop);
	do {
		for (unsigned i = 0; i < 1000; i++)
			look_once(&t, inos);
		read_once(&t);
	} while (test_time_left(0.8));
	test_gate_open(stop);
	must_be(test_wait(pid, TEST_PATIENCE), 0);
	printf("%lu lookups, %lu unsure, read %lu times\n", t.looked, t.unsure, t.read);
	must(t.looked > t.unsure && t.read);
}

/* ---- at each store --------------------------------------------------------------------------------------- */

/* What a reader without a lock sees between any two stores of an operation: if it is sure, it is right. */
static struct {
	uint32_t dir, ino[300], swapped[2];
	unsigned count; /* names that are there from now on */
	unsigned long looked, sure;
} watched;

static size_t watched_name(unsigned n, char *name)
{
	return (size_t)
		snprintf(name, 256, "%.*s%u", (int)(n % 7 == 0 ? 90 : n % 20),
			 "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww"
			 "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
			 n);
}

static uint32_t look_up(const char *name, size_t length, bool *sure)
{
	uint32_t igen, ino = fs_dir_lookup(&box.fs, watched.dir, name, length, &igen, sure);

	watched.looked++;
	watched.sure += *sure;
	if (*sure && ino)
		must_be(igen, fs_generation(&box.fs, ino));
	return ino;
}

static void read_at_store(void)
{
	struct dir_name names[FS_DIR_READ];
	uint64_t key = 0, last = 0;
	unsigned seen = 0;
	bool sure = true;

	while (sure && key < 1ull << DIR_KEY_BITS) {
		unsigned n = fs_dir_read(&box.fs, watched.dir, key, names, &key, &sure);

		for (unsigned i = 0; sure && i < n; i++) {
			must(names[i].key > last);
			last = names[i].key;
			seen += names[i].name[0] == 'w' || isdigit(names[i].name[0]);
		}
	}
	if (sure)
		must(seen == watched.count || seen == watched.count + 1);
}

static void look_at_store(const void *at, size_t length)
{
	char name[256];
	uint32_t ino;
	bool sure;

	(void)at;
	(void)length;
	for (unsigned i = 0; i < 4 && watched.count; i++) {
		unsigned n = (unsigned)test_below(&chance, watched.count);
		size_t bytes = watched_name(n, name);

		ino = look_up(name, bytes, &sure);
		must(sure ? ino == watched.ino[n] : !ino);
	}
	for (unsigned i = 0; watched.swapped[1] && i < 2; i++) {
		ino = look_up(i ? "swap b" : "swap a", 6, &sure);
		must(!sure || ino == watched.swapped[0] || ino == watched.swapped[1]);
	}
	ino = look_up("never", 5, &sure);
	must(!ino);
	if (test_below(&chance, 16) == 0)
		read_at_store();
}

static void nothing(const void *at, size_t length)
{
	(void)at;
	(void)length;
}

static void no_fence(void)
{
}

static void swap_watched(bool exchange, const char *from, const char *to)
{
	struct fs_rename r = {.from_dir = watched.dir,
			      .to_dir = watched.dir,
			      .from = from,
			      .to = to,
			      .from_length = strlen(from),
			      .to_length = strlen(to),
			      .exchange = exchange};

	must_be(fs_rename(&box.fs, box.me, &r), 0);
}

static void at_each_store(void)
{
	static const struct media_recorder recorder = {look_at_store, nothing, no_fence};
	char name[256];

	watched.dir = box_make_inode(&box, ROOT_INO, "watched", S_IFDIR | 0700, NULL);
	media_recorder = &recorder;
	for (unsigned i = 0; i < ARRAY_SIZE(watched.ino); i++) {
		watched_name(i, name);
		watched.ino[i] = create(&box, watched.dir, name);
		watched.count = i + 1;
		if (i == 10) {
			uint32_t a = create(&box, watched.dir, "swap a");

			watched.swapped[0] = create(&box, watched.dir, "swap b");
			watched.swapped[1] = a;
		}
		if (i % 8 != 7 || i < 10)
			continue;
		swap_watched(true, "swap a", "swap b");
		create(&box, watched.dir, "temporary");
		swap_watched(false, "temporary", "another");
		remove_all(&box, watched.dir, "another");
	}
	media_recorder = NULL;
	printf("%lu lookups at stores, %lu sure\n", watched.looked, watched.sure);
	must(watched.sure && watched.sure < watched.looked);
	box_check(&box);
}

int main(void)
{
	test_dir();
	chance.state = test_seed();
	box_make(&box, 64 << 20, 4000, 0);
	box_open(&box);
	against_model();
	emptied();
	chosen(5, DIR_TIES, 0);
	chosen(10, DIR_GRANULES - DIR_FIRST, DIR_DEPTH_MAX);
	all_numbers();
	at_each_store();
	meanwhile();
	box_check(&box);
	box_end(&box);
	return 0;
}

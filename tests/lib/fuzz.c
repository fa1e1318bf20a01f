/* See fuzz.h. */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/err.h"
#include "format/xattr_format.h"
#include "image.h"
#include "pool.h"
#include "test.h"

#define BATCH 64u /* images that one process looks at */

/* Shared by who looks at images and who waits for him. */
struct progress {
	uint64_t seed; /* of the image that is looked at */
	unsigned long looked, opened, refused, used;
};

static struct image image;
static uint8_t *good;
static struct test_random chance;
static uint64_t bucket; /* of the root directory */
static struct progress *progress;
static const char *path; /* of the pool */

/* ---- damage ----------------------------------------------------------------------------------------- */

/* Where there is something: an inode or node in use, a bucket, the counters, a lane. */
static uint64_t some_place(void)
{
	const struct super_format *s = &image.super;

	switch (test_below(&chance, 8)) {
	case 0:
		return test_below(&chance, HEAD_BYTES);
	case 1:
		return COUNTERS_OFFSET + test_below(&chance, 16);
	case 2:
		return s->lanes_offset + test_below(&chance, s->lanes * LANE_BYTES);
	case 3:
		return bucket + test_below(&chance, PAGE_BYTES);
	case 4:
	case 5:
		return s->nodes_offset + test_below(&chance, 16 * PAGE_BYTES);
	default:
		return s->inodes_offset + test_below(&chance, 10 * INODE_BYTES);
	}
}

static uint64_t some_value(void)
{
	switch (test_below(&chance, 6)) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return number32((uint32_t)test_below(&chance, 600));
	case 3:
		return (image.super.data_offset / PAGE_BYTES + test_below(&chance, 2000)) << 8 | 1;
	case 4:
		return test_below(&chance, 300) << 8 | test_below(&chance, 5) << 2 | 2;
	default:
		return test_random(&chance);
	}
}

/* A transaction of random words, committed. */
static void write_lane(void)
{
	uint64_t count = 1 + test_below(&chance, 20), record[20][2];
	uint8_t *lane = image.bytes + image.super.lanes_offset +
			test_below(&chance, image.super.lanes) * LANE_BYTES;

	for (uint64_t i = 0; i < count; i++) {
		record[i][0] = test_below(&chance, 20) ? align_down(some_place(), 8)
						       : test_random(&chance);
		record[i][1] = some_value();
	}
	memcpy(lane + 64, record, count * 16);
	store_relaxed((_Atomic uint64_t *)lane,
		      (uint64_t)crc32c(0, record, count * 16) << 32 | count);
}

static uint32_t some_inode(void)
{
	const uint32_t inos[] = {ROOT_INO,      image.small,   image.tree,     image.leaf,
				 image.unnamed, image.removed, image.wide,     image.directory,
				 image.inner,   image.link,    image.long_link};

	return test_below(&chance, 8) ? inos[test_below(&chance, ARRAY_SIZE(inos))]
				      : 1 + (uint32_t)test_below(&chance, 120);
}

static void damage_inode(void)
{
	uint32_t ino = some_inode();
	uint8_t *word =
		(uint8_t *)image_inode(&image, ino) + test_below(&chance, INODE_BYTES / 8) * 8;

	switch (test_below(&chance, 4)) {
	case 0:
		memcpy(word, &(uint64_t){some_value()}, 8);
		break;
	case 1: /* as another inode has it */
		memcpy(word,
		       (uint8_t *)image_inode(&image, some_inode()) +
			       (word - (uint8_t *)image_inode(&image, ino)),
		       8);
		break;
	default:
		word[test_below(&chance, 8)] ^= (uint8_t)(1 << test_below(&chance, 8));
	}
	image_seal_inode(&image, ino);
}

static void damage_entry(void)
{
	uint32_t ino = some_inode();
	struct inode_format *inode = image_inode(&image, ino);
	uint64_t i = test_below(&chance, INLINE_ENTRIES);
	_Atomic uint64_t *entry = &inode->inlined[i];

	switch (test_below(&chance, 4)) {
	case 0:
		entry = &inode->root;
		i = S_ISLNK(load_relaxed(&inode->mode_uid)) ? LINK_INDEX : 0;
		break;
	case 1:
		i = test_below(&chance, 4);
		entry = &image_node(&image, 1 + test_below(&chance, 8))[i];
		i <<= 9 * test_below(&chance, 3);
		break;
	case 2:
		entry = test_below(&chance, 2) ? &inode->pages : &inode->xattr;
		i = entry == &inode->pages ? PAGES_INDEX : XATTR_INDEX;
		break;
	}
	if (test_below(&chance, 3) == 0)
		*entry ^= 1ull << test_below(&chance, 48);
	else if (test_below(&chance, 2))
		store_relaxed(entry, some_value());
	image_seal_entry(&image, ino, i, entry);
	image_seal_inode(&image, ino);
}

/* A slot of a table of directories. */
static void damage_slot(void)
{
	entry_t root = load_relaxed(&image_inode(&image, image.wide)->root);
	unsigned i = (unsigned)test_below(&chance, test_below(&chance, 2) ? 4 : NODE_ENTRIES);
	_Atomic uint64_t *slot;

	if (entry_target(root) >= image.super.nodes)
		return;
	slot = &image_node(&image, entry_target(root))[i];
	if (test_below(&chance, 2))
		*slot ^= 1ull << test_below(&chance, 20);
	else
		store_relaxed(slot, some_value());
	image_seal_entry(&image, image.wide, dir_first_key(0, 0, i), slot);
}

static void damage_name(struct dir_name *name)
{
	switch (test_below(&chance, 7)) {
	case 0:
		name->ino = some_inode();
		break;
	case 1:
		name->ino = (uint32_t)some_value();
		break;
	case 2:
		name->igen += (uint32_t)test_below(&chance, 3) - 1;
		break;
	case 3:
		name->type = (uint32_t)test_below(&chance, 16) << 12;
		break;
	case 4:
		name->length = 1 + (unsigned)test_below(&chance, 255);
		memset(name->name, 'f', sizeof name->name);
		break;
	case 5:
		name->name[test_below(&chance, name->length)] = (char)test_below(&chance, 256);
		break;
	default:
		name->key ^= 1ull << test_below(&chance, 64);
	}
	if (test_below(&chance, 2))
		name->key = dir_hash(image.super.uuid, name->name, name->length);
}

/* An entry of a bucket, with a checksum and a fingerprint that fit, or a word of the header. */
static void damage_bucket(void)
{
	static const char *const names[] = {"small", "tree", "directory", "link", "inner", "x"};
	struct dir_page *page = (struct dir_page *)image_node(&image, 1 + test_below(&chance, 16));
	unsigned g = DIR_FIRST + (unsigned)test_below(&chance, DIR_GRANULES - DIR_FIRST);
	uint64_t words[5 * 8];
	struct dir_name name;

	if (load_relaxed(&page->heads) && test_below(&chance, 8))
		g = (unsigned)__builtin_ctzll(load_relaxed(&page->heads));
	if (!dir_read(page, g, &name)) {
		const char *text = names[test_below(&chance, ARRAY_SIZE(names))];

		name = (struct dir_name){.ino = some_inode(), .length = (unsigned)strlen(text)};
		strcpy(name.name, text);
		page->heads |= 1ull << g;
	}
	damage_name(&name);
	dir_words(&name, words);
	for (unsigned i = 0; i < dir_granules(name.length) * 8; i++)
		if (g * 8 + i < NODE_ENTRIES)
			store_relaxed((_Atomic uint64_t *)page + g * 8 + i, words[i]);
	page->prints[g / 8] &= ~(0xffull << g % 8 * 8);
	page->prints[g / 8] |= (uint64_t)dir_print(name.key) << g % 8 * 8;
	if (test_below(&chance, 2))
		page->used |= 1ull << g;
	if (test_below(&chance, 4) == 0)
		((_Atomic uint64_t *)page)[test_below(&chance, 3)] ^= 1ull
								      << test_below(&chance, 64);
}

/* The page with extended attributes of "small". */
static void damage_xattr(void)
{
	struct inode_format *inode = image_inode(&image, image.small);
	uint64_t node = entry_target(load_relaxed(&inode->xattr));
	struct xattr_page *page;

	if (node >= image.super.nodes)
		return;
	page = (struct xattr_page *)(void *)image_node(&image, node);
	((uint8_t *)page)[test_below(&chance, 64)] ^= (uint8_t)(1 << test_below(&chance, 8));
	page->crc = crc32c(0, (uint8_t *)page + sizeof page->crc,
			   MIN(XATTR_HEADER + page->used, PAGE_BYTES) - sizeof page->crc);
}

static void damage_bytes(void)
{
	uint64_t place = some_place();

	switch (test_below(&chance, 3)) {
	case 0:
		image.bytes[place] ^= (uint8_t)(1 << test_below(&chance, 8));
		break;
	case 1:
		memcpy(image.bytes + align_down(place, 8), &(uint64_t){some_value()}, 8);
		break;
	default:
		memcpy(image.bytes + align_down(place, 8),
		       image.bytes + align_down(some_place(), 8), 8);
	}
}

static void damage(void)
{
	static void (*const kinds[])(void) = {write_lane,    damage_inode, damage_inode,
					      damage_entry,  damage_slot,  damage_bucket,
					      damage_bucket, damage_xattr, damage_bytes};

	kinds[test_below(&chance, ARRAY_SIZE(kinds))]();
}

/* ---- using what was built --------------------------------------------------------------------------- */

static void look_at_file(struct box *box, uint32_t ino)
{
	uint64_t pfn, index = 0;

	for (unsigned i = 0; i < 1000 && index < FILE_PAGES_MAX; i++) {
		index = fs_next_entry(&box->fs, ino, index, FILE_PAGES_MAX);
		if (index < FILE_PAGES_MAX)
			must(fs_entry(&box->fs, ino, index, &pfn));
		index++;
	}
	fs_pages(&box->fs, ino);
}

/* Every name is found, and leads where reading said. */
static void look_at_directory(struct box *box, uint32_t dir)
{
	struct dir_name names[FS_DIR_READ];
	struct fs_place place;
	uint64_t key = 0;
	bool sure;

	while (key < 1ull << DIR_KEY_BITS) {
		unsigned n = fs_dir_read(&box->fs, dir, key, names, &key, &sure);

		must(sure);
		for (unsigned i = 0; i < n; i++) {
			must(fs_dir_find(&box->fs, dir, names[i].name, names[i].length, &place));
			must_be(place.name.ino, names[i].ino);
		}
	}
}

static void look(struct box *box, uint32_t ino)
{
	char text[PF_PATH_MAX + 1];
	struct inode_attr attr;

	must_be(fs_attr(&box->fs, ino, &attr), 0);
	fs_path(&box->fs, ino, attr.generation, text, sizeof text);
	if (attr.state == INODE_FREE)
		return;
	if (fs_is_directory(&box->fs, ino))
		look_at_directory(box, ino);
	else if (fs_is_file(&box->fs, ino))
		look_at_file(box, ino);
	else if (attr.state != INODE_EVICTING)
		must(fs_link_read(&box->fs, ino, text) > 0);
}

static void use(struct box *box)
{
	struct fs_rename r = {.from_dir = ROOT_INO,
			      .to_dir = ROOT_INO,
			      .from = "fuzz",
			      .to = "fuzzed",
			      .from_length = 4,
			      .to_length = 6};

	for (uint32_t ino = 1; ino < fs_inodes_high(&box->fs); ino++)
		look(box, ino);
	box_create(box, "fuzz");
	must_be(fs_rename(&box->fs, box->me, &r), 0);
	must(box_find(box, ROOT_INO, "fuzzed"));
	box_check(box);
}

/* Rules that opening does not need: it has a superblock. */
static void count_serious(void *arg, const char *rule, const char *text)
{
	unsigned *serious = arg;

	(void)text;
	*serious += strcmp(rule, "superblock") && strcmp(rule, "use");
}

static void check_open(void)
{
	unsigned serious = 0;
	struct report report = {.each = count_serious, .arg = &serious};
	struct box box;
	int rc;

	fs_check_media(image.bytes, image.length, &report);
	box_make(&box, image.length, 0, 0);
	box.super = image.super; /* names have keys by its uuid */
	memcpy(image.bytes, &box.super, sizeof box.super);
	memcpy(image.bytes + SUPER_COPY, &box.super, sizeof box.super);
	serious = 0;
	report.violations = 0;
	fs_check_media(image.bytes, image.length, &report);
	must(pwrite(box.media_fd, image.bytes, image.super.data_offset, 0) ==
	     (ssize_t)image.super.data_offset);
	rc = box_try_open(&box);
	must(rc == 0 || rc == -PF_ECORRUPT);
	if (!report.violations)
		must_be(rc, 0);
	if (serious)
		must_be(rc, -PF_ECORRUPT);
	if (rc == 0)
		use(&box);
	progress->opened += rc == 0;
	progress->refused += rc < 0;
	box_end(&box);
}

/* ---- using it as a pool ------------------------------------------------------------------------------- */

/* Anything may fail, and nothing may crash. */
static void use_attributes(pf_file *file)
{
	char names[4096], value[4096];
	struct pf_stat stat;
	ssize_t n = pf_listxattr(file, names, sizeof names);

	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1)
		pf_getxattr(file, names + i, value, sizeof value);
	pf_setxattr(file, "user.fuzz", value, test_below(&chance, 100), 0);
	if (test_below(&chance, 2))
		pf_removexattr(file, "user.fuzz");
	pf_stat(file, &stat);
}

static void use_pages(pf_file *file, uint64_t size)
{
	uint64_t at = test_below(&chance, MIN(size, 4ull << 20) + 1);
	char buffer[8192];
	pf_map *map;
	pf_pin *pin;

	pf_read(file, buffer, sizeof buffer, at);
	pf_read(file, buffer, sizeof buffer, size - MIN(size, sizeof buffer));
	pf_seek(file, at, PF_SEEK_DATA);
	pf_seek(file, at, PF_SEEK_HOLE);
	if (pf_map_file(file, align_down(at, PAGE_BYTES), PAGE_BYTES, PF_MAP_READ, &map) == 0)
		pf_unmap(map);
	pf_write(file, buffer, test_below(&chance, sizeof buffer), at);
	if (pf_pin_file(file, at, sizeof buffer, PF_PIN_WRITE, &pin) == 0)
		pf_unpin(pin);
	pf_append(file, buffer, 10);
	pf_punch(file, at, test_below(&chance, 100000), PF_DETACH, 0);
	pf_allocate(file, at, test_below(&chance, 100000), 0);
	if (test_below(&chance, 2))
		pf_truncate(file, test_below(&chance, 3) * test_below(&chance, 3 << 20), PF_TRY, 0);
}

struct tour {
	pf_pool *pool;
	unsigned depth, seen;
	char path[PF_PATH_MAX + 1];
};

static void visit_names(struct tour *t)
{
	char target[PF_PATH_MAX + 1];

	pf_readlink(t->pool, t->path, target, sizeof target);
	pf_access(t->pool, t->path, 7);
	switch (test_below(&chance, 8)) {
	case 0:
		pf_unlink(t->pool, t->path);
		break;
	case 1:
		pf_rmdir(t->pool, t->path);
		break;
	case 2:
		pf_rename(t->pool, t->path, "renamed", 0);
		break;
	case 3:
		pf_rename(t->pool, t->path, "/directory", PF_RENAME_EXCHANGE);
		break;
	case 4:
		pf_link(t->pool, t->path, "/directory/linked");
		break;
	}
}

static int visit(void *arg, const char *name, const struct pf_stat *stat)
{
	struct tour *t = arg;
	size_t length = strlen(t->path);
	pf_file *file;

	if (++t->seen > 300 || length + strlen(name) + 2 > sizeof t->path)
		return 1;
	sprintf(t->path + length, "/%s", name);
	if (S_ISDIR(stat->mode) && t->depth < 8) {
		t->depth++;
		pf_list(t->pool, t->path, visit, t);
		t->depth--;
	}
	if (pf_open(t->pool, t->path, S_ISREG(stat->mode) ? PF_O_RDWR : PF_O_PATH | PF_O_NOFOLLOW,
		    0, &file) == 0) {
		if (S_ISREG(stat->mode))
			use_pages(file, stat->size);
		use_attributes(file);
		pf_close(file);
	}
	visit_names(t);
	t->path[length] = 0;
	return 0;
}

static void use_pool(pf_pool *pool)
{
	struct tour t = {.pool = pool};
	struct pf_info info;
	char name[32];
	pf_file *file;

	pf_list(pool, "/", visit, &t);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "/wide/new %u", i);
		if (pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0600, &file) == 0) {
			pf_append(file, name, sizeof name);
			pf_close(file);
		}
	}
	pf_mkdir(pool, "/directory/new", 0700);
	pf_symlink(pool, "/wide", "/directory/new/link");
	pf_list(pool, "/directory/new/link", visit, &t);
	OK(pf_reap(pool));
	OK(pf_info(pool, &info));
}

static void note_serious(void *arg, const char *rule, const char *text)
{
	unsigned *serious = arg;

	if (strcmp(rule, "superblock") && strcmp(rule, "use") && ++*serious == 1)
		fprintf(stderr, "%s: %s\n", rule, text);
}

static bool is_whole(void)
{
	unsigned serious = 0;
	struct report report = {.each = count_serious, .arg = &serious};

	fs_check_media(image.bytes, image.length, &report);
	return !serious;
}

static void check_pool(void)
{
	unsigned flags = PF_POOL_NO_THREAD | (test_below(&chance, 8) ? 0 : PF_POOL_RDONLY);
	unsigned serious = 0;
	pf_pool *pool;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	must(fd >= 0);
	must(ftruncate(fd, (off_t)image.length) == 0);
	must(pwrite(fd, image.bytes, image.super.data_offset, 0) ==
	     (ssize_t)image.super.data_offset);
	close(fd);
	if (pf_pool_open(path, flags, &pool) < 0)
		return;
	use_pool(pool);
	must(pf_check(pool, note_serious, &serious) == 0);
	OK(pf_pool_close(pool));
	must(pf_fsck(path, note_serious, &serious) >= 0);
	must_be(serious, 0);
	progress->used++;
}

/* ---- all ------------------------------------------------------------------------------------------ */

static int look_at_batch(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < BATCH; i++) {
		chance.state = progress->seed;
		memcpy(image.bytes, good, image.super.data_offset);
		for (uint64_t n = test_below(&chance, 4); n < 4; n++)
			damage();
		/* Opening looks for the same as fsck: of what fsck finds damaged, some will do. */
		if (is_whole() || test_below(&chance, 4) == 0) {
			check_pool();
			check_open();
		}
		progress->looked++;
		progress->seed++;
	}
	return 0;
}

void fuzz_images(double seconds)
{
	double end = now() + seconds;

	path = test_path("fuzzed");
	progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	must(progress != MAP_FAILED);
	progress->seed = test_seed();
	image_make(&image);
	bucket = (uint64_t)((uint8_t *)image_bucket(&image, ROOT_INO) - image.bytes);
	good = malloc(image.length);
	must(good);
	memcpy(good, image.bytes, image.length);
	do {
		int status = test_wait(test_fork(look_at_batch, NULL), TEST_PATIENCE);

		if (status)
			test_fail(__FILE__, __LINE__, "status %d with the image of seed %lu",
				  status, (unsigned long)progress->seed);
	} while (now() < end);
	printf("%lu images, %lu opened, %lu refused, %lu pools used\n", progress->looked,
	       progress->opened, progress->refused, progress->used);
	must(progress->refused && progress->opened && progress->used);
	munmap(progress, sizeof *progress);
	free(good);
	free(image.bytes);
}

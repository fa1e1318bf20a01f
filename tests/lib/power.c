/* See power.h. */
#include "power.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/stand_in.h"
#include "file/pool.h"
#include "format/use_format.h"
#include "pool.h"

#define LINE 64u
#define FULL \
	500u /* of so many images one is opened as a pool, and of some that recovery changes the recovery is cut */

struct power_counts power_counts;

/* A word of the media that was stored, a range that was written back, a fence, or a mark. */
struct event {
	enum { STORE, FLUSH, FENCE, MARK } kind;
	uint32_t next;   /* STORE: the line's next one, index + 1 */
	uint64_t offset; /* bytes on the media */
	uint64_t value;  /* STORE: the word; FLUSH: bytes */
};

struct log {
	struct event *at;
	size_t count, room;
};

/* A line that may differ on the device from what the processor has. */
struct line {
	uint64_t number;
	uint32_t first, last; /* events, index + 1 */
	unsigned stores, flushed;
	unsigned kept; /* in the image being built */
};

/* A moment: what is not certain to be on the device. */
struct dirty {
	struct line *line;
	size_t count, room;
	uint32_t *index; /* of a line number: index + 1 */
};

static struct {
	pf_pool *pool;              /* NULL: it is being closed */
	const uint8_t *meta, *data; /* its mappings */
	uint64_t meta_bytes, data_bytes;
	uint64_t bytes, lines;
	struct log log;
	uint8_t *device; /* what is certain */
	uint8_t *media;  /* the image, mapped from the box's memfd */
	struct box box;
	bool has_box;
	uint64_t hash; /* of the device: the sum of its lines' */
	struct log recovery;
	uint64_t *touched; /* lines of the image that are not as the device's */
	size_t touched_count, touched_room;
	uint32_t *stamp, stamp_now; /* of a line: it was counted */
	power_judge *judge;
	void *arg;
	struct test_random *chance;
	unsigned depth;
} p;

static void *grow(void *at, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return at;
	*room = MAX(*room * 2, (size_t)1024);
	at = realloc(at, *room * size);
	must(at != NULL);
	return at;
}

static struct event *add_event(struct log *log, int kind, uint64_t offset, uint64_t value)
{
	log->at = grow(log->at, log->count, &log->room, sizeof *log->at);
	log->at[log->count] = (struct event){.offset = offset, .value = value};
	log->at[log->count].kind = kind;
	return &log->at[log->count++];
}

/* ---- recording ---------------------------------------------------------------------------------------- */

/* Where on the media an address of the pool's mappings is. */
static uint64_t pool_offset(const void *address)
{
	const uint8_t *at = address;

	if (at >= p.meta && at < p.meta + p.meta_bytes)
		return (uint64_t)(at - p.meta);
	if (at >= p.data && at < p.data + p.data_bytes)
		return (uint64_t)(at - p.data) + p.meta_bytes;
	test_fail(__FILE__, __LINE__, "a store to %p, which is not media", address);
}

static void log_store(struct log *log, const void *at, uint64_t offset, size_t length)
{
	uint64_t end = offset + length;
	const uint8_t *bytes = (const uint8_t *)at - offset % 8;

	for (offset = align_down(offset, 8); offset < end; offset += 8, bytes += 8) {
		uint64_t value;

		memcpy(&value, bytes, 8);
		add_event(log, STORE, offset, value);
	}
}

static void store(const void *at, size_t length)
{
	if (length)
		log_store(&p.log, at, pool_offset(at), length);
}

static void flush(const void *at, size_t length)
{
	if (length)
		add_event(&p.log, FLUSH, pool_offset(at), length);
}

/* The next transaction is in another lane, as another thread's would be: what is in this one stays. */
static void change_lane(void)
{
	static uint32_t lane;
	struct rt_self *me;

	if (!p.pool)
		return;
	me = rt_self_get(p.pool->layout.rt);
	store_relaxed(&me->row->lane, 1 + lane++ % (uint32_t)p.pool->layout.fs.super.lanes);
}

static void fence(void)
{
	add_event(&p.log, FENCE, 0, 0);
	change_lane();
}

static const struct media_recorder recorder = {store, flush, fence};

void power_device(const char *path)
{
	static struct stand_in stand_in;
	struct stat st;

	must(stat(path, &st) == 0);
	stand_in = (struct stand_in){.device = st.st_dev, .inode = st.st_ino, .dax = true};
	stand_in_set(&stand_in);
}

void power_record(void)
{
	p.log.count = 0;
	media_recorder = &recorder;
}

void power_mark(void)
{
	add_event(&p.log, MARK, 0, 0);
}

void power_end(void)
{
	media_recorder = NULL;
}

/* ---- the box that recovers ---------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return h ^ h >> 32;
}

static uint64_t line_hash(uint64_t number, const uint8_t *bytes)
{
	uint64_t words[LINE / 8], h = 0, any = 0;

	memcpy(words, bytes, LINE);
	for (unsigned i = 0; i < LINE / 8; i++) {
		any |= words[i];
		h = (h ^ words[i]) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	return any ? mix(h + number * 0x94d049bb133111ebull) : 0;
}

static void no_persist(const void *address, size_t length)
{
	(void)address, (void)length;
}

static void no_drain(void)
{
}

/* Its use record must not be that of a pool in use when the box attaches. */
static void make_box(const struct super_format *super)
{
	struct use_format use = {.state = USE_CLEAN};

	p.box = (struct box){.super = *super};
	p.box.media_fd = memfd_create("power", MFD_CLOEXEC);
	must(p.box.media_fd >= 0 && ftruncate(p.box.media_fd, (off_t)p.bytes) == 0);
	must_be(rt_make_memfd(&p.box.runtime_fd), 0);
	p.media = mmap(NULL, p.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, p.box.media_fd, 0);
	must(p.media != MAP_FAILED);
	memcpy(p.media, p.device, p.bytes);
	memset(p.media + USE_OFFSET, 0, USE_END - USE_OFFSET);
	memcpy(use_seal(p.media, &use), &use, sizeof use);
	box_open(&p.box);
	/* Recovers as on a persistent device. */
	p.box.dev->durability = DEV_PERSISTENT;
	p.box.dev->persist = no_persist;
	p.box.dev->drain = no_drain;
	p.has_box = true;
}

void power_begin(pf_pool *pool)
{
	const struct super_format *super = &pool->layout.fs.super;

	p.pool = pool;
	p.meta = pool->meta;
	p.data = pool->data;
	p.meta_bytes = pool->meta_bytes;
	p.data_bytes = pool->data_bytes;
	must(pool->dev->persist != NULL);
	p.bytes = super->data_offset + super->data_pages * PAGE_BYTES;
	p.lines = p.bytes / LINE;
	p.stamp = calloc(p.lines, sizeof *p.stamp);
	p.device = malloc(p.bytes);
	must(p.device && p.stamp);
	memcpy(p.device, pool->meta, pool->meta_bytes);
	memcpy(p.device + pool->meta_bytes, pool->data, pool->data_bytes);
	make_box(super);
	memcpy(p.media, p.device, p.bytes);
	p.hash = 0;
	for (uint64_t i = 0; i < p.lines; i++)
		p.hash += line_hash(i, p.device + i * LINE);
	power_record();
}

void power_closing(void)
{
	power_record();
	p.pool = NULL;
}

void power_done(void)
{
	media_recorder = NULL;
	p.box.dev->persist = NULL;
	p.box.dev->drain = NULL;
	box_end(&p.box);
	munmap(p.media, p.bytes);
	free(p.device);
	free(p.log.at);
	free(p.recovery.at);
	free(p.touched);
	free(p.stamp);
	memset(&p, 0, sizeof p);
}

/* ---- images already seen ------------------------------------------------------------------------------ */

struct set {
	uint64_t *at;
	size_t count, room; /* room is a power of two */
};

static bool insert(struct set *set, uint64_t key)
{
	size_t i;

	key |= !key;
	if (set->count * 2 >= set->room) {
		struct set old = *set;

		set->room = MAX(old.room * 4, (size_t)65536);
		set->count = 0;
		set->at = calloc(set->room, sizeof *set->at);
		must(set->at != NULL);
		for (size_t n = 0; n < old.room; n++)
			if (old.at[n])
				insert(set, old.at[n]);
		free(old.at);
	}
	for (i = key & (set->room - 1); set->at[i]; i = (i + 1) & (set->room - 1))
		if (set->at[i] == key)
			return false;
	set->at[i] = key;
	set->count++;
	return true;
}

/* ---- one image ---------------------------------------------------------------------------------------- */

static void touch(uint64_t line)
{
	p.touched = grow(p.touched, p.touched_count, &p.touched_room, sizeof *p.touched);
	p.touched[p.touched_count++] = line;
}

/* The image is as the device again. */
static void restore(void)
{
	while (p.touched_count) {
		uint64_t at = p.touched[--p.touched_count] * LINE;

		memcpy(p.media + at, p.device + at, LINE);
	}
}

static void recovery_store(const void *at, size_t length)
{
	const uint8_t *bytes = at;

	if (bytes < p.box.meta || bytes >= p.box.meta + p.box.super.data_offset)
		return; /* of a pool that is opened beside it */
	log_store(&p.recovery, at, (uint64_t)(bytes - p.box.meta), length);
}

static void recovery_flush(const void *at, size_t length)
{
	const uint8_t *bytes = at;

	if (bytes >= p.box.meta && bytes < p.box.meta + p.box.super.data_offset)
		add_event(&p.recovery, FLUSH, (uint64_t)(bytes - p.box.meta), length);
}

static void recovery_fence(void)
{
	add_event(&p.recovery, FENCE, 0, 0);
}

static const struct media_recorder recovery_recorder = {recovery_store, recovery_flush,
							recovery_fence};

static int ignore_run(void *arg, uint64_t pfn, uint64_t pages, unsigned order, uint32_t ino,
		      uint32_t igen, uint64_t index)
{
	(void)arg, (void)pfn, (void)pages, (void)order, (void)ino, (void)igen, (void)index;
	return 0;
}

static void wrong(const struct dirty *dirty, unsigned marks, const char *what)
{
	fprintf(stderr, "power cut after %u marks%s: %s\n", marks,
		p.depth ? ", and another during recovery" : "", what);
	for (size_t i = 0; i < dirty->count && i < 100; i++)
		if (dirty->line[i].kept < dirty->line[i].stores)
			fprintf(stderr, "  byte %lx: %u of %u stores\n",
				(unsigned long)dirty->line[i].number * LINE, dirty->line[i].kept,
				dirty->line[i].stores);
	test_fail(__FILE__, __LINE__, "%s", what);
}

struct first_text {
	char text[200];
};

static void keep_first(void *arg, const char *rule, const char *text)
{
	struct first_text *first = arg;

	if (!first->text[0])
		snprintf(first->text, sizeof first->text, "fsck: %s: %s", rule, text);
}

static void fsck(const struct dirty *dirty, unsigned marks)
{
	struct first_text first = {""};
	struct report report = {.each = keep_first, .arg = &first};

	fs_check_media(p.media, p.bytes, &report);
	if (report.violations)
		wrong(dirty, marks, first.text);
}

static void ask_judge(const struct dirty *dirty, struct fs *fs, const uint8_t *media,
		      unsigned marks)
{
	struct power_image image = {fs, media};
	char why[200] = "";

	if (!p.judge(p.arg, &image, marks, why))
		wrong(dirty, marks, why);
}

/* The image as a file, of another boot: opened with everything that opening does. */
static void open_as_pool(const struct dirty *dirty, unsigned marks)
{
	const char *path = test_path("cut");
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct use_format use = *use_read(p.media);
	uint8_t *media, *all;
	pf_pool *pool;

	must(fd >= 0 && ftruncate(fd, (off_t)p.bytes) == 0);
	all = mmap(NULL, p.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(all != MAP_FAILED);
	memcpy(all, p.media, p.bytes);
	use.boot[0] ^= 1;
	memcpy(use_seal(all, &use), &use, sizeof use);
	munmap(all, p.bytes);
	power_device(path);
	pool = pool_open(path);
	pool_check(pool, "a power cut");
	media = mmap(NULL, p.bytes, PROT_READ, MAP_SHARED, fd, 0);
	must(media != MAP_FAILED);
	ask_judge(dirty, &pool->layout.fs, media, marks);
	OK(pf_pool_close(pool));
	munmap(media, p.bytes);
	close(fd);
	must(unlink(path) == 0);
	power_counts.opened++;
}

static void cut_recovery(const struct dirty *dirty, const struct event *events, unsigned marks,
			 uint64_t hash);

/* Of the image as recovery left it. */
static uint64_t result_hash(void)
{
	uint64_t hash = p.hash;

	p.stamp_now++;
	for (size_t i = 0; i < p.touched_count; i++) {
		uint64_t line = p.touched[i];

		if (p.stamp[line] != p.stamp_now)
			hash += line_hash(line, p.media + line * LINE) -
				line_hash(line, p.device + line * LINE);
		p.stamp[line] = p.stamp_now;
	}
	return hash;
}

static void recover(const struct dirty *dirty, const struct event *events, unsigned marks,
		    uint64_t hash)
{
	static struct set images, results;
	int rc;

	power_counts.recovered++;
	power_counts.distinct += insert(&images, hash);
	power_counts.again += p.depth;
	fsck(dirty, marks);
	p.recovery.count = 0;
	media_recorder = &recovery_recorder;
	rc = fs_build(&p.box.fs, p.box.me, ignore_run, NULL);
	media_recorder = NULL;
	for (size_t i = 0; i < p.recovery.count; i++)
		if (p.recovery.at[i].kind == STORE)
			touch(p.recovery.at[i].offset / LINE);
	if (rc < 0)
		wrong(dirty, marks, pf_message());
	ask_judge(dirty, &p.box.fs, p.media, marks);
	power_counts.results += insert(&results, result_hash());
	if (!p.depth && test_below(p.chance, p.pool ? FULL : 5) == 0)
		open_as_pool(dirty, marks);
	if (!p.depth && p.recovery.count > 3 && test_below(p.chance, FULL / 10) == 0)
		cut_recovery(dirty, events, marks, hash);
	restore();
}

/* ---- the states of a moment --------------------------------------------------------------------------- */

/* The line with its first `kept` stores. */
static void build_line(const struct event *events, const struct line *line, uint8_t *to)
{
	uint32_t e = line->first;

	for (unsigned i = 0; i < line->kept; i++, e = events[e - 1].next)
		memcpy(to + events[e - 1].offset % LINE, &events[e - 1].value, 8);
}

/* The image of line[].kept; recovered if it was not yet, with as many marks passed. */
static void try_image(struct dirty *dirty, const struct event *events, unsigned marks, uint64_t key)
{
	static struct set tried;
	uint64_t hash = p.hash;

	for (size_t i = 0; i < dirty->count; i++) {
		struct line *line = &dirty->line[i];
		uint8_t *to = p.media + line->number * LINE;

		if (!line->kept)
			continue;
		touch(line->number);
		build_line(events, line, to);
		hash += line_hash(line->number, to) -
			line_hash(line->number, p.device + line->number * LINE);
	}
	if (insert(&tried, hash ^ mix(key + marks)))
		recover(dirty, events, marks, hash);
	restore();
}

static bool next_state(struct dirty *dirty)
{
	for (size_t i = 0; i < dirty->count; i++) {
		if (dirty->line[i].kept++ < dirty->line[i].stores)
			return true;
		dirty->line[i].kept = 0;
	}
	return false;
}

/* All lines are as `most` says, 0: nothing, 1: all; but for one that is the other way. */
static void all_but_one(struct dirty *dirty, bool most, size_t one)
{
	for (size_t i = 0; i < dirty->count; i++)
		dirty->line[i].kept = (i == one) != most ? dirty->line[i].stores : 0;
}

static void by_chance(struct dirty *dirty)
{
	uint64_t style = test_below(p.chance, 4);

	for (size_t i = 0; i < dirty->count; i++) {
		struct line *line = &dirty->line[i];

		if (style == 3)
			line->kept = (unsigned)test_below(p.chance, line->stores + 1);
		else
			line->kept = test_below(p.chance, style == 0   ? 2
							  : style == 1 ? 20
								       : 4)
					     ? line->stores
					     : 0;
	}
}

static void sample(struct dirty *dirty, const struct event *events, unsigned marks, uint64_t key,
		   unsigned samples)
{
	unsigned singles = (unsigned)MIN(dirty->count, samples / 4);

	for (unsigned most = 0; most < 2; most++) {
		all_but_one(dirty, most, dirty->count);
		try_image(dirty, events, marks, key);
		for (unsigned i = 0; i < singles; i++) {
			all_but_one(dirty, most,
				    singles == dirty->count ? i
							    : test_below(p.chance, dirty->count));
			try_image(dirty, events, marks, key);
		}
	}
	for (unsigned i = 0; i < samples / 2; i++) {
		by_chance(dirty);
		try_image(dirty, events, marks, key);
	}
}

static void moment(struct dirty *dirty, const struct event *events, unsigned marks, uint64_t key,
		   unsigned bound, unsigned samples)
{
	uint64_t states = 1;

	power_counts.moments++;
	for (size_t i = 0; i < dirty->count && states <= bound; i++)
		states *= dirty->line[i].stores + 1;
	if (states > bound) {
		/* Many lines: each image costs more. */
		sample(dirty, events, marks, key,
		       dirty->count > 4000 ? MAX(samples / 10, 8u) : samples);
		return;
	}
	for (size_t i = 0; i < dirty->count; i++)
		dirty->line[i].kept = 0;
	do
		try_image(dirty, events, marks, key);
	while (next_state(dirty));
}

/* ---- through a recording ------------------------------------------------------------------------------ */

static void note_store(struct dirty *dirty, struct event *events, uint32_t e)
{
	uint64_t number = events[e - 1].offset / LINE;
	struct line *line;

	if (!dirty->index[number]) {
		dirty->line = grow(dirty->line, dirty->count, &dirty->room, sizeof *dirty->line);
		dirty->line[dirty->count++] = (struct line){.number = number, .first = e};
		dirty->index[number] = (uint32_t)dirty->count;
	}
	line = &dirty->line[dirty->index[number] - 1];
	if (line->stores)
		events[line->last - 1].next = e;
	line->last = e;
	events[e - 1].next = 0;
	line->stores++;
}

static void note_flush(struct dirty *dirty, const struct event *e)
{
	for (uint64_t n = e->offset / LINE; n <= (e->offset + e->value - 1) / LINE; n++)
		if (dirty->index[n])
			dirty->line[dirty->index[n] - 1].flushed =
				dirty->line[dirty->index[n] - 1].stores;
}

/* The line's first `stores` stores are on the device. */
static void settle_line(struct line *line, const struct event *events, unsigned stores)
{
	uint8_t *to = p.device + line->number * LINE;

	p.hash -= line_hash(line->number, to);
	for (; stores; stores--, line->stores--, line->first = events[line->first - 1].next)
		memcpy(to + events[line->first - 1].offset % LINE, &events[line->first - 1].value,
		       8);
	p.hash += line_hash(line->number, to);
	memcpy(p.media + line->number * LINE, to, LINE);
	line->flushed = 0;
}

static void note_fence(struct dirty *dirty, const struct event *events, bool all)
{
	size_t left = 0;

	for (size_t i = 0; i < dirty->count; i++) {
		struct line *line = &dirty->line[i];

		dirty->index[line->number] = 0;
		if (all || line->flushed)
			settle_line(line, events, all ? line->stores : line->flushed);
		if (line->stores) {
			dirty->line[left] = *line;
			dirty->index[line->number] = (uint32_t)++left;
		}
	}
	dirty->count = left;
}

static void go_through(struct log *log, unsigned bound, unsigned samples, unsigned marks)
{
	struct dirty dirty = {.index = calloc(p.lines, sizeof *dirty.index)};
	static uint64_t key;
	bool news = true;

	must(dirty.index != NULL);
	key += 1ull << 20;
	for (uint32_t e = 1; e <= log->count; e++) {
		struct event *event = &log->at[e - 1];

		if (event->kind != STORE && event->kind != FLUSH && news) {
			moment(&dirty, log->at, marks, key, bound, samples);
			news = false;
		}
		if (event->kind == STORE)
			note_store(&dirty, log->at, e);
		else if (event->kind == FLUSH)
			note_flush(&dirty, event);
		else if (event->kind == FENCE)
			note_fence(&dirty, log->at, false);
		else
			marks++;
		news |= event->kind == STORE || event->kind == MARK;
	}
	moment(&dirty, log->at, marks, key, bound, samples);
	note_fence(&dirty, log->at, true);
	free(dirty.index);
	free(dirty.line);
}

void power_cuts(struct test_random *chance, unsigned bound, unsigned samples, power_judge *judge,
		void *arg)
{
	p.chance = chance;
	p.judge = judge;
	p.arg = arg;
	go_through(&p.log, bound, samples, 0);
	p.log.count = 0;
}

/* The image becomes the device for a while, and its recovery what is gone through. */
static void cut_recovery(const struct dirty *dirty, const struct event *events, unsigned marks,
			 uint64_t hash)
{
	struct log recovery = p.recovery;
	uint8_t *device = p.device;
	uint64_t device_hash = p.hash;

	p.recovery = (struct log){.at = NULL};
	p.device = malloc(p.bytes);
	must(p.device != NULL);
	memcpy(p.device, device, p.bytes);
	for (size_t i = 0; i < dirty->count; i++)
		build_line(events, &dirty->line[i], p.device + dirty->line[i].number * LINE);
	restore();
	p.hash = hash;
	p.depth = 1;
	go_through(&recovery, 100, 40, marks);
	p.depth = 0;
	free(p.recovery.at);
	free(p.device);
	p.recovery = recovery;
	p.device = device;
	p.hash = device_hash;
	memcpy(p.media, p.device, p.bytes);
}

/*
 * fsck: the media by itself, also one that was left in the middle of something. What committed transactions would still store is
 * collected from their lanes and read over the media, so what is checked is what opening would make of it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/sys.h"
#include "format/use_format.h"
#include "fs/inner.h"

static bool check_supers(const uint8_t *base, uint64_t length, struct super_format *super,
			 struct report *report)
{
	if (super_read(base, length, super) < 0) {
		report_violation(report, "superblock", "%s", pf_message());
		return false;
	}
	if (memcmp(base, super, sizeof *super))
		report_violation(report, "superblock",
				 "the first one is damaged, its copy is used");
	if (memcmp(base + SUPER_COPY, super, sizeof *super))
		report_violation(report, "superblock", "the copy differs from the first one");
	if (super->data_offset + super->data_pages * PAGE_BYTES > length) {
		report_violation(report, "superblock", "the device has %lu of %lu bytes",
				 (unsigned long)length, (unsigned long)super->bytes);
		return false;
	}
	return true;
}

/* ---- lanes ------------------------------------------------------------------------------------------ */

struct collect {
	struct walk *w;
	size_t room;
	bool failed;
};

static void collect_word(void *arg, uint64_t offset, uint64_t value)
{
	struct collect *c = arg;
	struct walk *w = c->w;

	if (w->late_count == c->room) {
		size_t room = c->room ? c->room * 2 : 256;
		void *more = sys_realloc(w->late, room * sizeof *w->late);

		c->failed |= !more;
		if (!more)
			return;
		w->late = more;
		c->room = room;
	}
	w->late[w->late_count] = (struct walk_late){offset, value, w->late_count};
	w->late_count++;
}

static int by_offset_and_order(const void *x, const void *y)
{
	const struct walk_late *a = x, *b = y;

	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

/* The last value of each word. */
static void sort_words(struct walk *w)
{
	size_t kept = 0;

	if (!w->late_count)
		return;
	qsort(w->late, w->late_count, sizeof *w->late, by_offset_and_order);
	for (size_t i = 0; i < w->late_count; i++)
		if (i + 1 == w->late_count || w->late[i + 1].offset != w->late[i].offset)
			w->late[kept++] = w->late[i];
	w->late_count = kept;
}

static void check_lanes(struct walk *w)
{
	const struct super_format *s = w->super;
	struct collect c = {.w = w};

	for (unsigned n = 0; n < s->lanes; n++) {
		const uint8_t *lane = w->meta + s->lanes_offset + (uint64_t)n * LANE_BYTES;

		if (journal_inspect(lane, n, s->data_offset,
				    s->lanes_offset + s->lanes * LANE_BYTES, w->report))
			journal_words(lane, collect_word, &c);
	}
	if (c.failed)
		report_violation(w->report, "check", "no memory for what the journal has");
	sort_words(w);
}

void fs_check_media(const void *base, uint64_t length, struct report *report)
{
	struct super_format super;
	struct walk w = {.super = &super, .meta = base, .report = report};

	if (!check_supers(base, length, &super, report))
		return;
	if (!use_read(base))
		report_violation(report, "use", "both records of who uses the pool are damaged");
	check_lanes(&w);
	if (inner_walk_begin(&w) == 0)
		inner_walk(&w);
	else
		report_violation(report, "check", "%s", pf_message());
	inner_walk_end(&w);
}

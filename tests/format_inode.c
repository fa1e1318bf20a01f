/* Map entries and inode records: what was written is read back, what was damaged or belongs elsewhere is seen. */
#include <stdio.h>
#include <string.h>

#include "base/crc.h"
#include "base/err.h"
#include "format/inode_format.h"
#include "test.h"

static void entries(struct test_random *chance)
{
	for (unsigned n = 0; n < 20000; n++) {
		uint32_t ino = (uint32_t)test_random(chance), igen = (uint32_t)test_random(chance);
		uint64_t index = test_below(chance, FILE_PAGES_MAX);
		uint64_t target = test_below(chance, 1ull << 40);
		unsigned order = (unsigned)test_below(chance, 10);
		enum entry_kind kind = n & 1 ? ENTRY_LEAF : ENTRY_TABLE;
		entry_t e = entry_make(ino, igen, index, kind, order, target);

		must_be(entry_kind(e), kind);
		must_be(entry_order(e), order);
		must_be(entry_target(e), target);
		must(entry_valid(ino, igen, index, e));
		/* A CRC sees any one bit. */
		for (unsigned bit = 0; bit < 64; bit++)
			must(!entry_valid(ino, igen, index, e ^ 1ull << bit));
		must(!entry_valid(ino + 1, igen, index, e) &&
		     !entry_valid(ino, igen + 1, index, e));
		must(!entry_valid(ino, igen, index ^ 1, e));
	}
	must(entry_valid(1, 1, 1, 0));
}

static struct inode_attr some_attr(struct test_random *chance)
{
	struct inode_attr a = {.size = test_below(chance, FILE_PAGES_MAX * PAGE_BYTES + 1),
			       .shrink_to = test_below(chance, 1 << 20),
			       .mtime = test_random(chance),
			       .ctime = test_random(chance),
			       .btime = test_random(chance),
			       .generation = (uint32_t)test_random(chance),
			       .flags = (uint32_t)test_below(chance, 2),
			       .mode = (uint32_t)test_random(chance),
			       .uid = (uint32_t)test_random(chance),
			       .gid = (uint32_t)test_random(chance),
			       .state = (enum inode_state)test_below(chance, 4),
			       .name_length = 1 + (unsigned)test_below(chance, 255)};

	memset(a.name, 'a' + (int)test_below(chance, 26), a.name_length);
	return a;
}

static void write_record(struct inode_format *inode, const struct inode_attr *attr)
{
	uint64_t words[INODE_WORDS];

	inode_words(attr, words);
	for (unsigned i = 0; i < INODE_WORDS; i++)
		store_relaxed(&(&inode->crc)[i], words[i]);
}

static bool same(const struct inode_attr *a, const struct inode_attr *b)
{
	uint64_t x[INODE_WORDS], y[INODE_WORDS];

	inode_words(a, x);
	inode_words(b, y);
	return !memcmp(x, y, sizeof x) && !strcmp(a->name, b->name);
}

static void records(struct test_random *chance)
{
	struct inode_format inode;
	struct inode_attr back;

	memset(&inode, 0, sizeof inode);
	must_be(inode_read(&inode, &back), 0);
	must_be(back.state, INODE_FREE);
	for (unsigned n = 0; n < 300; n++) {
		struct inode_attr a = some_attr(chance);
		unsigned bit = 8 * (unsigned)offsetof(struct inode_format, crc) +
			       (unsigned)test_below(chance, 64ul * INODE_WORDS);

		write_record(&inode, &a);
		must_be(inode_read(&inode, &back), 0);
		must(same(&a, &back));
		((uint8_t *)&inode)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		must_be(inode_read_at_rest(&inode, &back), -PF_ECORRUPT);
	}
}

/* A fitting checksum over what nobody writes. */
static void impossible(struct test_random *chance)
{
	for (unsigned which = 0; which < 6; which++) {
		struct inode_attr a = some_attr(chance), back;
		struct inode_format inode;

		memset(&inode, 0, sizeof inode);
		a.state = which == 0 ? (enum inode_state)(INODE_EVICTING + 1) : INODE_NAMED;
		if (which == 1)
			a.flags = 2;
		if (which == 2)
			a.size = FILE_PAGES_MAX * PAGE_BYTES + 1;
		if (which == 3)
			a.name[a.name_length / 2] = 0;
		if (which == 4)
			a.name[0] = '/';
		if (which == 5) {
			memset(a.name, 0, sizeof a.name);
			a.name_length = 0;
		}
		write_record(&inode, &a);
		must_be(inode_read(&inode, &back), -PF_ECORRUPT);
	}
}

int main(void)
{
	struct test_random chance = {test_seed()};

	entries(&chance);
	records(&chance);
	impossible(&chance);
	must(name_hash("a", 1) != name_hash("b", 1));
	return 0;
}

/* Map entries and inode records: what was written is read back, what was damaged or belongs elsewhere is seen. */
#include <stdio.h>
#include <string.h>

#include <sys/stat.h>

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
	static const uint32_t types[] = {S_IFREG, S_IFDIR, S_IFLNK};
	struct inode_attr a = {.size = 1 + test_below(chance, PF_PATH_MAX),
			       .shrink_to = test_below(chance, 1 << 20),
			       .atime = test_random(chance),
			       .mtime = test_random(chance),
			       .ctime = test_random(chance),
			       .btime = test_random(chance),
			       .generation = (uint32_t)test_random(chance),
			       .flags = (uint32_t)test_below(chance, INODE_FLAGS + 1),
			       .mode = types[test_below(chance, 3)] |
				       (uint32_t)test_below(chance, 010000),
			       .uid = (uint32_t)test_random(chance),
			       .gid = (uint32_t)test_random(chance),
			       .parent = (uint32_t)test_random(chance),
			       .key = test_random(chance) >> 1,
			       .xattr = test_random(chance),
			       .state = (enum inode_state)test_below(chance, 4)};

	a.shrink_end = a.shrink_to + test_below(chance, 1 << 20);
	if ((a.mode & S_IFMT) != S_IFREG)
		a.flags &= ~(INODE_BUSY | INODE_KEEPS | INODE_DEVICE);
	if (inode_device_align(a.flags)) {
		a.flags &= ~(INODE_BUSY | INODE_KEEPS);
		a.size = inode_device_align(a.flags) * (1 + test_below(chance, 1000));
	}
	a.nlink = a.state == INODE_NAMED ? 1 + (uint32_t)test_below(chance, 1000) : 0;
	return a;
}

static void write_record(struct inode_format *inode, struct inode_attr *attr)
{
	uint64_t words[INODE_WORDS];

	attr->link_crc = 0;
	if ((attr->mode & S_IFMT) == S_IFLNK)
		attr->link_crc = crc32c(0, (void *)inode->inlined, sizeof inode->inlined);

	inode_words(attr, words);
	for (unsigned i = 0; i < INODE_WORDS; i++)
		store_relaxed(&(&inode->crc)[i], words[i]);
}

static bool same(const struct inode_attr *a, const struct inode_attr *b)
{
	uint64_t x[INODE_WORDS], y[INODE_WORDS];

	inode_words(a, x);
	inode_words(b, y);
	return !memcmp(x, y, sizeof x);
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
		((uint8_t *)&inode)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		store_relaxed(&inode.inlined[3], test_random(chance));
		must_be(inode_read_at_rest(&inode, &back),
			(a.mode & S_IFMT) == S_IFLNK ? -PF_ECORRUPT : 0);
	}
}

/* A fitting checksum over what nobody writes. */
static void impossible(struct test_random *chance)
{
	for (unsigned which = 0; which < 14; which++) {
		struct inode_attr a = some_attr(chance), back;
		struct inode_format inode;

		memset(&inode, 0, sizeof inode);
		a.mode = S_IFREG | 0644;
		a.state = which == 0 ? (enum inode_state)(INODE_EVICTING + 1) : INODE_NAMED;
		if (which == 1)
			a.flags = INODE_FLAGS + 1;
		if (which == 2)
			a.size = FILE_PAGES_MAX * PAGE_BYTES + 1;
		if (which == 3)
			a.mode = S_IFSOCK | 0644;
		if (which == 4)
			a.mode |= 1 << 16;
		a.nlink = which != 5;
		if (which == 6) {
			a.mode = S_IFLNK | 0777;
			a.size = PF_PATH_MAX + 1;
		}
		if (which == 7)
			a.shrink_to = FILE_PAGES_MAX * PAGE_BYTES + 1;
		if (which == 8)
			a.key |= 1ull << 63;
		if (which > 10) {
			a.flags = 2u << INODE_DEVICE_SHIFT | (which == 11 ? INODE_KEEPS : 0);
			a.size = which == 12   ? BLOCK_BYTES + PAGE_BYTES
				 : which == 13 ? 0
					       : BLOCK_BYTES;
		}
		if (which == 9) {
			a.mode = S_IFDIR | 0755;
			a.flags = INODE_SHRINKING;
		}
		if (which == 10) {
			a.flags = INODE_PUNCHING;
			a.shrink_to = 4097;
			a.shrink_end = 4096;
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
	return 0;
}

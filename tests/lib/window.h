/*
 * Windows as short texts, "file f 4; map 0 f 0 4 rw; truncate f 1; show 0 2 = f0 BUS", that run on windows of a pool and on the host's
 * own mappings of the same kind of memory. What a step gives is a text too: "ok", the errno's name, or what it shows.
 *
 * Places and lengths are numbers of units: the smallest that what it runs on maps. "1m" is 2 MiB, "5b" 5 bytes, "1m-1+5b" a sum. Addresses
 * count from the beginning of an arena, in which nothing is at first; "M+1" counts from where the last map or remap without a fixed address went. Files are
 * letters. A step that begins with "b:" is done by a second process, which has an arena of its own.
 *
 * A unit is shown as "f3" (bytes of unit 3 of file f), "0", BUS or SEGV (what touching it raised), and "f3|0" where its first and its last word
 * differ.
 */
#ifndef TEST_WINDOW_H
#define TEST_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WINDOW_FILES 26u
#define WINDOW_ARENA (64ul << 20)
#define WINDOW_OUT   600u
#define WINDOW_SPLIT "; "

enum {
	WINDOW_READ = 1,
	WINDOW_WRITE = 2,
	WINDOW_EXEC = 4,
	WINDOW_FIXED = 8,
	WINDOW_NOREPLACE = 16,
	WINDOW_POPULATE = 32
};
enum { WINDOW_MAYMOVE = 1, WINDOW_TO = 2 };

/* Results: 0 or more, or -errno; -ENOSYS: it has no such thing, and the script is left out. Files are 0 .. WINDOW_FILES - 1. */
struct window_fs {
	const char *name;
	bool (*start)(
		void); /* once, before the processes: false, after skip_part(): not to be had here */
	void (*enter)(void); /* in each process */
	uint64_t (*unit)(void);
	int (*make)(unsigned f, uint64_t size); /* a new file, a hole; first process */
	int (*fill)(unsigned f, uint64_t offset, const void *bytes, size_t length);
	int (*reopen)(unsigned f, bool write);
	int (*close)(unsigned f);
	int (*unlink)(unsigned f);
	int (*replace)(unsigned from, unsigned to); /* renames over it */
	int (*map)(unsigned f, char *at, uint64_t length, unsigned flags, uint64_t offset,
		   char **got);
	int (*unmap)(char *at, uint64_t length);
	int (*protect)(char *at, uint64_t length, unsigned flags);
	int (*remap)(char *at, uint64_t length, uint64_t new_length, unsigned flags, char *to,
		     char **got);
	int (*sync)(char *at, uint64_t length);
	int64_t (*size)(unsigned f);
	ssize_t (*read)(unsigned f, void *to, size_t length, uint64_t offset);
	ssize_t (*write)(unsigned f, const void *from, size_t length, uint64_t offset);
	int (*truncate)(unsigned f, uint64_t size);
	int (*punch)(unsigned f, uint64_t offset, uint64_t length);
	int (*allocate)(unsigned f, uint64_t offset, uint64_t length);
	int (*hold)(unsigned f, uint64_t offset);     /* a page, as I/O does it: one at a time */
	int (*held)(uint64_t *first, uint64_t *last); /* its first and its last word */
	int (*drop)(void);
	int (*pin)(char *at, bool write); /* an access through page tables, as I/O makes it */
	int (*count)(char *at);           /* how often the page there is mapped */
	/* Calls `each` for every window in [from, to), by address. */
	int (*list)(char *from, char *to,
		    void (*each)(void *arg, char *at, uint64_t length, unsigned flags, unsigned f,
				 uint64_t offset),
		    void *arg);
	void (*leave)(void); /* all files go, and what is held */
};

extern const struct window_fs window_tmpfs, window_memfd, window_hugetlb, window_pool,
	window_pumped, window_huge_pool;

/* Huge pages are set aside, and test_path("huge") is a hugetlbfs: false, after skip_part(), if not. */
bool window_huge_start(void);

/* One step, in this process; false: this fs has no such thing. `out`: WINDOW_OUT bytes. */
bool window_step(const struct window_fs *fs, char *step, char *out);
/* In each process, before its first step; and after a script, so that the next one finds nothing. */
void window_enter(const struct window_fs *fs);
void window_leave(const struct window_fs *fs);

#endif

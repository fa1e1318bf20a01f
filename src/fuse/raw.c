/*
 * What the kernel's protocol has and libfuse 3.14 does not know, done where requests are read and answers written:
 *
 * O_TMPFILE   the request is that of a creation, but for its number; it is given on as one of the name "/", which no name can be.
 * btime       statx() of what stat() does not have is a request of its own, answered here.
 * set-uid     FUSE_HANDLE_KILLPRIV_V2 says that the file system itself takes set-uid and set-gid away when a file is written, as the
 *             library does; without it the kernel asks for an extended attribute before each write.
 * O_APPEND    FUSE_DIRECT_IO_ALLOW_MMAP lets a file be mapped though it is opened so that writes go past the kernel's pages (data.c).
 *
 * The structures are those of linux/fuse.h; what Debian 12's does not have is written down here.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse/mount.h"

enum {
	OPCODE_STATX = 52,
	DRAIN_MS = 5000, /* how long the end of a mount waits at most for what is under way */
	FLAGS2_DIRECT_IO_ALLOW_MMAP = 1 << 4 /* FUSE_DIRECT_IO_ALLOW_MMAP >> 32 */
};

struct sx_time {
	int64_t sec;
	uint32_t nsec;
	int32_t reserved;
};

struct statx_answer {
	struct fuse_out_header header;
	uint64_t attr_valid;
	uint32_t attr_valid_nsec, flags;
	uint64_t spare[2];
	/* struct fuse_statx */
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, spare0;
	uint64_t inode, size, blocks, attributes_mask;
	struct sx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t spare2[14];
};
_Static_assert(sizeof(struct statx_answer) == sizeof(struct fuse_out_header) + 32 + 256,
	       "as the kernel has it");

/* ---- statx ----------------------------------------------------------------------------------------- */

static struct sx_time time_of(const struct timespec *t)
{
	return (struct sx_time){t->tv_sec, (uint32_t)t->tv_nsec, 0};
}

static void fill_statx(struct statx_answer *a, const struct pf_stat *stat)
{
	double timeout = mount_self.options.attr_timeout;
	struct stat st;

	answer_stat(stat, &st);
	a->attr_valid = (uint64_t)timeout;
	a->attr_valid_nsec = (uint32_t)((timeout - (double)a->attr_valid) * 1e9);
	a->mask = STATX_BASIC_STATS | STATX_BTIME;
	a->blksize = (uint32_t)st.st_blksize;
	a->nlink = (uint32_t)st.st_nlink;
	a->uid = st.st_uid;
	a->gid = st.st_gid;
	a->mode = (uint16_t)st.st_mode;
	a->inode = st.st_ino;
	a->size = (uint64_t)st.st_size;
	a->blocks = (uint64_t)st.st_blocks;
	a->attributes_mask = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
	a->attributes = (stat->flags & PF_FLAG_IMMUTABLE ? STATX_ATTR_IMMUTABLE : 0) |
			(stat->flags & PF_FLAG_APPEND ? STATX_ATTR_APPEND : 0);
	a->atime = time_of(&st.st_atim);
	a->mtime = time_of(&st.st_mtim);
	a->ctime = time_of(&st.st_ctim);
	a->btime = (struct sx_time){(int64_t)(stat->btime_ns / 1000000000u),
				    (uint32_t)(stat->btime_ns % 1000000000u), 0};
}

static void answer_statx(int fd, const struct fuse_in_header *in)
{
	struct statx_answer a = {.header = {.len = sizeof a, .unique = in->unique}};
	struct node *node = node_of(in->nodeid);
	struct pf_stat stat;
	int rc = pf_stat(node->file, &stat);

	if (rc < 0) {
		a.header.error = -pf_errno(rc);
		a.header.len = sizeof a.header;
	} else {
		watch_told(node, &stat);
		fill_statx(&a, &stat);
	}
	if (write(fd, &a, a.header.len) < 0)
		return; /* the caller was interrupted, or the mount has gone */
}

/* ---- between libfuse and the device ---------------------------------------------------------------- */

/* The request that begins it all, until it is answered, and which of the above the kernel offers in it. */
static uint64_t init_unique;
static uint32_t init_flags, init_flags2;

static void keep_offer(const struct fuse_in_header *in, size_t length)
{
	const struct fuse_init_in *init = (const void *)(in + 1);

	init_unique = in->unique;
	if (length >= sizeof *in + offsetof(struct fuse_init_in, flags2))
		init_flags = init->flags & (FUSE_HANDLE_KILLPRIV_V2 | FUSE_INIT_EXT);
	if (init_flags & FUSE_INIT_EXT &&
	    length >= sizeof *in + offsetof(struct fuse_init_in, unused))
		init_flags2 = init->flags2 & FLAGS2_DIRECT_IO_ALLOW_MMAP;
}

/* One that libfuse knows what to do with. False: it was answered here. */
static bool adapt(int fd, void *request, size_t length)
{
	struct fuse_in_header *in = request;
	char *name = (char *)request + sizeof *in + sizeof(struct fuse_create_in);

	switch (in->opcode) {
	case FUSE_INIT:
		keep_offer(in, length);
		return true;
	case FUSE_TMPFILE:
		if (length < sizeof *in + sizeof(struct fuse_create_in) + 2)
			return true;
		memcpy(name, "/", 2);
		in->opcode = FUSE_CREATE;
		return true;
	case OPCODE_STATX:
		answer_statx(fd, in);
		return false;
	default:
		return true;
	}
}

/* Requests that were read and not answered yet, but for locks that wait. A thread that comes for the next one has answered its last. */
static atomic_uint in_hand;
static _Thread_local bool has_one;

static void count_one(bool has)
{
	if (has != has_one)
		atomic_fetch_add(&in_hand, has ? 1u : -1u);
	has_one = has;
}

/* What a sync has queued may still be on its way, as the kernel does not wait for it: so until nothing is there to be read and
 * nothing in hand, at two looks, since a request is in neither place for a moment. */
void raw_drain(struct fuse_session *session)
{
	struct pollfd device = {.fd = fuse_session_fd(session), .events = POLLIN};
	unsigned idle = 0;

	for (unsigned ms = 0; ms < DRAIN_MS && idle < 2; ms++) {
		bool busy = atomic_load(&in_hand) || poll(&device, 1, 0) != 0;

		idle = busy ? 0 : idle + 1;
		usleep(1000);
	}
}

/* The kernel asks for what follows an answer after it has read the answer. ThreadSanitizer does not know: for it, a change of a word
 * that means nothing. */
static void kernel_orders(void)
{
#if defined __SANITIZE_THREAD__
	static atomic_uint word;

	atomic_fetch_add(&word, 0);
#endif
}

static ssize_t raw_read(int fd, void *buffer, size_t size, void *arg)
{
	ssize_t n;
	int old;
	bool give;

	(void)arg;
	do {
		count_one(false);
		n = turn_read(fd, buffer, size);
		kernel_orders();
		if (n < (ssize_t)sizeof(struct fuse_in_header))
			return n;
		count_one(true);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE,
				       &old); /* libfuse cancels whoever waits here */
		give = adapt(fd, buffer, (size_t)n);
		pthread_setcancelstate(old, &old);
	} while (!give);
	return n;
}

static ssize_t raw_writev(int fd, struct iovec *iov, int count, void *arg)
{
	const struct fuse_out_header *out = iov[0].iov_base;

	(void)arg;
	if (init_unique && out->unique == init_unique && !out->error && count > 1) {
		struct fuse_init_out *init = iov[1].iov_base;

		init->flags |= init_flags;
		init->flags2 |= init_flags2;
		init_unique = 0;
	}
	kernel_orders();
	/* Not writev(): a checker of races would look at bytes of files, which others may be writing: that is between them. */
	return syscall(SYS_writev, fd, iov, count);
}

int raw_install(struct fuse_session *session)
{
	static const struct fuse_custom_io io = {.writev = raw_writev, .read = raw_read};

	return fuse_session_custom_io(session, &io, fuse_session_fd(session));
}

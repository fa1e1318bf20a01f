/*
 * What others change. A thread looks at the nodes some times a second, which takes some 100 ns a node, and tells the
 * kernel to forget attributes, pages and the name of each that is not as it was when the kernel was told last. The mount's
 * own changes do not count: they set the stamp. Two changes within one tick of the clock that files get their times from
 * may look the same, so pages are only trusted at the next open() if the file had been left alone for longer than that.
 *
 * The kernel waits for answers to other requests while it forgets pages, so only this thread tells it, with no lock held.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "fuse/mount.h"

enum {
	LOOK_MS = 200,            /* between two looks */
	LOOK_NODES = 20000,       /* at most, in one */
	SETTLED_NS = 20 * 1000000 /* more than a tick */
};

static int wake = -1;
static atomic_bool stopping;
static pthread_t thread;
static bool started;

/* ---- what the mount does itself -------------------------------------------------------------------- */

void watch_told(struct node *node, const struct pf_stat *stat)
{
	pthread_mutex_lock(&node->mutex);
	node->told = stamp_of(stat);
	pthread_mutex_unlock(&node->mutex);
}

static bool is_told(struct node *node, const struct pf_stat *stat)
{
	struct stamp now = stamp_of(stat);
	bool told;

	pthread_mutex_lock(&node->mutex);
	told = stamp_same(&now, &node->told) &&
	       (!node->absents.first || stamp_same(&now, &node->absents.dir));
	pthread_mutex_unlock(&node->mutex);
	return told;
}

bool watch_before(struct node *node)
{
	struct pf_stat stat;

	return pf_stat(node->file, &stat) == 0 && is_told(node, &stat);
}

/* Bytes that somebody writes lose the capabilities that the file gave to who executes it. */
static void take_capabilities(struct node *node)
{
	static const char name[] = "security.capability";

	if (atomic_load_explicit(&node->plain, memory_order_relaxed))
		return;
	caller_as_server();
	if (pf_getxattr(node->file, name, NULL, 0) < 0 || pf_removexattr(node->file, name) == 0)
		atomic_store_explicit(&node->plain, true, memory_order_relaxed);
}

struct watch_change watch_before_bytes(struct node *node)
{
	struct watch_change change = {false, false};
	struct pf_stat stat;

	take_capabilities(node);
	if (pf_stat(node->file, &stat) == 0) {
		change.clean = is_told(node, &stat);
		change.special = stat.mode & (S_ISUID | S_ISGID);
	}
	return change;
}

/* Attributes alone: for pages it would wait until the kernel has the answer. */
void watch_after_bytes(struct node *node, struct watch_change change)
{
	watch_after(node, change.clean);
	if (change.special)
		fuse_lowlevel_notify_inval_inode(mount_self.session, node->inode, -1, 0);
}

void watch_after(struct node *node, bool clean)
{
	struct pf_stat stat;

	if (!clean || pf_stat(node->file, &stat) < 0)
		return;
	pthread_mutex_lock(&node->mutex);
	node->told = node->absents.dir = stamp_of(&stat);
	pthread_mutex_unlock(&node->mutex);
}

bool watch_open(struct node *node, const struct pf_stat *stat)
{
	struct stamp now = stamp_of(stat);
	struct timespec ts;
	bool keep;

	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	pthread_mutex_lock(&node->mutex);
	keep = node->pages_settled && stamp_same(&now, &node->pages);
	node->pages = now;
	node->pages_settled = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec >
			      now.ctime_ns + SETTLED_NS;
	pthread_mutex_unlock(&node->mutex);
	return keep;
}

void watch_poke(void)
{
	uint64_t one = 1;

	if (write(wake, &one, sizeof one) < 0)
		return; /* it is awake */
}

void watch_wrong(struct node *node)
{
	pthread_mutex_lock(&node->mutex);
	node->told.ctime_ns = 1; /* which no file has */
	pthread_mutex_unlock(&node->mutex);
	watch_poke();
}

/* ---- the thread ------------------------------------------------------------------------------------ */

void watch_forget_name(uint64_t dir, const char *name)
{
	if (fuse_lowlevel_notify_expire_entry(mount_self.session, dir, name, strlen(name),
					      FUSE_LL_EXPIRE_ONLY) == -ENOSYS)
		fuse_lowlevel_notify_inval_entry(mount_self.session, dir, name, strlen(name));
}

static void forget(const struct node *node, uint64_t parent, const char *name)
{
	fuse_lowlevel_notify_inval_inode(mount_self.session, node->inode, 0, 0);
	if (name)
		watch_forget_name(parent, name);
}

static void look_at(struct node *node)
{
	struct pf_stat stat;
	struct stamp now;
	struct absent *absent;
	uint64_t parent = 0;
	char *name = NULL;
	bool changed;

	if (pf_stat(node->file, &stat) < 0)
		return;
	now = stamp_of(&stat);
	pthread_mutex_lock(&node->mutex);
	changed = node->told.ctime_ns && !stamp_same(&now, &node->told);
	absent = absent_take(node, &now);
	if (changed) {
		atomic_store_explicit(&node->plain, false, memory_order_relaxed);
		node->told = now;
		node->pages_settled = false;
		parent = node->parent;
		name = node->name ? strdup(node->name) : NULL;
	}
	pthread_mutex_unlock(&node->mutex);
	if (changed)
		forget(node, parent, name);
	absent_tell(node->inode, absent);
	free(name);
}

/* Sleeps until the next look at directories with absent names, or at all nodes. True: at all, as somebody wants it or it is time. */
static bool sleep_between(bool closely, unsigned *slept_ms)
{
	struct pollfd poll_fd = {.fd = wake, .events = POLLIN};
	unsigned ms = closely ? ABSENT_LOOK_NS / 1000000 : LOOK_MS;
	eventfd_t count;

	*slept_ms += ms;
	if (poll(&poll_fd, 1, (int)ms) == 1) {
		eventfd_read(wake, &count);
		*slept_ms = LOOK_MS;
	}
	if (*slept_ms < LOOK_MS)
		return false;
	*slept_ms = 0;
	return true;
}

static void *watch(void *arg)
{
	uint64_t cursor = 0;
	unsigned slept_ms = 0;

	caller_as_server();
	while (!atomic_load(&stopping)) {
		bool closely = absent_directories(look_at);
		bool all = sleep_between(closely, &slept_ms);

		if (mount_ends())
			mount_end(); /* again, until the main thread has heard it */
		if (all)
			node_some(&cursor, LOOK_NODES, look_at);
		node_close_left();
	}
	return arg;
}

int watch_start(void)
{
	int rc;

	wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake < 0)
		return -errno;
	rc = pthread_create(&thread, NULL, watch, NULL);
	started = rc == 0;
	return -rc;
}

void watch_stop(void)
{
	if (started) {
		atomic_store(&stopping, true);
		watch_poke();
		pthread_join(thread, NULL);
		started = false;
	}
	if (wake >= 0)
		close(wake);
	wake = -1;
}

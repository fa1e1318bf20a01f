/*
 * What a process keeps of a runtime for itself: its threads' rows, free records, and the page that tells a forked child that it is
 * one. The descriptor with the liveness lock is closed in forked children, so that they do not keep their parent's slot alive.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sys.h"
#include "runtime/local.h"

pthread_mutex_t local_all = PTHREAD_MUTEX_INITIALIZER;
struct rt *local_first;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic uint64_t next_id = 1;

static void before_fork(void)
{
	pthread_mutex_lock(&local_all);
}

static void in_parent(void)
{
	pthread_mutex_unlock(&local_all);
}

void local_leave(struct rt *rt)
{
	if (rt->fd >= 0)
		close(rt->fd);
	if (rt->dev->fd >= 0)
		close(rt->dev->fd);
	rt->fd = rt->dev->fd = -1;
}

static void in_child(void)
{
	for (struct rt *rt = local_first; rt; rt = rt->local->next)
		local_leave(rt);
	local_first = NULL;
	pthread_mutex_unlock(&local_all);
}

static void watch_forks(void)
{
	pthread_atfork(before_fork, in_parent, in_child);
}

static int make_alive(struct rt *rt)
{
	void *page = sys_mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);

	if (page == MAP_FAILED)
		return err_errno("mmap");
	if (sys_madvise(page, PAGE_BYTES, MADV_WIPEONFORK) < 0) {
		int rc = err_errno("madvise");

		sys_munmap(page, PAGE_BYTES);
		return rc;
	}
	rt->alive = page;
	*rt->alive = 1;
	return 0;
}

int local_open(struct rt *rt)
{
	int rc;

	rt->local = sys_calloc(1, sizeof *rt->local);
	if (!rt->local)
		return err(ENOMEM, "attach");
	rc = make_alive(rt);
	if (rc < 0) {
		free(rt->local);
		return rc;
	}
	pthread_mutex_init(&rt->local->mutex, NULL);
	rt->id = atomic_fetch_add(&next_id, 1);
	pthread_once(&once, watch_forks);
	pthread_mutex_lock(&local_all);
	rt->local->next = local_first;
	local_first = rt;
	pthread_mutex_unlock(&local_all);
	return 0;
}

void local_renew(struct rt *rt)
{
	rt->id = atomic_fetch_add(&next_id, 1);
}

void local_close(struct rt *rt)
{
	struct rt **at;
	struct rt_self *me;

	pthread_mutex_lock(&local_all);
	for (at = &local_first; *at; at = &(*at)->local->next)
		if (*at == rt) {
			*at = rt->local->next;
			break;
		}
	pthread_mutex_unlock(&local_all);
	while ((me = rt->local->selves)) {
		rt->local->selves = me->next;
		free(me);
	}
	free(rt->local->holds.at);
	free(rt->local->handles.at);
	free(rt->local->flocks.at);
	free(rt->local->vmas.at);
	pthread_mutex_destroy(&rt->local->mutex);
	sys_munmap(rt->alive, PAGE_BYTES);
	free(rt->local);
}

/*
 * Forked children. A child shares the open description of every device, and with it the lock on the media:
 * it would keep the lock of a parent that is killed. It has no use for the device, whose mappings it does
 * not inherit, so it closes the descriptor before fork() returns.
 */
#include <pthread.h>

#include "base/sys.h"
#include "dev/dev_common.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct dev *all;

static void before(void)
{
	pthread_mutex_lock(&mutex);
}

static void in_parent(void)
{
	pthread_mutex_unlock(&mutex);
}

static void in_child(void)
{
	for (struct dev *dev = all; dev; dev = dev->next) {
		sys_close(dev->fd);
		dev->fd = -1;
	}
	pthread_mutex_unlock(&mutex);
}

static void watch(void)
{
	pthread_atfork(before, in_parent, in_child);
}

void common_fork_add(struct dev *dev)
{
	pthread_once(&once, watch);
	pthread_mutex_lock(&mutex);
	dev->next = all;
	dev->link = &all;
	if (all)
		all->link = &dev->next;
	all = dev;
	pthread_mutex_unlock(&mutex);
}

void common_fork_remove(struct dev *dev)
{
	pthread_mutex_lock(&mutex);
	*dev->link = dev->next;
	if (dev->next)
		dev->next->link = dev->link;
	pthread_mutex_unlock(&mutex);
}

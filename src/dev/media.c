/* The recorder of tests and the guard, see media.h. */
#include "dev/media.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/sys.h"

__attribute__((visibility("default"))) const struct media_recorder *media_recorder;

struct media_guard {
	pthread_mutex_t mutex;
	void *zone;
	uint64_t length;
	unsigned
		writers; /* under the mutex: threads between begin and end, and calls of those inside */
};

static bool wanted(void)
{
#ifdef PF_CHECKS
	return true;
#else
	const char *text = getenv("PINFOLD_STRAY");

	return text && text[0] == '1' && !text[1];
#endif
}

int media_guard(struct dev *dev, void *zone, uint64_t length)
{
	struct media_guard *guard;

	if (!wanted())
		return 0;
	guard = sys_calloc(1, sizeof *guard);
	if (!guard)
		return err(ENOMEM, "%s", dev->path);
	guard->zone = zone;
	guard->length = length;
	if (mprotect(zone, length, PROT_READ) < 0) {
		free(guard);
		return err_errno("%s: mprotect", dev->path);
	}
	pthread_mutex_init(&guard->mutex, NULL);
	dev->guard = guard;
	return 0;
}

void media_unguard(struct dev *dev)
{
	if (!dev->guard)
		return;
	pthread_mutex_destroy(&dev->guard->mutex);
	free(dev->guard);
	dev->guard = NULL;
}

/* A refusal is not looked at: the store that follows shows it. */
void media_guard_open(struct media_guard *guard)
{
	pthread_mutex_lock(&guard->mutex);
	if (guard->writers++ == 0)
		mprotect(guard->zone, guard->length, PROT_READ | PROT_WRITE);
	pthread_mutex_unlock(&guard->mutex);
}

void media_guard_shut(struct media_guard *guard)
{
	pthread_mutex_lock(&guard->mutex);
	if (--guard->writers == 0)
		mprotect(guard->zone, guard->length, PROT_READ);
	pthread_mutex_unlock(&guard->mutex);
}

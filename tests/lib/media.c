/* A small media file and its runtime, see media.h. */
#include "media.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/step.h"
#include "format/use_format.h"
#include "test.h"

#define MEDIA_BYTES 65536

unsigned media_limit_ms = 5000;
int (*media_in_build)(struct rt_self *me);
int (*media_in_finish)(struct media *media);
unsigned media_builds;

const char *media_make(const char *name)
{
	const char *path = test_path("%s", name);
	static const char zeros[MEDIA_BYTES];

	test_write_file(path, zeros, sizeof zeros);
	return path;
}

static int build(void *arg, struct rt *rt, struct rt_self *me)
{
	struct media_shared *shared = rt_region(rt, RT_INODES);

	(void)arg;
	media_builds++;
	for (unsigned i = 0; i < MEDIA_LOCKS; i++)
		rt_lock_init(&shared->locks[i], RT_LOCK_INODE, i);
	store_release(&shared->built, MEDIA_BUILT);
	return media_in_build ? media_in_build(me) : 0;
}

static int finish(void *arg, struct rt_self *me)
{
	(void)me;
	return media_in_finish ? media_in_finish(arg) : 0;
}

static void close_media(struct media *media)
{
	if (media->head)
		munmap(media->head, USE_END);
	dev_close(media->dev);
	*media = (struct media){0};
}

/* On an open device. */
static int attach(struct media *media, int runtime_fd, unsigned flags)
{
	bool readonly = flags & MEDIA_RDONLY;
	struct rt_plan plan = {
		.region[RT_INODES] = {.bytes = sizeof(struct media_shared), .filled = true},
		.region[RT_MEMMAP] = {.bytes = 1 << 20},
		.force = flags & MEDIA_FORCE,
		.limit_ms = media_limit_ms,
		.build = build,
		.arg = media,
	};
	int rc = dev_map(media->dev, 0, USE_END, PROT_READ | (readonly ? 0 : PROT_WRITE), NULL,
			 &media->head);

	if (rc == 0)
		rc = rt_attach(media->dev, media->head, !readonly, runtime_fd, &plan, &media->rt);
	if (rc < 0) {
		close_media(media);
		return rc;
	}
	media->shared = rt_region(media->rt, RT_INODES);
	must(load_acquire(&media->shared->built) == MEDIA_BUILT);
	return 0;
}

int media_attach(const char *path, unsigned flags, struct media *media)
{
	int rc;

	*media = (struct media){0};
	rc = dev_open(path, flags & MEDIA_RDONLY, false, &media->dev);
	return rc < 0 ? rc : attach(media, -1, flags);
}

int media_attach_fds(int media_fd, int runtime_fd, struct media *media)
{
	int rc;

	*media = (struct media){0};
	rc = dev_open_fd(media_fd, false, false, &media->dev);
	return rc < 0 ? rc : attach(media, runtime_fd, 0);
}

void media_detach(struct media *media)
{
	rt_detach(media->rt, finish, media);
	close_media(media);
}

struct rt_self *media_self(struct media *media)
{
	struct rt_self *me = rt_self_get(media->rt);

	if (!me)
		test_fail(__FILE__, __LINE__, "no row: %d", rt_self_error());
	return me;
}

unsigned media_files(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned n = 0;

	must(dir != NULL);
	while ((entry = readdir(dir)))
		n += !strncmp(entry->d_name, "pinfold-", 8);
	closedir(dir);
	return n;
}

enum rt_slot_state media_slot(struct media *media, unsigned slot)
{
	return rt_slot_state(load_acquire(&rt_slot_at(media->rt, slot)->word));
}

unsigned media_reap(struct media *media)
{
	struct rt_self *me = media_self(media);
	unsigned n = 0;

	for (unsigned slot = 0; slot < rt_slots_used(media->rt); slot++) {
		uint64_t word;

		if (!rt_slot_bury(media->rt, slot))
			continue;
		word = load_acquire(&rt_slot_at(media->rt, slot)->word);
		if (!rt_reap_lock(me, slot, rt_slot_epoch(word)))
			continue;
		rt_slot_free(me, slot);
		rt_reap_unlock(me, slot);
		n++;
	}
	return n;
}

#ifdef PF_STEPS
static const char *stop_prefix;
static unsigned steps_left;
static int stop_signal;

static void hook(const char *name)
{
	if (!strncmp(name, stop_prefix, strlen(stop_prefix)) && --steps_left == 0)
		raise(stop_signal);
}

void media_signal_at(const char *prefix, unsigned n, int signal)
{
	stop_prefix = prefix;
	steps_left = n;
	stop_signal = signal;
	step_hook = hook;
}

bool media_has_steps(void)
{
	return true;
}
#else
void media_signal_at(const char *prefix, unsigned n, int signal)
{
	(void)prefix, (void)n, (void)signal;
}

bool media_has_steps(void)
{
	return false;
}
#endif

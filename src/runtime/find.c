/* The runtime's file: its name, opening it, looking at it, mapping it. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/sys.h"
#include "dev/media.h"
#include "runtime/attach.h"

void attach_file_name(const uint64_t nonce[2], char name[64])
{
	snprintf(name, 64, "pinfold-%016lx%016lx", (unsigned long)nonce[0],
		 (unsigned long)nonce[1]);
}

int attach_open_file(struct attach *a, const uint64_t nonce[2])
{
	char name[64];

	if (a->memfd >= 0) {
		snprintf(name, sizeof name, "/proc/self/fd/%d", a->memfd);
		a->rt->path[0] = 0;
		return sys_open(name, O_RDWR | O_CLOEXEC, 0);
	}
	attach_file_name(nonce, name);
	snprintf(a->rt->path, sizeof a->rt->path, "%s/%s", a->dir_path, name);
	return sys_openat(a->dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
}

/* Under local_all: a child that is forked in between would have the descriptor and not close it. */
int attach_open(struct attach *a, const uint64_t nonce[2],
		int (*open_it)(struct attach *a, const uint64_t nonce[2]))
{
	pthread_mutex_lock(&local_all);
	a->rt->fd = open_it(a, nonce);
	pthread_mutex_unlock(&local_all);
	return a->rt->fd;
}

int attach_peek(int fd, struct rt_header *h)
{
	ssize_t n = sys_pread(fd, h, sizeof *h, 0);

	if (n < 0)
		return err_errno("runtime: read");
	return n < (ssize_t)sizeof *h || h->magic != RT_MAGIC ? RT_NEW : (int)h->state;
}

int attach_map(struct rt *rt, uint64_t bytes)
{
	struct stat st;
	void *at;

	if (sys_fstat(rt->fd, &st) < 0)
		return err_errno("%s: fstat", rt->path);
	if ((uint64_t)st.st_size < bytes)
		return err(PF_ERUNCORRUPT, "%s: %lu of %lu bytes", rt->path,
			   (unsigned long)st.st_size, (unsigned long)bytes);
	at = sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, rt->fd, 0);
	if (at == MAP_FAILED)
		return err_errno("%s: mmap", rt->path);
	if (sys_madvise(at, bytes, MADV_DONTFORK) < 0) {
		int rc = err_errno("%s: madvise", rt->path);

		sys_munmap(at, bytes);
		return rc;
	}
	rt->device = st.st_dev;
	rt->inode = st.st_ino;
	rt->header = at;
	rt->base = at;
	rt->bytes = bytes;
	rt->slots = (struct rt_slot *)(rt->base + align_up(sizeof *rt->header, 128));
	return 0;
}

void attach_unmap(struct rt *rt)
{
	if (rt->header)
		sys_munmap(rt->base, rt->bytes);
	rt->header = NULL;
	pthread_mutex_lock(&local_all);
	if (rt->fd >= 0)
		sys_close(rt->fd);
	rt->fd = -1;
	pthread_mutex_unlock(&local_all);
}

bool attach_same_media(const struct rt *rt, const struct rt_header *h)
{
	return h->identity[0] == rt->dev->identity.device &&
	       h->identity[1] == rt->dev->identity.inode &&
	       h->identity[2] == rt->dev->identity.rdev;
}

void attach_write_use(struct rt *rt, struct use_format use)
{
	void *at = use_seal(rt->head, &use);

	media_begin(rt->dev);
	media_bytes(rt->dev, at, &use, sizeof use);
	media_end(rt->dev);
	dev_persist(rt->dev, at, sizeof use);
	dev_drain(rt->dev);
}

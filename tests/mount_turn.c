/*
 * Requests that a mount cannot carry out yet, as somebody has the locks of their files, keep nobody else waiting: there is always one who reads the next request.
 */
/* test: suite=short timeout=60 */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file/pool.h"
#include "mounted.h"
#include "pool.h"

enum { FILES = 6, OTHERS = 50 };

/* A file whose lock one thread has, while another one writes to it through the mount. */
static struct file {
	unsigned number;
	int fd;
	pthread_t holder, writer;
	atomic_int writer_id;
	sem_t has_lock, may_go;
} files[FILES];

static const char *top;
static pf_pool *pool;

static const char *name_of(const char *kind, unsigned i)
{
	static _Thread_local char name[600];

	snprintf(name, sizeof name, "%s/%s%u", top, kind, i);
	return name;
}

static void *hold(void *arg)
{
	struct file *f = arg;
	struct rt_self *me = rt_self_get(pool->layout.rt);
	struct pf_stat st;
	char name[32];

	snprintf(name, sizeof name, "/f%u", f->number);
	OK(pf_stat_path(pool, name, 0, &st));
	must(layout_lock(me, &pool->layout, (uint32_t)st.inode) == 0);
	sem_post(&f->has_lock);
	sem_wait(&f->may_go);
	layout_unlock(me, &pool->layout, (uint32_t)st.inode);
	return NULL;
}

static void *write_to(void *arg)
{
	struct file *f = arg;

	atomic_store(&f->writer_id, (int)syscall(SYS_gettid));
	must_be(pwrite(f->fd, "written", 7, 0), 7);
	return NULL;
}

static bool is_in_call(int thread, long number)
{
	char path[64], text[64] = "";
	FILE *file;

	snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread);
	file = fopen(path, "r");
	must(file);
	must(fgets(text, sizeof text, file));
	fclose(file);
	return atol(text) == number && *text != 'r';
}

static void begin(struct file *f, unsigned number)
{
	f->number = number;
	f->fd = open(name_of("f", number), O_CREAT | O_RDWR, 0600);
	must(f->fd >= 0);
	must_be(write(f->fd, "nothing", 7), 7);
	sem_init(&f->has_lock, 0, 0);
	sem_init(&f->may_go, 0, 0);
	must(pthread_create(&f->holder, NULL, hold, f) == 0);
	sem_wait(&f->has_lock);
	must(pthread_create(&f->writer, NULL, write_to, f) == 0);
	while (!atomic_load(&f->writer_id) || !is_in_call(f->writer_id, SYS_pwrite64))
		;
}

static void end(struct file *f)
{
	sem_post(&f->may_go);
	pthread_join(f->holder, NULL);
	pthread_join(f->writer, NULL);
	close(f->fd);
}

/* All this would take as long as the locks are held, if one of the threads that wait for them had to be waited for. */
static void do_others(void)
{
	for (unsigned i = 0; i < OTHERS; i++) {
		int fd = open(name_of("other", i), O_CREAT | O_EXCL | O_RDWR, 0600);

		must(fd >= 0);
		must_be(write(fd, "other", 5), 5);
		close(fd);
		must(unlink(name_of("other", i)) == 0);
	}
}

int main(void)
{
	const char *why = mounted_cannot(), *path;

	if (why)
		skip("%s", why);
	path = pool_make("p", 64);
	top = mounted_at(path, "m", "");
	pool = pool_open(path);
	for (unsigned i = 0; i < FILES; i++) {
		begin(&files[i], i);
		do_others();
	}
	for (unsigned i = 0; i < FILES; i++)
		end(&files[i]);
	OK(pf_pool_close(pool));
	mounted_end();
	return 0;
}

/* Reading a directory: what is there all the time is seen once, while others make it grow and shrink; cursors outlive handles and processes. */
/* test: suite=short timeout=120 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool.h"

#define STABLE 3000u /* names that stay */
#define FILES  8u    /* that all names lead to */
#ifdef PF_CHECKS
#define LARGE \
	10000u /* names, in the end: these builds guard the metadata, at a system call for each change */
#else
#define LARGE 100000u
#endif
#define PROCS  2u    /* that change the directory */
#define COMING 6000u /* names of each of these */

static const char *path;
static pf_pool *pool;
static struct test_random r;

static const char *name_of(char kind, unsigned n)
{
	static char name[300];

	/* Some are long: buckets hold different numbers of names. */
	snprintf(name, sizeof name, "d/%c%0*u", kind, n % 7 == 0 ? 200 : 5, n);
	return name;
}

static void make_file(unsigned n)
{
	char name[16];
	pf_file *f;

	snprintf(name, sizeof name, "f%u", n);
	OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE | PF_O_EXCL, 0600, &f));
	OK(pf_close(f));
}

static int link_it(pf_pool *in, char kind, unsigned n)
{
	char file[16];

	snprintf(file, sizeof file, "f%u", n % FILES);
	return pf_link(in, file, name_of(kind, n));
}

static void make_pool(const char *name)
{
	struct pf_mkfs_options o = {.size = 256ul << 20, .inodes = 30000, .flags = PF_MKFS_SPARSE};

	path = test_path("%s", name);
	OK(pf_mkfs(path, &o));
	pool = pool_open(path);
	OK(pf_mkdir(pool, "d", 0755));
	for (unsigned i = 0; i < FILES; i++)
		make_file(i);
}

static pf_file *open_directory(void)
{
	pf_file *d;

	OK(pf_open(pool, "d", PF_O_DIRECTORY, 0, &d));
	return d;
}

/* ---- one pass ------------------------------------------------------------------------------------------- */

struct pass {
	unsigned char *seen;
	unsigned count, stable; /* names of kind 's' below this must all be seen */
	unsigned long others;
};

static void note(struct pass *p, const struct pf_entry *e)
{
	unsigned n = (unsigned)strtoul(e->name + 1, NULL, 10);

	must(e->type == S_IFREG && e->inode && e->cursor);
	must(!strcmp(e->name, name_of(*e->name, n) + 2));
	if (*e->name != 's') {
		p->others++;
		return;
	}
	must(n < LARGE);
	if (p->seen[n]++)
		test_fail(__FILE__, __LINE__, "%.20s is seen twice", e->name);
	p->count += n < p->stable;
}

/* So many entries after the cursor, or all (0). False at the end. */
static bool read_some(struct pass *p, pf_file *d, uint64_t *cursor, unsigned long most)
{
	struct pf_entry e = {.cursor = *cursor};

	for (unsigned long i = 0; i < most || !most; i++) {
		if (OK(pf_readdir(d, e.cursor, &e)) == 0)
			return false;
		note(p, &e);
		*cursor = e.cursor;
	}
	return true;
}

static void begin_pass(struct pass *p, unsigned stable)
{
	*p = (struct pass){.seen = calloc(LARGE, 1), .stable = stable};
	must(p->seen);
}

static void end_pass(struct pass *p)
{
	if (p->count != p->stable)
		test_fail(__FILE__, __LINE__, "%u of %u names are seen", p->count, p->stable);
	free(p->seen);
}

/* ---- alone: the directory grows while it is read ------------------------------------------------------------- */

static void grow(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		OK(link_it(pool, 's', i));
}

/* Half of what was there is read, then there are ten times as many, then the rest. */
static void grow_inside_pass(unsigned from, unsigned to, bool reopen)
{
	pf_file *d = open_directory();
	uint64_t cursor = 0;
	struct pass p;

	begin_pass(&p, from);
	must(read_some(&p, d, &cursor, from / 2));
	OK(pf_close(d));
	grow(from, to);
	if (reopen) {
		OK(pf_pool_close(pool));
		pool = pool_open(path);
	}
	d = open_directory();
	while (read_some(&p, d, &cursor, 1000))
		;
	end_pass(&p);
	OK(pf_close(d));
}

/* Each is removed when it has been seen. */
static void remove_inside_pass(unsigned count)
{
	struct pf_entry e = {.cursor = 0};
	pf_file *d = open_directory();
	unsigned removed = 0;
	char name[300];

	while (OK(pf_readdir(d, e.cursor, &e)) == 1) {
		snprintf(name, sizeof name, "d/%s", e.name);
		OK(pf_unlink(pool, name));
		removed++;
	}
	must_be(removed, count);
	must_be(pf_readdir(d, 0, &e), 0);
	OK(pf_close(d));
}

static void alone(void)
{
	unsigned large = LARGE;
	struct pass p;
	pf_file *d;
	uint64_t cursor = 0;

	make_pool("alone");
	grow(0, 100);
	for (unsigned n = 100; n < large; n *= 10)
		grow_inside_pass(n, n * 10, n == 1000);
	begin_pass(&p, large);
	d = open_directory();
	read_some(&p, d, &cursor, 0);
	end_pass(&p);
	OK(pf_close(d));
	pool_check(pool, "a large directory");
	remove_inside_pass(large);
	OK(pf_rmdir(pool, "d"));
	pool_empty(pool, "a large directory");
	OK(pf_pool_close(pool));
	printf("%u names in one directory\n", large);
}

/* ---- others change it meanwhile -------------------------------------------------------------------------------- */

static unsigned number; /* of this process */

static void come(bool *there)
{
	for (unsigned i = 0; i < COMING; i++)
		if (!there[i] && test_below(&r, 4)) {
			OK(link_it(pool, (char)('a' + number), i));
			there[i] = true;
		}
}

static void go(bool *there)
{
	for (unsigned i = 0; i < COMING; i++)
		if (there[i] && test_below(&r, 8)) {
			OK(pf_unlink(pool, name_of((char)('a' + number), i)));
			there[i] = false;
		}
}

static void rename_some(bool *there)
{
	char from[300];

	for (unsigned n = 0; n < COMING / 8; n++) {
		unsigned i = (unsigned)test_below(&r, COMING),
			 to = (unsigned)test_below(&r, COMING);

		if (i == to || !there[i] || there[to])
			continue;
		strcpy(from, name_of((char)('a' + number), i));
		OK(pf_rename(pool, from, name_of((char)('a' + number), to), 0));
		there[i] = false;
		there[to] = true;
	}
}

static int change(void *arg)
{
	bool *there = calloc(COMING, sizeof *there);

	must(there);
	number = *(unsigned *)arg;
	r.state = test_seed() + number;
	pool = pool_open(path);
	for (;;) {
		come(there);
		rename_some(there);
		go(there);
	}
}

/* A pass with rests, in some of which the handle, or the pool, is opened again. */
static unsigned long one_pass(unsigned long *reopened)
{
	pf_file *d = open_directory();
	uint64_t cursor = 0;
	struct pass p;

	begin_pass(&p, STABLE);
	while (read_some(&p, d, &cursor, 1 + test_below(&r, 1500))) {
		if (test_below(&r, 3))
			continue;
		OK(pf_close(d));
		if (test_below(&r, 4) == 0) {
			OK(pf_pool_close(pool));
			pool = pool_open(path);
			++*reopened;
		}
		d = open_directory();
	}
	OK(pf_close(d));
	end_pass(&p);
	return p.others;
}

static void among_others(void)
{
	unsigned long passes = 0, others = 0, reopened = 0;
	unsigned numbers[PROCS];
	pid_t pid[PROCS];

	make_pool("others");
	grow(0, STABLE);
	for (unsigned i = 0; i < PROCS; i++) {
		numbers[i] = i;
		pid[i] = test_fork(change, &numbers[i]);
	}
	do {
		others += one_pass(&reopened);
		passes++;
	} while (test_time_left(1.0));
	for (unsigned i = 0; i < PROCS; i++)
		test_kill(pid[i]);
	others += one_pass(&reopened);
	pool_check(pool, "others were killed");
	pool_empty(pool, "others were killed");
	OK(pf_pool_close(pool));
	printf("%lu passes, %lu names that came and went were seen, the pool was opened again %lu times\n",
	       passes, others, reopened);
}

int main(void)
{
	test_dir();
	r.state = test_seed();
	alone();
	among_others();
	return 0;
}

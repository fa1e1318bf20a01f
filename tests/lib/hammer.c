/* See hammer.h. */
#include "hammer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool.h"

#define PROCESSES 8u
#define OBJECTS   120u /* of each process, at most */
#define TOKENS    24u  /* files that all move about */
#define PLACES    32u  /* for them, in each of two directories */
#define FOLDERS   7u   /* directories that all put into one another */
#define NAME      64u

enum kind { NONE, EMPTY, FOLDER, LINK };

/* What a process owns. Both names lead to it; "" is none. */
struct object {
	enum kind kind;
	bool full; /* a folder with something in it */
	char name[NAME], second[NAME];
};

struct worker {
	unsigned number, calls;
	int go, done;
	bool apart; /* has directories of its own */
	uint64_t seed;
	unsigned made; /* names so far */
	unsigned long moved;
	struct object object[OBJECTS];
};

static struct worker *workers; /* shared */
static const char *path;
static pf_pool *pool;
static struct test_random r;

static unsigned below(unsigned n)
{
	return (unsigned)test_below(&r, n);
}

/* ---- what a process owns --------------------------------------------------------------------------------- */

static void new_name(struct worker *w, char *name)
{
	if (w->apart)
		snprintf(name, NAME, "own%u%c/%u-%u", w->number, below(2) ? 'a' : 'b', w->number,
			 w->made++);
	else
		snprintf(name, NAME, "%s/%u-%u", below(4) ? "one" : "two", w->number, w->made++);
}

static void make_file(const char *name)
{
	char dir[NAME];
	pf_file *f;

	if (below(4)) {
		OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE | PF_O_EXCL, 0600, &f));
	} else {
		strcpy(dir, name);
		*strchr(dir, '/') = 0;
		OK(pf_open(pool, dir, PF_O_RDWR | PF_O_TMPFILE, 0600, &f));
		OK(pf_link_file(f, name, 0));
	}
	OK(pf_close(f));
}

static void make(struct worker *w, struct object *o)
{
	char inside[2 * NAME];

	new_name(w, o->name);
	*o->second = 0;
	o->full = false;
	o->kind = EMPTY + below(3);
	if (o->kind == EMPTY)
		make_file(o->name);
	if (o->kind == LINK)
		OK(pf_symlink(pool, "../somewhere", o->name));
	if (o->kind != FOLDER)
		return;
	OK(pf_mkdir(pool, o->name, 0700));
	o->full = below(2);
	snprintf(inside, sizeof inside, "%s/inside", o->name);
	if (o->full)
		OK(pf_mkdir(pool, inside, 0700));
}

static void empty_folder(struct object *o)
{
	char inside[2 * NAME];

	snprintf(inside, sizeof inside, "%s/inside", o->name);
	must_be(pf_rmdir(pool, o->name), -PF_ENOTEMPTY);
	OK(pf_rmdir(pool, inside));
	o->full = false;
}

static void remove_it(struct object *o)
{
	bool second = below(2);

	if (o->full) {
		empty_folder(o);
	} else if (*o->second) {
		OK(pf_unlink(pool, second ? o->second : o->name));
		if (!second)
			strcpy(o->name, o->second);
		*o->second = 0;
	} else {
		OK(o->kind == FOLDER ? pf_rmdir(pool, o->name) : pf_unlink(pool, o->name));
		o->kind = NONE;
	}
}

/* To a new name, or over another object that can be replaced. */
static void rename_it(struct worker *w, struct object *o, struct object *other)
{
	char name[NAME];
	bool over = other != o && other->kind && (other->kind == FOLDER) == (o->kind == FOLDER) &&
		    !other->full && !*other->second;

	if (over)
		strcpy(name, other->name);
	else
		new_name(w, name);
	OK(pf_rename(pool, o->name, name, over ? 0 : PF_RENAME_NOREPLACE));
	strcpy(o->name, name);
	if (over)
		other->kind = NONE;
}

static void exchange(struct object *o, struct object *other)
{
	char name[NAME];

	if (!other->kind || other == o)
		return;
	OK(pf_rename(pool, o->name, other->name, PF_RENAME_EXCHANGE));
	strcpy(name, o->name);
	strcpy(o->name, other->name);
	strcpy(other->name, name);
}

static void link_it(struct worker *w, struct object *o)
{
	if (o->kind == FOLDER || *o->second)
		return;
	new_name(w, o->second);
	OK(pf_link(pool, o->name, o->second));
}

static void own_call(struct worker *w)
{
	struct object *o = &w->object[below(OBJECTS)], *other = &w->object[below(OBJECTS)];
	struct pf_stat stat;

	if (!o->kind) {
		make(w, o);
		return;
	}
	switch (below(6)) {
	case 0:
		rename_it(w, o, other);
		break;
	case 1:
		exchange(o, other);
		break;
	case 2:
		link_it(w, o);
		break;
	case 3:
		OK(pf_stat_path(pool, o->name, PF_O_NOFOLLOW, &stat));
		must_be(stat.nlink, *o->second ? 2 : o->kind == FOLDER ? 2 + o->full : 1);
		break;
	default:
		remove_it(o);
	}
}

/* ---- what belongs to all --------------------------------------------------------------------------------- */

static const char *place(char *name)
{
	snprintf(name, NAME, "%s/t%u", below(2) ? "left" : "right", below(PLACES));
	return name;
}

static void move_token(struct worker *w)
{
	static const unsigned flags[] = {PF_RENAME_NOREPLACE, PF_RENAME_EXCHANGE};
	char from[NAME], to[NAME];
	long rc = pf_rename(pool, place(from), place(to), flags[below(2)]);

	if (rc == 0)
		w->moved++;
	else if (rc != -PF_ENOFILE && rc != -PF_EFILEEXISTS)
		test_fail(__FILE__, __LINE__, "a token: %ld", rc);
}

/* Down from the top as long as there is something. */
static void some_folder(char *name)
{
	struct pf_entry entry;
	unsigned depth = below(FOLDERS);
	size_t length;
	pf_file *d;

	strcpy(name, "top");
	for (unsigned i = 0; i <= depth; i++) {
		unsigned n = 0;

		if (pf_open(pool, name, PF_O_DIRECTORY, 0, &d) < 0)
			return;
		length = strlen(name);
		entry.cursor = 0;
		while (OK(pf_readdir(d, entry.cursor, &entry)) == 1)
			if (below(++n) == 0)
				sprintf(name + length, "/%s", entry.name);
		OK(pf_close(d));
		if (!n)
			return;
	}
}

static void move_folder(struct worker *w)
{
	char from[512], to[512];
	long rc;

	some_folder(from);
	some_folder(to);
	if (!strchr(from, '/'))
		return;
	if (below(3)) {
		strcat(to, strrchr(from, '/'));
		rc = pf_rename(pool, from, to, PF_RENAME_NOREPLACE);
	} else {
		rc = strchr(to, '/') ? pf_rename(pool, from, to, PF_RENAME_EXCHANGE) : -EINVAL;
	}
	if (rc == 0)
		w->moved++;
	else if (rc != -PF_ENOFILE && rc != -PF_EFILEEXISTS && rc != -EINVAL)
		test_fail(__FILE__, __LINE__, "%s to %s: %ld", from, to, rc);
}

/*
 * Two directories of two processes, each in a directory of its own, and each is to go below the other: the moves have no lock in common but that of all
 * moves. If both took place, neither would be below the root any more. Who has moved moves back.
 */
static void race_down(struct worker *w)
{
	char home[NAME], aim[NAME];
	long rc;

	snprintf(home, sizeof home, w->number % 2 ? "y/%u" : "x/%u", w->number / 2);
	snprintf(aim, sizeof aim, w->number % 2 ? "x/%u/below/%u" : "y/%u/below/%u", w->number / 2,
		 w->number);
	rc = pf_rename(pool, home, aim, 0);
	if (rc == 0)
		OK(pf_rename(pool, aim, home, 0));
	else
		must(rc == -PF_ENOFILE || rc == -EINVAL);
}

static int work(void *arg)
{
	struct worker *w = arg;

	pool = pool_open(path);
	r.state = w->seed;
	while (w->calls) {
		test_gate_wait(w->go);
		for (unsigned i = 0; i < w->calls; i++)
			switch (below(8)) {
			case 0:
				move_token(w);
				break;
			case 1:
				move_folder(w);
				break;
			case 2:
				race_down(w);
				break;
			default:
				own_call(w);
			}
		test_gate_open(w->done);
	}
	return 0;
}

/* ---- after a round ---------------------------------------------------------------------------------------- */

struct count {
	unsigned names, folders;
	uint64_t inodes; /* sum: of what is never made anew */
};

static int count_one(void *arg, const char *name, const struct pf_stat *stat)
{
	struct count *c = arg;

	must(*name);
	c->names++;
	c->inodes += stat->inode * stat->inode;
	if (!S_ISDIR(stat->mode))
		return 0;
	c->folders++;
	must_be(stat->nlink, 2 + stat->size);
	return 0;
}

static struct count count_in(const char *dir)
{
	struct count c = {0};
	struct pf_stat stat;

	OK(pf_list(pool, dir, count_one, &c));
	OK(pf_stat_path(pool, dir, 0, &stat));
	must_be(stat.size, c.names);
	must_be(stat.nlink, 2 + c.folders);
	return c;
}

static void check_object(const struct object *o)
{
	static const uint32_t types[] = {0, S_IFREG, S_IFDIR, S_IFLNK};
	struct pf_stat stat, second;

	OK(pf_stat_path(pool, o->name, PF_O_NOFOLLOW, &stat));
	must_be(stat.mode & S_IFMT, types[o->kind]);
	must_be(stat.nlink, *o->second ? 2 : o->kind == FOLDER ? 2 + o->full : 1);
	if (!*o->second)
		return;
	OK(pf_stat_path(pool, o->second, PF_O_NOFOLLOW, &second));
	must(second.inode == stat.inode && second.generation == stat.generation);
}

static void check_objects(unsigned processes, bool apart)
{
	unsigned names = 0, found = 0;
	char dir[16];

	for (unsigned n = 0; n < processes; n++) {
		for (unsigned i = 0; i < OBJECTS; i++)
			if (workers[n].object[i].kind) {
				check_object(&workers[n].object[i]);
				names += 1 + !!*workers[n].object[i].second;
			}
		for (unsigned i = 0; apart && i < 2; i++) {
			snprintf(dir, sizeof dir, "own%u%c", n, 'a' + (int)i);
			found += count_in(dir).names;
		}
	}
	if (!apart)
		found = count_in("one").names + count_in("two").names;
	must_be(found, names);
}

static uint64_t check_tokens(void)
{
	struct count left = count_in("left"), right = count_in("right");

	must_be(left.names + right.names, TOKENS);
	return left.inodes + right.inodes;
}

static unsigned folders_below(const char *dir, unsigned depth, uint64_t *inodes)
{
	struct pf_entry entry = {.cursor = 0};
	unsigned folders = 0, own = 0;
	char inside[512];
	struct pf_stat stat;
	pf_file *d;

	must(depth <= FOLDERS);
	OK(pf_open(pool, dir, PF_O_DIRECTORY, 0, &d));
	OK(pf_stat(d, &stat));
	while (OK(pf_readdir(d, entry.cursor, &entry)) == 1) {
		snprintf(inside, sizeof inside, "%s/%s", dir, entry.name);
		*inodes += entry.inode * entry.inode;
		folders += 1 + folders_below(inside, depth + 1, inodes);
		own++;
	}
	must_be(stat.nlink, 2 + own);
	must_be(stat.size, own);
	OK(pf_close(d));
	return folders;
}

/* ---- rounds ----------------------------------------------------------------------------------------------- */

static uint64_t token_inodes, folder_inodes;

static void check(unsigned processes, bool apart)
{
	uint64_t inodes = 0;

	must_be(count_in("x").names, (processes + 1) / 2);
	must_be(count_in("y").names, processes / 2);
	check_objects(processes, apart);
	must(check_tokens() == token_inodes);
	must_be(folders_below("top", 0, &inodes), FOLDERS);
	must(inodes == folder_inodes);
	pool_check(pool, apart ? "a round, apart" : "a round in one directory");
}

static void make_all(unsigned processes)
{
	static const char *const dirs[] = {"one", "two", "left", "right", "top", "x", "y"};
	char name[NAME];
	pf_file *f;

	for (unsigned i = 0; i < sizeof dirs / sizeof *dirs; i++)
		OK(pf_mkdir(pool, dirs[i], 0755));
	for (unsigned i = 0; i < 2 * processes; i++) {
		snprintf(name, sizeof name, "own%u%c", i / 2, i % 2 ? 'b' : 'a');
		OK(pf_mkdir(pool, name, 0755));
	}
	for (unsigned i = 0; i < processes; i++) {
		snprintf(name, sizeof name, i % 2 ? "y/%u" : "x/%u", i / 2);
		OK(pf_mkdir(pool, name, 0755));
		strcat(name, "/below");
		OK(pf_mkdir(pool, name, 0755));
	}
	for (unsigned i = 0; i < TOKENS; i++) {
		snprintf(name, sizeof name, "left/t%u", i);
		OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0600, &f));
		OK(pf_close(f));
	}
	for (unsigned i = 0; i < FOLDERS; i++) {
		snprintf(name, sizeof name, "top/%u", i);
		OK(pf_mkdir(pool, name, 0755));
	}
	token_inodes = check_tokens();
	folders_below("top", 0, &folder_inodes);
}

static unsigned long rounds(unsigned processes, unsigned calls, double seconds, bool apart)
{
	double end = now() + seconds;
	unsigned long done = 0;
	pid_t pid[PROCESSES];

	memset(workers, 0, processes * sizeof *workers);
	token_inodes = folder_inodes = 0;
	path = pool_make(apart ? "apart" : "together", 64);
	pool = pool_open(path);
	make_all(processes);
	for (unsigned i = 0; i < processes; i++) {
		workers[i] = (struct worker){.number = i,
					     .calls = calls,
					     .go = test_gate(),
					     .done = test_gate(),
					     .apart = apart,
					     .seed = test_seed() + i};
		pid[i] = test_fork(work, &workers[i]);
	}
	do {
		for (unsigned i = 0; i < processes; i++)
			test_gate_open(workers[i].go);
		for (unsigned i = 0; i < processes; i++)
			test_gate_wait(workers[i].done);
		check(processes, apart);
		done++;
	} while (now() < end);
	for (unsigned i = 0; i < processes; i++)
		test_kill(pid[i]);
	check(processes, apart);
	pool_empty(pool, "hammered");
	OK(pf_pool_close(pool));
	must_be(pf_fsck(path, NULL, NULL), 0);
	must(unlink(path) == 0);
	return done;
}

void hammer(unsigned processes, unsigned calls, double seconds)
{
	must(processes <= PROCESSES);
	workers = mmap(NULL, PROCESSES * sizeof *workers, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(workers != MAP_FAILED);
	for (int apart = 0; apart < 2; apart++) {
		unsigned long done = rounds(processes, calls, seconds / 2, apart), moved = 0;

		for (unsigned i = 0; i < processes; i++)
			moved += workers[i].moved;
		printf("%s: %lu rounds of %u calls by %u processes, %lu moves of what is everybody's\n",
		       apart ? "apart" : "in one directory", done, calls, processes, moved);
	}
}

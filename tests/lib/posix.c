/* Scripts of posix.h: words, users, outcomes. */
#include "posix.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

/* ---- users ---- */

static const gid_t none[1], of_a[] = {1001};
static const struct user {
	const char *name;
	struct pf_caller caller;
} users[] = {{"root", {0, 0, none, 0}},
	     {"a", {1001, 1001, none, 0}},
	     {"b", {1002, 1002, none, 0}},
	     {"c", {1003, 1003, of_a, 1}}};

void posix_as(const char *name)
{
	const struct user *u = users;

	while (strcmp(u->name, name))
		must(++u < users + 4);
	if (getuid() != 0)
		return; /* there is no other */
	pf_act_as(&u->caller);
	must(seteuid(0) == 0 && setgroups(u->caller.group_count, u->caller.groups) == 0);
	must(setegid(u->caller.gid) == 0 && seteuid(u->caller.uid) == 0);
}

/* ---- words ---- */

const char *posix_word(const struct posix_call *c, unsigned i, const char *otherwise)
{
	return i < c->n ? c->w[i] : otherwise;
}

unsigned long posix_number(const struct posix_call *c, unsigned i)
{
	if (i >= c->n)
		test_fail(__FILE__, __LINE__, "%s: it needs %u words", c->w[0], i);
	return (unsigned long)strtoll(c->w[i], NULL, 0);
}

mode_t posix_mode(const struct posix_call *c, unsigned i)
{
	return (mode_t)strtoul(posix_word(c, i, "644"), NULL, 8);
}

unsigned posix_fd(const struct posix_call *c, unsigned i)
{
	unsigned long fd = posix_number(c, i);

	must(fd < POSIX_FDS);
	return (unsigned)fd;
}

unsigned posix_flags(const char *words, const char *const names[], const unsigned values[],
		     size_t n)
{
	unsigned flags = 0;

	while (*words) {
		size_t length = strcspn(words, ","), i = 0;

		while (i < n && (strlen(names[i]) != length || strncmp(names[i], words, length)))
			i++;
		if (i == n)
			test_fail(__FILE__, __LINE__, "unknown flags %s", words);
		flags |= values[i];
		words += length + (words[length] == ',');
	}
	return flags;
}

struct timespec posix_time(const char *word)
{
	if (!strcmp(word, "now") || !strcmp(word, "omit"))
		return (struct timespec){0, *word == 'n' ? UTIME_NOW : UTIME_OMIT};
	return (struct timespec){strtol(word, NULL, 0), 123456789};
}

size_t posix_bytes(const struct posix_call *c, unsigned i, char *bytes, size_t size)
{
	const char *word = posix_word(c, i, "");
	size_t n = strlen(word);

	if (n > 2 && word[1] == '*') {
		n = strtoul(word + 2, NULL, 0);
		must(n <= size);
		memset(bytes, *word, n);
	} else {
		memcpy(bytes, word, n);
	}
	return n;
}

void posix_show(struct posix_call *c, const void *from, size_t length)
{
	const char *bytes = from;
	char *out = c->out;

	for (size_t i = 0, run; i < length && out < c->out + POSIX_OUT - 40; i += run) {
		for (run = 1; i + run < length && bytes[i + run] == bytes[i]; run++)
			;
		if (run > 3)
			out += sprintf(out, "%c*%zu ", bytes[i] ? bytes[i] : '0', run);
		else
			for (size_t k = 0; k < run; k++)
				*out++ = bytes[i] ? bytes[i] : '0';
	}
	*out = 0;
}

/* A directory's size is its file system's own matter, and what holds a symbolic link. */
void posix_show_stat(struct posix_call *c, const struct stat *st)
{
	long size = S_ISDIR(st->st_mode) ? -1 : (long)st->st_size;

	snprintf(c->out, POSIX_OUT, "%o links %lu of %u:%u size %ld", st->st_mode,
		 (unsigned long)st->st_nlink, st->st_uid, st->st_gid, size);
}

/* ---- names ---- */

void posix_add_name(void *to, const char *name, unsigned type)
{
	struct posix_names *names = to;

	must(names->n < sizeof names->name / sizeof *names->name);
	if (type)
		must(asprintf(&names->name[names->n++], "%s %o", name, type) > 0);
	else
		must((names->name[names->n++] = strdup(name)));
}

void posix_free_names(struct posix_names *names)
{
	while (names->n)
		free(names->name[--names->n]);
}

static int order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int do_ls(const struct posix_fs *fs, struct posix_call *c)
{
	struct posix_names names = {0};
	int error = fs->list(c->w[1], posix_add_name, &names);
	size_t used = 0;

	qsort(names.name, names.n, sizeof *names.name, order);
	for (unsigned i = 0; i < names.n && used < POSIX_OUT - 600; i++)
		used += (size_t)sprintf(c->out + used, "%s, ", names.name[i]);
	posix_free_names(&names);
	return error;
}

struct tree {
	const struct posix_fs *fs;
	char *out;
	size_t used;
};

/* What is at `path`, and all below. */
static void show_tree(struct tree *t, const char *path)
{
	struct posix_names names = {0};
	struct posix_call c = {.out = t->out + t->used};
	struct stat st;
	char *below;

	if (t->fs->stat(path, &st) < 0)
		return; /* it is in a directory that may not be searched */
	if (t->used > POSIX_OUT - 1000)
		return;
	t->used += (size_t)sprintf(t->out + t->used, "%.20s: ", path);
	c.out = t->out + t->used;
	posix_show_stat(&c, &st);
	t->used += strlen(c.out);
	t->used += (size_t)sprintf(t->out + t->used, "\n      ");
	if (!S_ISDIR(st.st_mode))
		return;
	if (t->fs->list(path, posix_add_name, &names) < 0)
		return;
	qsort(names.name, names.n, sizeof *names.name, order);
	for (unsigned i = 0; i < names.n; i++) {
		*strrchr(names.name[i], ' ') = 0;
		must(asprintf(&below, "%s/%s", path, names.name[i]) > 0);
		show_tree(t, below);
		free(below);
	}
	posix_free_names(&names);
}

/* ---- times ---- */

static struct mark {
	char name[64];
	struct stat st;
} marks[8];

static struct mark *mark_of(const char *name)
{
	unsigned i = 0;

	while (marks[i].name[0] && strcmp(marks[i].name, name))
		must(++i < 8);
	must(strlen(name) < sizeof marks[i].name);
	strcpy(marks[i].name, name);
	return &marks[i];
}

/* Until the clock that file systems may use is past everything that was done so far. */
static void next_tick(void)
{
	struct timespec first, now;

	clock_gettime(CLOCK_REALTIME_COARSE, &first);
	do {
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	} while (now.tv_sec == first.tv_sec && now.tv_nsec == first.tv_nsec);
}

static int do_mark(const struct posix_fs *fs, struct posix_call *c)
{
	return fs->stat(c->w[1], &mark_of(c->w[1])->st);
}

static bool same(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Which times are others now: a only when it is asked for. */
static int do_moved(const struct posix_fs *fs, struct posix_call *c)
{
	struct stat *before = &mark_of(c->w[1])->st, st;
	int error = fs->stat(c->w[1], &st);

	if (error == 0 && st.st_ino != before->st_ino)
		sprintf(c->out, "is another");
	else if (error == 0)
		sprintf(c->out, "%s%s%s",
			c->n > 2 && !same(st.st_atim, before->st_atim) ? "atime " : "",
			same(st.st_mtim, before->st_mtim) ? "" : "mtime ",
			same(st.st_ctim, before->st_ctim) ? "" : "ctime");
	return error;
}

static int do_kib(const struct posix_fs *fs, struct posix_call *c)
{
	struct stat st;
	int error = fs->stat(c->w[1], &st);

	if (error == 0)
		sprintf(c->out, "%ld", (long)st.st_blocks / 2);
	return error;
}

/* Seconds that were given. */
static int do_times(const struct posix_fs *fs, struct posix_call *c)
{
	struct stat st;
	int error = fs->stat(c->w[1], &st);

	if (error == 0)
		sprintf(c->out, "%ld.%09ld %ld.%09ld",
			st.st_atim.tv_sec < 100000 ? st.st_atim.tv_sec : 0,
			st.st_atim.tv_sec < 100000 ? st.st_atim.tv_nsec : 0,
			st.st_mtim.tv_sec < 100000 ? st.st_mtim.tv_sec : 0,
			st.st_mtim.tv_sec < 100000 ? st.st_mtim.tv_nsec : 0);
	return error;
}

/* ---- scripts ---- */

/* "@255": a name of so many bytes. "%4095/f": "./././f" of so many bytes. */
static char *expand(const char *word)
{
	size_t n = strtoul(*word ? word + 1 : word, NULL, 10);
	const char *slash = strchr(word, '/');
	char *out;

	if (!strcmp(word, "''"))
		return strdup("");
	if (*word != '@' && *word != '%')
		return strdup(word);
	slash = slash ? slash : "";
	if (*word == '@') {
		out = calloc(1, n + strlen(slash) + 1);
		memset(out, 'n', n);
		strcpy(out + n, slash);
		return out;
	}
	out = calloc(1, n + 1);
	for (size_t i = 0; i < n - strlen(slash); i++)
		out[i] = i % 2 ? '/' : '.';
	strcpy(out + n - strlen(slash), slash);
	return out;
}

static bool has(const struct posix_fs *fs, const char *verb, posix_verb **call)
{
	static const char *const own[] = {"as",   "ls",   "kib",   "tick",
					  "tree", "mark", "moved", "times"};
	const struct posix_verb_name *v = fs->verbs;

	while (v->name && strcmp(v->name, verb))
		v++;
	*call = v->call;
	for (size_t i = 0; !*call && i < sizeof own / sizeof *own; i++)
		if (!strcmp(own[i], verb))
			return true;
	return *call;
}

static int do_own(const struct posix_fs *fs, struct posix_call *c)
{
	struct tree tree = {fs, c->out, 0};

	switch (c->w[0][1]) {
	case 's':
		if (c->w[0][0] == 'l')
			return do_ls(fs, c);
		posix_as(c->w[1]);
		return 0;
	case 'r':
		show_tree(&tree, ".");
		return 0;
	case 'a':
		return do_mark(fs, c);
	case 'i':
		if (c->w[0][0] == 't')
			return next_tick(), next_tick(),
			       0; /* its times may be of the tick before */
		return do_kib(fs, c);
	case 'o':
		return do_moved(fs, c);
	default:
		return do_times(fs, c);
	}
}

/* The machine's own directories are none of a script's business. */
static char *word_of(const struct posix_call *c, const char *text)
{
	if (*text == '/' && strcmp(c->w[0], "symlink") != 0)
		test_fail(__FILE__, __LINE__, "%s %s: an absolute path", c->w[0], text);
	return expand(text);
}

/* Makes one call; false: there is none of this name. */
static bool step(const struct posix_fs *fs, const char *text, char **got)
{
	static char out[POSIX_OUT];
	struct posix_call c = {.out = out};
	char *copy = strdup(text), *rest = copy, *word;
	posix_verb *call;
	int error;
	bool known;

	while ((word = strtok_r(rest, " ", &rest)) && *word != '!') {
		must(c.n < 8);
		c.w[c.n] = word_of(&c, word);
		c.n++;
	}
	*out = 0;
	known = has(fs, c.w[0], &call);
	if (known) {
		error = call ? call(&c) : do_own(fs, &c);
		must(asprintf(got, "%s", error ? strerrorname_np(-error) : out) >= 0);
	}
	while (c.n)
		free(c.w[--c.n]);
	free(copy);
	return known;
}

static void remove_name(const struct posix_fs *fs, const char *path);

static void remove_below(const struct posix_fs *fs, const char *path)
{
	struct posix_names names = {0};
	char *below;

	must(fs->list(path, posix_add_name, &names) == 0);
	for (unsigned i = 0; i < names.n; i++) {
		*strrchr(names.name[i], ' ') = 0;
		must(asprintf(&below, "%s/%s", path, names.name[i]) > 0);
		remove_name(fs, below);
		free(below);
	}
	posix_free_names(&names);
}

static void remove_name(const struct posix_fs *fs, const char *path)
{
	struct stat st;

	must(fs->stat(path, &st) == 0);
	if (S_ISDIR(st.st_mode)) {
		if (getuid() != 0)
			must(fs->set_mode(path, 0700) == 0);
		remove_below(fs, path);
	}
	must(fs->remove(path, S_ISDIR(st.st_mode)) == 0);
}

bool posix_run(const struct posix_fs *fs, const char *dir, const char *user, const char *script,
	       struct posix_outcome *o)
{
	char *copy, *rest, *text;
	bool known = true;

	must(asprintf(&copy, "%s; as root; tree", script) > 0);
	memset(marks, 0, sizeof marks);
	*o = (struct posix_outcome){0};
	posix_as("root");
	fs->enter(dir);
	posix_as(user);
	for (rest = copy; known && (text = strtok_r(rest, ";", &rest));) {
		must(o->steps < POSIX_STEPS);
		text += strspn(text, " ");
		known = step(fs, text, &o->got[o->steps]);
		if (known)
			must((o->step[o->steps++] = strdup(text)));
	}
	posix_as("root");
	fs->allow();
	remove_below(fs, ".");
	fs->leave();
	free(copy);
	return known;
}

void posix_free(struct posix_outcome *o)
{
	for (unsigned i = 0; i < o->steps; i++) {
		free(o->step[i]);
		free(o->got[i]);
	}
	o->steps = 0;
}

const char *posix_unexpected(const struct posix_outcome *o)
{
	for (unsigned i = 0; i < o->steps; i++) {
		const char *wanted = strchr(o->step[i], '!');
		bool failed = o->got[i][0] == 'E';

		if (wanted && wanted[1] == '?')
			continue;
		if (wanted ? strcmp(wanted + 1, o->got[i]) != 0 : failed)
			return o->step[i];
	}
	return NULL;
}

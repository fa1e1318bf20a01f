/* See posix_table.h. */
#include "posix_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mounted.h"
#include "pool.h"
#include "posix.h"
#include "posix_rows.h"

#define MAX_SAID 3u /* of one row */

static struct {
	const struct posix_fs *fs; /* that is compared with the host's */
	unsigned cases, steps, known, differences;
	const char *mount; /* where that is one, or NULL */
	unsigned every;    /* of so many cases one is done */
	struct test_random chance;
	bool verbose;
} run;

/* ---- differences that are meant ------------------------------------------------------------------------- */

static bool matches(const char *pattern, const char *text)
{
	const char *star = strchr(pattern, '*');
	size_t before = star ? (size_t)(star - pattern) : strlen(pattern);

	if (strncmp(pattern, text, before) != 0)
		return false;
	return star ? !star[1] || strstr(text + before, star + 1) : !text[before];
}

static const char *errno_of(const char *got)
{
	return *got == 'E' ? got : "ok";
}

static const struct posix_known *known(const char *fs, const char *script, const char *step,
				       const char *host, const char *ours)
{
	for (struct posix_known *k = posix_knowns; k->fs; k++)
		if ((!strcmp(k->fs, fs) || !strcmp(k->fs, "*")) && matches(k->step, step) &&
		    (!k->script || strstr(script, k->script)) && matches(k->host, errno_of(host)) &&
		    matches(k->ours, errno_of(ours))) {
			k->seen++;
			return k;
		}
	return NULL;
}

/* ---- one case -------------------------------------------------------------------------------------------- */

static void say_difference(const char *name, const char *user, const char *script, const char *step,
			   const char *host, const char *ours)
{
	static const char *row;
	static unsigned said;

	run.differences++;
	said = row == name ? said + 1 : 0;
	row = name;
	if (said >= MAX_SAID)
		return;
	printf("%s, by %s: %s\n  %s\n    tmpfs: %s\n    %s: %s\n", name, user, script, step, host,
	       run.fs->name, ours);
}

/* What comes after a difference that is known follows from it. */
static void compare(const char *name, const char *user, const char *script,
		    const struct posix_outcome *host, const struct posix_outcome *ours)
{
	for (unsigned i = 0; i < host->steps; i++) {
		run.steps++;
		if (!strcmp(host->got[i], ours->got[i])) /* the tree is last */
			continue;
		if (known(run.fs->name, script, host->step[i], host->got[i], ours->got[i])) {
			run.known++;
			return;
		}
		say_difference(name, user, script, host->step[i], host->got[i], ours->got[i]);
		return;
	}
}

static void one_case(const char *name, const char *user, const char *script)
{
	static unsigned number;
	struct posix_outcome host, ours;
	const char *unexpected;
	char dir[32];

	if (run.every > 1 && test_below(&run.chance, run.every))
		return;
	snprintf(dir, sizeof dir, "case%u", number++);
	if (run.verbose)
		printf("%s, by %s: %s\n", name, user, script);
	posix_host_at(test_path("host"));
	must(posix_run(&posix_host, dir, user, script, &host));
	unexpected = posix_unexpected(&host);
	if (unexpected)
		test_fail(__FILE__, __LINE__, "%s, by %s: on the host otherwise: %s: %s", name,
			  user, unexpected, script);
	if (run.mount)
		posix_host_at(run.mount);
	if (posix_run(run.fs, dir, user, script, &ours)) {
		run.cases++;
		compare(name, user, script, &host, &ours);
	}
	posix_free(&host);
	posix_free(&ours);
}

/* ---- rows ------------------------------------------------------------------------------------------------ */

/* `text` with every "$A" (mark 'A') replaced. */
static char *replaced(const char *text, char mark, const char *by, size_t length)
{
	char *out = calloc(1, strlen(text) + 40 * (length + 1)), *to = out;

	must(out);
	while (*text) {
		if (text[0] == '$' && text[1] == mark) {
			memcpy(to, by, length);
			to += length;
			text += 2;
		} else {
			*to++ = *text++;
		}
	}
	return out;
}

static void all_of(const struct posix_row *row, const char *script, unsigned list)
{
	const char *word = list < 3 ? row->lists[list] : NULL;

	if (!word) {
		if (getuid() != 0 && (row->user || strstr(script, "as ")))
			return;
		one_case(row->name, row->user ? row->user : "root", script);
		if (!row->user && !strstr(script, "as ") && getuid() == 0)
			one_case(row->name, "a", script);
		return;
	}
	for (;; word++) {
		size_t length = strcspn(word, "|");
		char *next = replaced(script, (char)('A' + list), word, length);

		all_of(row, next, list + 1);
		free(next);
		word += length;
		if (!*word)
			return;
	}
}

static void all_rows(const struct posix_fs *fs)
{
	const char *only = getenv("PF_TEST_ROW");

	run.fs = fs;
	for (const struct posix_row *row = posix_rows; row->name; row++)
		if (!only || strstr(row->name, only))
			all_of(row, row->script, 0);
	printf("%s: %u cases, %u steps, %u meant differences\n", fs->name, run.cases, run.steps,
	       run.known);
	run.cases = run.steps = run.known = 0;
}

/* A difference that is listed and not there any more is to be taken from the list. */
static void check_known(const char *fs)
{
	for (const struct posix_known *k = posix_knowns; k->fs; k++)
		if (!strcmp(k->fs, fs) && !k->seen && !k->maybe && getuid() == 0 &&
		    !getenv("PF_TEST_ROW")) {
			printf("no difference any more: %s: %s\n", k->fs, k->step);
			run.differences++;
		}
}

static const char *make_pool(void)
{
	struct pf_mkfs_options options = {.size = 256ul << 20, .inodes = 65536};
	const char *path = strdup(test_path("pool"));

	OK(pf_mkfs(path, &options));
	return path;
}

static void on_mount(const char *path, unsigned every)
{
	struct posix_fs mount = posix_host;

	mount.name = "mount";
	run.every = every;
	run.mount = mounted_at(path, "mount", "");
	all_rows(&mount);
	if (every == 1)
		check_known("mount");
	posix_host_at("/");
	mounted_end();
}

int posix_table(unsigned every)
{
	const char *dir = test_dir(), *host, *path;
	pf_pool *pool;

	run.verbose = getenv("PF_TEST_TRACE");
	run.every = 1;
	run.chance.state = test_seed();
	umask(0);
	host = test_path("host");
	must(chmod(dir, 0711) == 0);
	must(mkdir(host, 0777) == 0);
	if (getuid() != 0)
		skip_part("only root can be others: those rows are left out");
	path = make_pool();
	pool = pool_open(path);
	posix_pool_is(pool);
	all_rows(&posix_pool);
	check_known("library");
	pf_act_as(NULL);
	pool_check(pool, "the table");
	if (mounted_cannot())
		skip_part("%s", mounted_cannot());
	else
		on_mount(path, every);
	pool_check(pool, "the table");
	OK(pf_pool_close(pool));
	must_be(pf_fsck(path, NULL, NULL), 0);
	if (run.differences)
		test_fail(__FILE__, __LINE__, "%u differences", run.differences);
	return 0;
}

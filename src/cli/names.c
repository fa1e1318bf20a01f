/* mv, ln: names, by the rules of mv(1) and ln(1). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/glob.h"

typedef int (*name_action)(const struct options *o, const struct place *from,
			   const struct place *to);

/* `to`, or the last component of `from` in it. */
static int act(const struct options *o, const struct place *from, const struct place *to,
	       bool inside, name_action action)
{
	char *name = inside ? last_component(from->path) : NULL;
	struct place target = *to;
	int rc = EXIT_FAILED;

	if (!inside)
		return action(o, from, to);
	if (!name)
		return complain("no memory");
	if (place_child(to, name, &target)) {
		rc = action(o, from, &target);
		free(target.path);
	}
	free(name);
	return rc;
}

/* Several go to a directory, one also to a name. `place_of` makes a place of each operand but the last, which has become `to`. */
static int for_sources(const struct options *o, char **operands, int count, bool inside,
		       const struct place *to, int (*place_of)(char *operand, struct place *place),
		       name_action action)
{
	struct matches m;
	int worst = glob_operands(operands, count - 1, OPERAND_FILES, place_of, &m);

	if (m.count > 1 && !inside)
		worst = complain("several names go to a directory, and '%s' is none", to->path);
	else
		for (size_t i = 0; i < m.count; i++)
			if (act(o, &m.match[i].place, to, inside, action) != EXIT_FINE)
				worst = EXIT_FAILED;
	matches_free(&m);
	return worst;
}

/* Names are given within one pool. */
static int check_same_pool(const struct place *from, const struct place *to)
{
	if (from->pool == to->pool)
		return EXIT_FINE;
	return complain("%s is in another pool than %s: use cp -r and rm -r", from->path, to->path);
}

/* ---- mv -------------------------------------------------------------------------------------------- */

static int move(const struct options *o, const struct place *from, const struct place *to)
{
	unsigned flags = o->no_clobber ? PF_RENAME_NOREPLACE : o->exchange ? PF_RENAME_EXCHANGE : 0;
	struct stat a, b;
	int rc = check_same_pool(from, to);

	if (rc != EXIT_FINE)
		return rc;
	if (!o->no_clobber && place_stat(from, false, &a) == 0 && place_stat(to, false, &b) == 0 &&
	    place_same(from, &a, to, &b))
		return complain("'%s' and '%s' are the same file", from->path, to->path);
	rc = pf_rename(from->pool, from->path, to->path, flags);
	if (rc == -PF_EFILEEXISTS && o->no_clobber)
		return EXIT_FINE;
	if (rc < 0 && pf_errno(rc) == EINVAL)
		return complain("cannot move '%s' into itself, '%s'", from->path, to->path);
	return rc < 0 ? complain_pf(from->path) : EXIT_FINE;
}

static int run_mv(const struct options *o, char **operands, int count)
{
	struct place to;
	int rc = place_in_pool(operands[count - 1], &to);
	bool itself = o->no_target_directory || o->exchange;

	if (rc != EXIT_FINE)
		return rc;
	if (o->exchange && (count > 2 || o->no_clobber))
		return complain_usage("--exchange takes two names, and no --no-clobber");
	return for_sources(o, operands, count, !itself && place_is_directory(&to), &to,
			   place_in_pool, move);
}

const struct command cmd_mv = {
	"mv",
	"no-clobber:n no-target-directory:T exchange mv.force:f",
	2,
	-1,
	run_mv,
	"renames files and directories within a pool\n"
	"usage: pinfold mv POOL:/path... POOL:/newpath [-n] [-T] [--exchange]\n"
	"Into a directory that is there; a file that has the new name is replaced in the same step.\n"
	"Example: pinfold mv /dev/shm/pool:/model.new /dev/shm/pool:/model.bin"};

/* ---- ln -------------------------------------------------------------------------------------------- */

/* A new link under a name of this process, which is then renamed: nobody finds the name missing. */
static int replace_link(const struct place *place, const char *text)
{
	char *directory = parent_path(place->path), *temporary = NULL;
	int rc;

	if (!directory || asprintf(&temporary, "%s/.ln-%d", directory, (int)getpid()) < 0) {
		free(directory);
		return complain("no memory");
	}
	pf_unlink(place->pool,
		  temporary); /* left by a process that had this number and was killed */
	rc = pf_symlink(place->pool, text, temporary);
	if (rc >= 0) {
		rc = pf_rename(place->pool, temporary, place->path, 0);
		if (rc < 0) {
			complain_pf(place->path);
			pf_unlink(place->pool, temporary);
		}
	} else {
		complain_pf(place->path);
	}
	free(directory);
	free(temporary);
	return rc < 0 ? EXIT_FAILED : EXIT_FINE;
}

static int link_symbolic(const struct options *o, const struct place *from, const struct place *to)
{
	int rc = pf_symlink(to->pool, from->path, to->path);

	if (rc == -PF_EFILEEXISTS && o->force)
		return replace_link(to, from->path);
	return rc < 0 ? complain_pf(to->path) : EXIT_FINE;
}

static int replace_hard(const struct place *from, const struct place *to)
{
	pf_file *file;
	int rc = pf_open(from->pool, from->path, PF_O_PATH | PF_O_NOFOLLOW, 0, &file);

	if (rc < 0)
		return complain_pf(from->path);
	rc = pf_link_file(file, to->path, PF_LINK_REPLACE);
	rc = rc < 0 ? complain_pf(to->path) : EXIT_FINE;
	pf_close(file);
	return rc;
}

static int link_hard(const struct options *o, const struct place *from, const struct place *to)
{
	struct stat a, b;
	int rc = check_same_pool(from, to);

	if (rc != EXIT_FINE)
		return rc;
	if (place_stat(from, false, &a) == 0 && S_ISDIR(a.st_mode))
		return complain("%s is a directory; only ln -s links to one", from->path);
	if (o->force && place_stat(to, false, &b) == 0) {
		if (place_same(from, &a, to, &b))
			return complain("'%s' and '%s' are the same file", from->path, to->path);
		return replace_hard(from, to);
	}
	rc = pf_link(from->pool, from->path, to->path);
	return rc < 0 ? complain_pf(to->path) : EXIT_FINE;
}

/* What a symbolic link is to say: any text, which is in no pool. As POOL:/path it is the path; only for a pattern is the pool looked at. */
static int any_text(char *operand, struct place *text)
{
	char *pool;

	*text = (struct place){.path = operand};
	if (!split_operand(operand, &pool, &text->path) || !glob_is_pattern(text->path))
		return EXIT_FINE;
	text->pool = keep_pool(pool);
	return text->pool ? EXIT_FINE : EXIT_FAILED;
}

static int run_ln(const struct options *o, char **operands, int count)
{
	struct place to;
	struct stat st;
	int rc = place_in_pool(operands[count - 1], &to);
	bool inside;

	if (rc != EXIT_FINE)
		return rc;
	inside = !o->no_target_directory && place_stat(&to, !o->no_dereference, &st) == 0 &&
		 S_ISDIR(st.st_mode);
	return for_sources(o, operands, count, inside, &to, o->symbolic ? any_text : place_in_pool,
			   o->symbolic ? link_symbolic : link_hard);
}

const struct command cmd_ln = {
	"ln",
	"symbolic:s ln.force:f no-dereference:n no-target-directory:T",
	2,
	-1,
	run_ln,
	"gives files another name, or makes symbolic links\n"
	"usage: pinfold ln POOL:/path... POOL:/newpath [-f] [-T]\n"
	"       pinfold ln -s TARGET... POOL:/newpath [-f] [-n] [-T]\n"
	"Into a directory that is there. TARGET is what the link says; POOL:/path is taken as /path.\n"
	"Example: pinfold ln -s -f -n v2 /dev/shm/pool:/models/current"};

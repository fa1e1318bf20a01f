/*
 * cp: into a pool, out of it, and within, by the rules of the cp(1) that people know: a directory that is there receives the source inside
 * it, symbolic links are copied as links with -r and followed without it, modes are those of the source less the umask.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/copy.h"
#include "cli/glob.h"
#include "cli/hint.h"
#include "cli/progress.h"

static int copy(const struct options *o, const struct place *from, const struct place *to);

/* ---- directories ----------------------------------------------------------------------------------- */

static int copy_entry(const struct options *o, const struct place *from, const struct place *to,
		      const char *name)
{
	struct place a, b;
	int rc = EXIT_FAILED;

	if (!place_child(from, name, &a))
		return rc;
	if (place_child(to, name, &b)) {
		rc = copy(o, &a, &b);
		free(b.path);
	}
	free(a.path);
	return rc;
}

static int copy_entries(const struct options *o, const struct place *from, const struct place *to)
{
	struct names names;
	int worst = EXIT_FINE, error = place_names(from, &names);

	if (error < 0)
		worst = complain_at(from, error);
	for (size_t i = 0; i < names.count && worst != EXIT_USAGE && !copying_ends(); i++) {
		int rc = copy_entry(o, from, to, names.name[i]);

		worst = rc > worst ? rc : worst;
	}
	names_free(&names);
	return worst;
}

/* The owner needs all permissions until the entries are there. */
static int copy_directory(const struct options *o, const struct place *from, const struct stat *st,
			  const struct place *to, bool exists)
{
	struct stat made = *st;
	int rc, error = exists ? 0 : place_mkdir(to, (st->st_mode & 01777) | 0700);

	if (error < 0)
		return complain_target(to, error);
	if (o->verbose && !exists)
		tell_copied(from, to, NULL);
	rc = copy_entries(o, from, to);
	if (!o->preserve && (exists || (st->st_mode & ~creation_mask() & 0700) == 0700))
		return rc;
	if (!o->preserve)
		made.st_mode = st->st_mode & 01777 & ~creation_mask();
	error = place_set(to, &made, o->preserve);
	return error < 0 ? complain_at(to, error) : rc;
}

/* Whether `to`, which need not be there, is below the directory that `st` describes. */
static bool is_below(const struct place *to, const struct place *from, const struct stat *st)
{
	struct place at = {to->pool, parent_path(to->path)};
	struct stat before = {0}, now;
	bool below = false;

	while (at.path && !below && to->pool == from->pool && place_stat(&at, true, &now) == 0 &&
	       !place_same(&at, &now, &at, &before)) {
		struct place up;

		below = place_same(&at, &now, from, st);
		before = now;
		if (!place_child(&at, "..", &up))
			break;
		free(at.path);
		at = up;
	}
	free(at.path);
	return below;
}

/* ---- symbolic links -------------------------------------------------------------------------------- */

static int copy_link(const struct options *o, const struct place *from, const struct stat *st,
		     const struct place *to, bool exists)
{
	char *target;
	int error = place_readlink(from, &target);

	if (error < 0)
		return complain_at(from, error);
	if (exists)
		error = place_unlink(to);
	if (error == 0)
		error = place_symlink(to, target);
	if (error == 0 && o->preserve)
		error = place_set(to, st, true);
	free(target);
	if (error < 0)
		return complain_target(to, error);
	if (o->verbose)
		tell_copied(from, to, NULL);
	return EXIT_FINE;
}

/* Where the symbolic links at `place`, in a pool, lead: *end is malloced. */
static int follow_links(const struct place *place, struct place *end)
{
	int error = 0;

	*end = (struct place){place->pool, strdup(place->path)};
	for (unsigned i = 0; error == 0 && end->path && i < 40; i++) {
		char *target, *directory;

		if (place_readlink(end, &target) < 0)
			return EXIT_FINE;
		directory = parent_path(end->path);
		free(end->path);
		end->path = target;
		if (*target != '/' &&
		    (!directory || asprintf(&end->path, "%s/%s", directory, target) < 0))
			end->path = NULL;
		if (end->path != target)
			free(target);
		free(directory);
	}
	free(end->path);
	return complain("%s: no memory, or too many symbolic links", place->path);
}

/* ---- hard links ------------------------------------------------------------------------------------ */

/* A file with several names that was copied with --archive: its next name becomes another name of the copy. */
struct copied {
	pf_pool *from_pool;
	dev_t device;
	ino_t inode;
	struct place copy;
};

static void *copied_files;

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

static int compare_copied(const void *a, const void *b)
{
	const struct copied *x = a, *y = b;
	int order = COMPARE((uintptr_t)x->from_pool, (uintptr_t)y->from_pool);

	order = order ? order : COMPARE(x->device, y->device);
	return order ? order : COMPARE(x->inode, y->inode);
}

/* Of the file that `st` describes. An entry without a path: it has not been copied yet. NULL without memory. */
static struct copied *find_copied(const struct place *from, const struct stat *st)
{
	struct copied *new = calloc(1, sizeof *new), **found = NULL;

	if (new) {
		*new = (struct copied){from->pool, st->st_dev, st->st_ino, {0}};
		found = tsearch(new, &copied_files, compare_copied);
	}
	if (!found || *found != new)
		free(new);
	return found ? *found : NULL;
}

static void forget_copied(void *entry)
{
	struct copied *c = entry;

	free(c->copy.path);
	free(c);
}

static int link_to_copy(const struct options *o, const struct place *from, const struct place *copy,
			const struct place *to, bool exists)
{
	int error = exists ? place_unlink(to) : 0;

	if (error == 0)
		error = place_link(copy, to);
	if (error < 0)
		return complain_target(to, error);
	if (o->verbose)
		tell_copied(from, to, "another name of a file copied before");
	return EXIT_FINE;
}

/* ---- one of anything ------------------------------------------------------------------------------- */

static int copy_regular(const struct options *o, const struct place *from, const struct place *to,
			const struct stat *there)
{
	struct place end;
	int rc;

	if (!to->pool)
		return copy_file(o, from, to, there);
	if (there && pf_access(to->pool, to->path, W_OK) < 0) {
		if (!o->force)
			return complain_pf(to->path);
		there = NULL; /* the copy is another file */
	}
	rc = follow_links(to, &end);
	if (rc == EXIT_FINE) {
		rc = copy_file(o, from, &end, there);
		free(end.path);
	}
	return rc;
}

/* What is at the target stands in the way of this. */
static int refuse(const struct place *from, const struct stat *st, const struct place *to,
		  const struct stat *there)
{
	if (place_same(from, st, to, there))
		return complain("'%s' and '%s' are the same file", from->path, to->path);
	if (S_ISDIR(st->st_mode) && !S_ISDIR(there->st_mode))
		return complain("cannot overwrite non-directory '%s' with directory '%s'", to->path,
				from->path);
	if (!S_ISDIR(st->st_mode) && S_ISDIR(there->st_mode))
		return complain("cannot overwrite directory '%s' with non-directory", to->path);
	return EXIT_FINE;
}

static int copy_other(const struct options *o, const struct place *from, const struct stat *st,
		      const struct place *to, const struct stat *there)
{
	if (S_ISLNK(st->st_mode))
		return copy_link(o, from, st, to, there != NULL);
	if (S_ISREG(st->st_mode) || !o->recursive)
		return copy_regular(o, from, to, there);
	return complain("%s is a pipe, socket or device, which a pool cannot have", from->path);
}

static int copy_to(const struct options *o, const struct place *from, const struct stat *st,
		   const struct place *to, const struct stat *there)
{
	struct copied *copied = NULL;
	int rc;

	if (o->archive && !S_ISDIR(st->st_mode) && st->st_nlink > 1)
		copied = find_copied(from, st);
	if (copied && copied->copy.path && copied->copy.pool == to->pool)
		return link_to_copy(o, from, &copied->copy, to, there != NULL);
	rc = S_ISDIR(st->st_mode) ? copy_directory(o, from, st, to, there != NULL)
				  : copy_other(o, from, st, to, there);
	if (rc == EXIT_FINE && copied && !copied->copy.path)
		copied->copy = (struct place){to->pool, strdup(to->path)};
	if (rc == EXIT_FINE && o->archive && !S_ISLNK(st->st_mode))
		copy_xattrs(from, to);
	return rc;
}

static int copy_unless_refused(const struct options *o, const struct place *from,
			       const struct stat *st, const struct place *to)
{
	bool exists, follow = !S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode);
	struct stat there;
	int rc;

	exists = place_stat(to, follow, &there) == 0;
	if (!exists && follow && place_stat(to, false, &there) == 0 && S_ISLNK(there.st_mode))
		return complain("not writing through dangling symbolic link '%s'", to->path);
	if (exists && o->no_clobber && !S_ISDIR(st->st_mode))
		return EXIT_FINE;
	rc = exists ? refuse(from, st, to, &there) : EXIT_FINE;
	return rc == EXIT_FINE ? copy_to(o, from, st, to, exists ? &there : NULL) : rc;
}

/* What the progress counts a file as. */
static uint64_t bytes_of(const struct stat *st)
{
	return S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
}

/* Nothing to copy: is there a symbolic link that leads nowhere? */
static int complain_source(const struct place *from, int error)
{
	struct stat st;
	char *target;

	if (error != -ENOENT || place_readlink(from, &target) < 0) {
		error = place_stat(from, true, &st);
		/* It has come meanwhile, and then what was said last is not why. */
		return error < 0 ? complain_at(from, error)
				 : complain("%s: %s", from->path, pf_strerror(PF_ENOFILE));
	}
	complain("'%s' is a symbolic link to '%s', which is not there; -r copies the link itself",
		 from->path, target);
	free(target);
	return EXIT_FAILED;
}

static int copy(const struct options *o, const struct place *from, const struct place *to)
{
	struct stat st;
	int error = place_stat(from, !o->recursive, &st), rc;

	if (error < 0)
		return complain_source(from, error);
	if (S_ISDIR(st.st_mode) && !o->recursive)
		return complain("%s is a directory; -r copies it with what is in it", from->path);
	rc = copy_unless_refused(o, from, &st, to);
	if (!S_ISDIR(st.st_mode))
		progress_file(bytes_of(&st));
	return rc;
}

/* ---- how much it is -------------------------------------------------------------------------------- */

static struct sources {
	const struct options *options;
	struct matches found;
} sources;

static bool add_up(const struct place *place, struct progress_sum *sum);

static bool add_up_entries(const struct place *directory, struct progress_sum *sum)
{
	struct names names;
	struct place place;
	bool fine = true;

	place_names(directory, &names);
	for (size_t i = 0; fine && i < names.count; i++) {
		fine = place_child(directory, names.name[i], &place) && add_up(&place, sum);
		free(place.path);
	}
	names_free(&names);
	return fine;
}

/* What cannot be looked at will be complained of when it is to be copied. */
static bool add_up(const struct place *place, struct progress_sum *sum)
{
	bool recursive = sources.options->recursive;
	struct stat st;

	if (place_stat(place, !recursive, &st) < 0)
		return true;
	if (S_ISDIR(st.st_mode))
		return !recursive || add_up_entries(place, sum);
	sum->files++;
	sum->bytes += bytes_of(&st);
	/* A pipe or device has as much as it will have had. */
	return (recursive || S_ISREG(st.st_mode)) && progress_counting();
}

static bool add_up_all(struct progress_sum *sum)
{
	bool fine = true;

	for (size_t i = 0; fine && i < sources.found.count; i++)
		fine = add_up(&sources.found.match[i].place, sum);
	return fine;
}

/* ---- operands -------------------------------------------------------------------------------------- */

/* `to` is the target itself. */
static int copy_operand(const struct options *o, const struct place *from, const struct place *to)
{
	size_t n = strlen(to->path);
	struct stat st;

	if (place_stat(from, !o->recursive, &st) == 0) {
		if (S_ISDIR(st.st_mode) && o->recursive && is_below(to, from, &st))
			return complain("cannot copy a directory, '%s', into itself, '%s'",
					from->path, to->path);
		if (!S_ISDIR(st.st_mode) && n > 1 && to->path[n - 1] == '/')
			return complain("'%s' is no directory; 'pinfold mkdir' makes one in a pool",
					to->path);
	}
	return copy(o, from, to);
}

/* Names that files of this command have got in the target: another file does not take the place of one, of which nothing would be left. */
static void *names_given;

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* False: another source has it. Without memory nobody is told of. */
static bool give_name(const struct options *o, const struct place *from, const char *name)
{
	struct stat st;
	char *own, **found;

	if (place_stat(from, !o->recursive, &st) < 0 || S_ISDIR(st.st_mode))
		return true;
	own = strdup(name);
	found = own ? tsearch(own, &names_given, compare_names) : NULL;
	if (!found || *found == own)
		return true;
	free(own);
	return false;
}

static int copy_into(const struct options *o, const struct place *from, const struct place *to)
{
	char *name = last_component(from->path);
	struct place inside;
	int rc = EXIT_FAILED;

	if (!name)
		return complain("no memory");
	if (!strcmp(name, ".")) {
		rc = copy_operand(o, from, to);
	} else if (!give_name(o, from, name)) {
		rc = complain("'%s' is not copied: another source was copied to '%s' just before",
			      from->path, name);
	} else if (place_child(to, name, &inside)) {
		rc = copy_operand(o, from, &inside);
		free(inside.path);
	}
	free(name);
	return rc;
}

static int copy_sources(const struct options *o, const struct place *to)
{
	bool inside = !o->no_target_directory && place_is_directory(to);
	int worst = EXIT_FINE;

	if (sources.found.count > 1 && !inside)
		return complain("several files go to a directory, and '%s' is none", to->path);
	catch_interruptions();
	progress_begin((enum progress_when)o->progress, add_up_all);
	for (size_t i = 0; i < sources.found.count && !copying_ends(); i++) {
		int rc = (inside ? copy_into : copy_operand)(o, &sources.found.match[i].place, to);

		worst = rc > worst ? rc : worst;
	}
	progress_end();
	tdestroy(copied_files, forget_copied);
	tdestroy(names_given, free);
	return copying_ended(worst);
}

/* All are found before the first is copied: how much they are is asked while they are being copied. */
static int find_sources(char **operands, int count, const struct place *to)
{
	int rc = glob_operands(operands, count, OPERAND_FILES, place_any, &sources.found);

	for (size_t i = 0; i < sources.found.count && rc == EXIT_FINE && !to->pool; i++)
		if (!sources.found.match[i].place.pool)
			rc = complain_usage("neither '%s' nor '%s' is POOL:/path%s",
					    sources.found.match[i].place.path, to->path,
					    hint_operand(to->path));
	return rc;
}

static int run_cp(const struct options *given, char **operands, int count)
{
	struct options o = *given;
	struct place to;
	int rc;

	for (int i = 0; i < count; i++)
		if (!*operands[i])
			return complain_usage("an operand is empty");
	rc = place_any(operands[count - 1], &to);
	if (rc != EXIT_FINE)
		return rc;
	o.recursive |= o.archive;
	o.preserve |= o.archive;
	sources.options = &o;
	rc = find_sources(operands, count - 1, &to);
	if (rc == EXIT_FINE)
		rc = copy_sources(&o, &to);
	matches_free(&sources.found);
	return rc;
}

const struct command cmd_cp = {
	"cp",
	"recursive:rR preserve:p archive:a no-clobber:n no-target-directory:T cp.force:f verbose:v way progress",
	2,
	-1,
	run_cp,
	"copies files and directories into a pool, out of it, or within\n"
	"usage: pinfold cp [-r] [-p] [-a] [-n] [-f] [-T] [-v] [--progress WHEN] [--way WAY] FILE... POOL:/path\n"
	"       pinfold cp [-r] [-p] [-a] [-n] [-f] [-T] [-v] [--progress WHEN] POOL:/path... FILE-OR-DIRECTORY\n"
	"As cp(1): a directory that is there receives the copy inside it; -r copies symbolic links as links. In a pool a file\n"
	"appears under its name when it is whole; one that was there is replaced in one step.\n"
	"Files that are not in the page cache come in by io_uring, from disk straight into pinned pages; -v says for each file whether. --way asks for one way:\n"
	"disk (past the page cache), cached (from it), copy (through a buffer); what the source does not allow is copied.\n"
	"A local path with ':/' in it is written with './' in front.\n"
	"Example: pinfold cp -r models /dev/shm/pool:/"};

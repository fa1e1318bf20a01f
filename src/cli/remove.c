/* mkdir, rmdir, rm. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/glob.h"

/* ---- mkdir ----------------------------------------------------------------------------------------- */

/* A directory on the way: it may be there, and the owner needs to get on. */
static int make_parent(const struct place *place)
{
	if (place_is_directory(place) || place_mkdir(place, 0777) == 0)
		return EXIT_FINE;
	return place_is_directory(place) ? EXIT_FINE : complain_at(place, -EEXIST);
}

/* Those of the path's directories that are not there, from the root on. */
static int make_parents(const struct place *place)
{
	int rc = EXIT_FINE;

	for (char *c = place->path; rc == EXIT_FINE && *c; c++)
		if (*c == '/' && c != place->path && c[strspn(c, "/")]) {
			*c = 0;
			rc = make_parent(place);
			*c = '/';
		}
	return rc;
}

/* Set-ids, which a new directory does not get. */
static int set_mode(const struct place *place, uint32_t mode)
{
	struct pf_setattr set = {.set = PF_SET_MODE, .mode = mode};
	pf_file *directory;
	int rc = pf_open(place->pool, place->path, PF_O_PATH | PF_O_NOFOLLOW, 0, &directory);

	if (rc == 0) {
		rc = pf_setattr(directory, &set);
		pf_close(directory);
	}
	return rc;
}

static int mkdir_one(const struct options *o, const struct place *place)
{
	uint32_t mode = 0777;
	int rc = o->parents ? make_parents(place) : EXIT_FINE;

	if (rc != EXIT_FINE || (o->parents && place_is_directory(place)))
		return rc;
	if (o->mode)
		parse_mode(o->mode, 0777 & ~creation_mask(), &mode);
	else
		mode &= ~creation_mask();
	rc = pf_mkdir(place->pool, place->path, mode);
	if (rc == 0 && mode & 06000)
		rc = set_mode(place, mode);
	if (rc == -PF_EFILEEXISTS && o->parents && place_is_directory(place))
		return EXIT_FINE;
	return rc < 0 ? complain_pf(place->path) : EXIT_FINE;
}

static int run_mkdir(const struct options *o, char **operands, int count)
{
	return for_operands(o, operands, count, OPERAND_NAME, mkdir_one);
}

const struct command cmd_mkdir = {"mkdir",
				  "parents:p mode:m",
				  1,
				  -1,
				  run_mkdir,
				  "makes directories\n"
				  "usage: pinfold mkdir POOL:/path... [-p] [-m MODE]\n"
				  "Example: pinfold mkdir -p /dev/shm/pool:/models/v2"};

/* ---- rmdir ----------------------------------------------------------------------------------------- */

static int rmdir_one(const struct options *o, const struct place *place)
{
	(void)o;
	return pf_rmdir(place->pool, place->path) < 0 ? complain_pf(place->path) : EXIT_FINE;
}

static int run_rmdir(const struct options *o, char **operands, int count)
{
	return for_operands(o, operands, count, OPERAND_FILES, rmdir_one);
}

const struct command cmd_rmdir = {"rmdir",
				  "",
				  1,
				  -1,
				  run_rmdir,
				  "removes empty directories\n"
				  "usage: pinfold rmdir POOL:/path...\n"
				  "Example: pinfold rmdir /dev/shm/pool:/models/v1"};

/* ---- rm -------------------------------------------------------------------------------------------- */

static int remove_tree(const struct options *o, const struct place *place, bool found);

static int remove_entry(const void *options, const struct place *place)
{
	return remove_tree(options, place, true);
}

/* A file, or a directory after what is in it. What was found in a directory may be gone by now: others remove things, too. */
static int remove_tree(const struct options *o, const struct place *place, bool found)
{
	int rc = pf_unlink(place->pool, place->path);

	if (rc == -PF_EISDIR && !o->recursive)
		return complain("%s is a directory; -r removes it with what is in it", place->path);
	if (rc == -PF_EISDIR) {
		if (place_each(place, remove_entry, o) != EXIT_FINE)
			return EXIT_FAILED;
		rc = pf_rmdir(place->pool, place->path);
	}
	if (rc < 0 && (o->force || found) && (pf_errno(rc) == ENOENT || pf_errno(rc) == ENOTDIR))
		return EXIT_FINE;
	return rc < 0 ? complain_pf(place->path) : EXIT_FINE;
}

static int rm_one(const struct options *o, const struct match *m)
{
	char *name = last_component(m->place.path);
	bool whole = name && !strcmp(name, ".");

	free(name);
	if (whole)
		return complain("'%s' is not removed: it is the root, '.' or '..'", m->place.path);
	return remove_tree(o, &m->place, m->found);
}

static int run_rm(const struct options *o, char **operands, int count)
{
	struct matches m;
	int worst;

	if (!count && !o->force)
		return refuse_operands(operands, count);
	worst = glob_operands(operands, count, o->force ? OPERAND_EITHER : OPERAND_FILES,
			      place_in_pool, &m);
	for (size_t i = 0; i < m.count; i++)
		if (rm_one(o, &m.match[i]) != EXIT_FINE)
			worst = EXIT_FAILED;
	matches_free(&m);
	return worst;
}

const struct command cmd_rm = {
	"rm",
	"recursive:rR rm.force:f",
	0,
	-1,
	run_rm,
	"removes files, and directories with -r; who holds their pages keeps them until it gives them back\n"
	"usage: pinfold rm POOL:/path... [-r] [-f]\n"
	"Example: pinfold rm -r /dev/shm/pool:/models/old"};

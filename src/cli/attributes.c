/* chmod, chown, touch, attr. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/glob.h"

/* ---- over trees ------------------------------------------------------------------------------------ */

/* What to set of a file that has these attributes; false: nothing. */
typedef bool (*wanted)(const void *arg, const struct pf_stat *stat, struct pf_setattr *attr);

struct setting {
	wanted what;
	const void *arg;
	bool recursive;
};

static int set_tree(const struct setting *s, const struct place *place, unsigned flags);

static int set_entry(const void *setting, const struct place *place)
{
	return set_tree(setting, place, PF_O_NOFOLLOW);
}

/* A directory before what is in it, as chmod(1) does: one that loses its permissions keeps what is in it. `flags`: PF_O_NOFOLLOW or 0. */
static int set_tree(const struct setting *s, const struct place *place, unsigned flags)
{
	struct pf_setattr attr = {0};
	struct pf_stat stat;
	pf_file *file;
	int rc = pf_open(place->pool, place->path, PF_O_PATH | flags, 0, &file);

	if (rc < 0)
		return complain_pf(place->path);
	rc = pf_stat(file, &stat);
	if (rc == 0 && s->what(s->arg, &stat, &attr))
		rc = pf_setattr(file, &attr);
	rc = rc < 0 ? complain_pf(place->path) : EXIT_FINE;
	pf_close(file);
	if (rc == EXIT_FINE && s->recursive && S_ISDIR(stat.mode))
		rc = place_each(place, set_entry, s);
	return rc;
}

static int set_operands(const struct setting *s, char **operands, int count, unsigned flags)
{
	struct matches m;
	int worst = glob_operands(operands, count, OPERAND_FILES, place_in_pool, &m);

	for (size_t i = 0; i < m.count; i++)
		if (set_tree(s, &m.match[i].place, flags) != EXIT_FINE)
			worst = EXIT_FAILED;
	matches_free(&m);
	return worst;
}

/* ---- chmod, chown ---------------------------------------------------------------------------------- */

/* A symbolic link has no mode of its own. */
static bool wanted_mode(const void *arg, const struct pf_stat *stat, struct pf_setattr *attr)
{
	attr->set = PF_SET_MODE;
	return !S_ISLNK(stat->mode) && parse_mode(arg, stat->mode, &attr->mode);
}

static int run_chmod(const struct options *o, char **operands, int count)
{
	struct setting s = {wanted_mode, operands[0], o->recursive};
	uint32_t mode;

	if (!parse_mode(operands[0], 0, &mode))
		return complain_usage("'%s' is not a mode", operands[0]);
	return set_operands(&s, operands + 1, count - 1, 0);
}

const struct command cmd_chmod =
	{"chmod",
	 "recursive:R",
	 2,
	 -1,
	 run_chmod,
	 "sets modes\n"
	 "usage: pinfold chmod MODE POOL:/path... [-R]\n"
	 "MODE as in chmod(1): 0644, u+x, go=rX. One that begins with '-' is written behind '--'.\n"
	 "Example: pinfold chmod -R go-w /dev/shm/pool:/models"};

static bool wanted_owner(const void *arg, const struct pf_stat *stat, struct pf_setattr *attr)
{
	(void)stat;
	*attr = *(const struct pf_setattr *)arg;
	return attr->set != 0;
}

static int run_chown(const struct options *o, char **operands, int count)
{
	struct pf_setattr attr = {0};
	struct setting s = {wanted_owner, &attr, o->recursive};

	if (!parse_owner(operands[0], &attr.uid, &attr.gid))
		return EXIT_USAGE;
	attr.set = (attr.uid == UINT32_MAX ? 0 : PF_SET_UID) |
		   (attr.gid == UINT32_MAX ? 0 : PF_SET_GID);
	return set_operands(&s, operands + 1, count - 1, o->no_dereference ? PF_O_NOFOLLOW : 0);
}

const struct command cmd_chown =
	{"chown",
	 "recursive:R no-dereference:h",
	 2,
	 -1,
	 run_chown,
	 "sets owners and groups\n"
	 "usage: pinfold chown [OWNER][:[GROUP]] POOL:/path... [-R] [-h]\n"
	 "Example: pinfold chown -R $(id -un):$(id -gn) /dev/shm/pool:/models"};

/* ---- touch ----------------------------------------------------------------------------------------- */

static bool wanted_times(const void *arg, const struct pf_stat *stat, struct pf_setattr *attr)
{
	const struct options *o = arg;
	bool both = o->only_atime == o->only_mtime;

	(void)stat;
	attr->set = (both || o->only_atime ? PF_SET_ATIME : 0) |
		    (both || o->only_mtime ? PF_SET_MTIME : 0);
	attr->atime_ns = attr->mtime_ns = o->has_date ? o->date_ns : PF_NOW;
	return true;
}

static int touch_one(const struct options *o, const struct place *place)
{
	struct setting s = {wanted_times, o, false};
	struct stat st;
	pf_file *file;

	if (place_stat(place, true, &st) == -ENOENT) {
		if (o->no_create)
			return EXIT_FINE;
		if (pf_open(place->pool, place->path, PF_O_RDWR | PF_O_CREATE,
			    0666 & ~creation_mask(), &file) < 0)
			return complain_pf(place->path);
		pf_close(file);
		if (!o->has_date)
			return EXIT_FINE;
	}
	return set_tree(&s, place, 0);
}

static int run_touch(const struct options *o, char **operands, int count)
{
	return for_operands(o, operands, count, OPERAND_EITHER, touch_one);
}

const struct command cmd_touch = {"touch",
				  "no-create:c atime:a mtime:m date:d",
				  1,
				  -1,
				  run_touch,
				  "sets times to now, or makes empty files\n"
				  "usage: pinfold touch POOL:/path... [-c] [-a] [-m] [-d TIME]\n"
				  "Example: pinfold touch /dev/shm/pool:/ready"};

/* ---- attr ------------------------------------------------------------------------------------------ */

/* What pf_getxattr() or pf_listxattr() has, malloced with a NUL behind it; NULL: it failed. */
static char *fetch(pf_file *file, const char *name, size_t *size)
{
	enum { MOST = 4096 };
	char *bytes = malloc(MOST + 1);
	ssize_t n;

	if (!bytes)
		return NULL;
	n = name ? pf_getxattr(file, name, bytes, MOST) : pf_listxattr(file, bytes, MOST);
	if (n < 0) {
		free(bytes);
		return NULL;
	}
	bytes[n] = 0;
	*size = (size_t)n;
	return bytes;
}

static int complain_attr(const char *path, const char *name)
{
	if (strncmp(name, "user.", 5) && strncmp(name, "security.", 9))
		return complain(
			"%s: %s is no name for an attribute: one begins with 'user.' or 'security.'",
			path, name);
	return strstr(pf_message(), strerror(ENODATA))
		       ? complain("%s has no attribute %s; 'pinfold attr list' has all", path, name)
		       : complain_pf(path);
}

static int attr_get(const struct options *o, pf_file *file, const char *path, char **words)
{
	size_t size;
	char *value = fetch(file, words[0], &size);

	if (!value)
		return complain_attr(path, words[0]);
	if (o->json) {
		json_t *text = json_text(value);

		free(value);
		return print_json(json_pack("{s:i, s:o, s:o}", "schema", 1, "name",
					    json_text(words[0]), "value", text));
	}
	fwrite(value, 1, size, stdout);
	free(value);
	return finish_output();
}

static int attr_set(const struct options *o, pf_file *file, const char *path, char **words)
{
	(void)o;
	return pf_setxattr(file, words[0], words[1], strlen(words[1]), 0) < 0
		       ? complain_attr(path, words[0])
		       : EXIT_FINE;
}

static int attr_remove(const struct options *o, pf_file *file, const char *path, char **words)
{
	(void)o;
	return pf_removexattr(file, words[0]) < 0 ? complain_attr(path, words[0]) : EXIT_FINE;
}

static int attr_list(const struct options *o, pf_file *file, const char *path, char **words)
{
	json_t *attributes = o->json ? json_object() : NULL;
	size_t size, length;
	char *names = fetch(file, NULL, &size);

	(void)words;
	if (!names) {
		json_decref(attributes);
		return complain_pf(path);
	}
	for (const char *name = names; name < names + size; name += strlen(name) + 1) {
		char *value = fetch(file, name, &length);

		if (value && attributes)
			json_object_set_new(attributes, name, json_text(value));
		else if (value)
			printf("%s=%s\n", name, printable(value));
		free(value);
	}
	free(names);
	return attributes
		       ? print_json(json_pack("{s:i, s:o}", "schema", 1, "attributes", attributes))
		       : finish_output();
}

static int change_flags(pf_file *file, const char *path, const char *name, bool on)
{
	struct pf_setattr attr = {.set = PF_SET_FLAGS};
	struct pf_stat stat;
	uint32_t flag = !strcmp(name, "immutable") ? PF_FLAG_IMMUTABLE
			: !strcmp(name, "append")  ? PF_FLAG_APPEND
						   : 0;

	if (!flag)
		return complain_usage("'%s' is not a flag: immutable, append", name);
	if (pf_stat(file, &stat) < 0)
		return complain_pf(path);
	attr.flags = on ? stat.flags | flag : stat.flags & ~flag;
	return pf_setattr(file, &attr) < 0 ? complain_pf(path) : EXIT_FINE;
}

static int attr_flag(const struct options *o, pf_file *file, const char *path, char **words)
{
	(void)o;
	return change_flags(file, path, words[0], true);
}

static int attr_unflag(const struct options *o, pf_file *file, const char *path, char **words)
{
	(void)o;
	return change_flags(file, path, words[0], false);
}

static const struct {
	const char *verb;
	int words; /* behind the path */
	unsigned flags;
	int (*run)(const struct options *o, pf_file *file, const char *path, char **words);
} verbs[] = {
	{"list", 0, PF_O_RDONLY, attr_list}, {"get", 1, PF_O_RDONLY, attr_get},
	{"set", 2, PF_O_RDONLY, attr_set},   {"remove", 1, PF_O_RDONLY, attr_remove},
	{"flag", 1, PF_O_PATH, attr_flag},   {"unflag", 1, PF_O_PATH, attr_unflag},
};

static int run_attr(const struct options *o, char **operands, int count)
{
	struct place place;
	pf_file *file;
	size_t i = 0;
	int rc;

	while (i < sizeof verbs / sizeof *verbs && strcmp(verbs[i].verb, operands[0]))
		i++;
	if (i == sizeof verbs / sizeof *verbs)
		return complain_usage("'%s' is none of list, get, set, remove, flag, unflag",
				      operands[0]);
	if (count != 2 + verbs[i].words)
		return complain_usage("%s: %s operands; see 'pinfold attr --help'", operands[0],
				      count < 2 + verbs[i].words ? "too few" : "too many");
	rc = glob_one_operand(operands[1], &place);
	if (rc != EXIT_FINE)
		return rc;
	if (pf_open(place.pool, place.path, verbs[i].flags, 0, &file) < 0) {
		rc = complain_pf(place.path);
	} else {
		rc = verbs[i].run(o, file, place.path, operands + 2);
		pf_close(file);
	}
	free(place.path);
	return rc;
}

const struct command cmd_attr = {
	"attr",
	"json",
	2,
	4,
	run_attr,
	"extended attributes, and the flags immutable and append\n"
	"usage: pinfold attr list POOL:/path [--json]\n"
	"       pinfold attr get POOL:/path NAME [--json]\n"
	"       pinfold attr set POOL:/path NAME VALUE\n"
	"       pinfold attr remove POOL:/path NAME\n"
	"       pinfold attr flag POOL:/path immutable|append\n"
	"       pinfold attr unflag POOL:/path immutable|append\n"
	"NAME begins with 'user.' or 'security.'. What is immutable does not change; what is append-only only grows.\n"
	"Example: pinfold attr set /dev/shm/pool:/model.bin user.version 17"};

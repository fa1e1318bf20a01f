/* ls, stat, readlink: what is there. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/glob.h"

static const char *type_name(uint32_t mode)
{
	return S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "link" : "file";
}

json_t *entry_json(const char *name, const struct pf_stat *s, const char *target)
{
	char mode[8];
	json_t *json;

	snprintf(mode, sizeof mode, "%04o", s->mode & 07777);
	json = json_pack("{s:o, s:s, s:I, s:I, s:I, s:s, s:s, s:i, s:i, s:i}", "name",
			 json_text(name), "type", type_name(s->mode), "inode", (json_int_t)s->inode,
			 "size", (json_int_t)s->size, "allocated", (json_int_t)s->allocated,
			 "mtime", timestamp(s->mtime_ns), "mode", mode, "uid", (int)s->uid, "gid",
			 (int)s->gid, "nlink", (int)s->nlink);
	if (target)
		json_object_set_new(json, "target", json_text(target));
	if (s->device)
		json_object_set_new(json, "device", json_integer((json_int_t)s->device));
	return json;
}

/* What a symbolic link says, malloced; NULL: it is none, or is gone by now. */
static char *target_of(const struct place *place, const struct pf_stat *s)
{
	char *target = NULL;

	if (S_ISLNK(s->mode))
		place_readlink(place, &target);
	return target;
}

/* ---- owners ---------------------------------------------------------------------------------------- */

/* A name or the number; each into its own buffer. The last one is remembered, as most files have the same. */
static const char *owner(uint32_t uid)
{
	static char text[64];
	static uint32_t last;
	const struct passwd *pw;

	if (*text && last == uid)
		return text;
	pw = getpwuid(uid);
	snprintf(text, sizeof text, "%u", uid);
	if (pw)
		snprintf(text, sizeof text, "%s", pw->pw_name);
	last = uid;
	return text;
}

static const char *group(uint32_t gid)
{
	static char text[64];
	static uint32_t last;
	const struct group *gr;

	if (*text && last == gid)
		return text;
	gr = getgrgid(gid);
	snprintf(text, sizeof text, "%u", gid);
	if (gr)
		snprintf(text, sizeof text, "%s", gr->gr_name);
	last = gid;
	return text;
}

const char *mode_letters(uint32_t mode)
{
	static const char letters[] = "rwxrwxrwx";
	static char text[11];

	text[0] = S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : '-';
	for (unsigned i = 0; i < 9; i++)
		text[i + 1] = mode & 0400u >> i ? letters[i] : '-';
	if (mode & S_ISUID)
		text[3] = mode & 0100 ? 's' : 'S';
	if (mode & S_ISGID)
		text[6] = mode & 0010 ? 's' : 'S';
	if (mode & S_ISVTX)
		text[9] = mode & 0001 ? 't' : 'T';
	return text;
}

/* ---- ls -------------------------------------------------------------------------------------------- */

/* One run of ls: `root` is how many bytes of paths names in JSON do not have: those of an operand that is the only one, and no pattern. */
struct listing {
	const struct options *o;
	json_t *files;
	size_t root;
	bool several; /* operands: directories are shown with their paths */
	unsigned printed;
};

static void print_entry(const struct listing *l, const struct place *place, const char *name,
			const struct pf_stat *s)
{
	char *target = target_of(place, s);

	if (l->files) {
		const char *below = place->path + l->root;

		json_array_append_new(l->files,
				      entry_json(strlen(place->path) > l->root ? below : name, s,
						 target));
	} else {
		if (l->o->long_format)
			printf("%s %3u %-8s %-8s %12lu %12s  %s  ", mode_letters(s->mode), s->nlink,
			       owner(s->uid), group(s->gid), (unsigned long)s->size,
			       human(s->allocated), timestamp(s->mtime_ns));
		printf("%s%s", printable(name),
		       S_ISDIR(s->mode) && name[strlen(name) - 1] != '/' ? "/" : "");
		if (target && l->o->long_format)
			printf(" -> %s", printable(target));
		putchar('\n');
	}
	free(target);
}

static int list_directory(struct listing *l, const struct place *directory);

static bool is_shown(const struct listing *l, const char *name)
{
	return *name != '.' || l->o->all || l->o->json;
}

/* An entry that is gone since the directory was read is not shown. */
static void list_entry(struct listing *l, const struct place *place, const char *name)
{
	struct pf_stat s;

	if (pf_stat_path(place->pool, place->path, PF_O_NOFOLLOW, &s) == 0)
		print_entry(l, place, name, &s);
}

static int list_subdirectory(struct listing *l, const struct place *place)
{
	struct pf_stat s;

	if (pf_stat_path(place->pool, place->path, PF_O_NOFOLLOW, &s) < 0 || !S_ISDIR(s.mode))
		return EXIT_FINE;
	return list_directory(l, place);
}

/* First all entries, then what is in those that are directories, as "ls -R" does. */
static int list_names(struct listing *l, const struct place *directory, const struct names *names)
{
	int worst = EXIT_FINE;

	for (unsigned pass = 0; pass < (l->o->recursive ? 2u : 1u); pass++)
		for (size_t i = 0; i < names->count; i++) {
			struct place place;

			if (!is_shown(l, names->name[i]))
				continue;
			if (!place_child(directory, names->name[i], &place))
				return EXIT_FAILED;
			if (!pass)
				list_entry(l, &place, names->name[i]);
			else if (list_subdirectory(l, &place) != EXIT_FINE)
				worst = EXIT_FAILED;
			free(place.path);
		}
	return worst;
}

static int list_directory(struct listing *l, const struct place *directory)
{
	struct names names;
	int rc = place_names(directory, &names);

	if ((l->o->recursive || l->several) && !l->files)
		printf("%s%s:\n", l->printed++ ? "\n" : "", printable(directory->path));
	rc = rc < 0 ? complain_at(directory, rc) : EXIT_FINE;
	if (list_names(l, directory, &names) != EXIT_FINE)
		rc = EXIT_FAILED;
	names_free(&names);
	return rc;
}

/* A symbolic link to a directory is followed, if it need not be shown itself. */
static int stat_operand(const struct listing *l, const struct place *place, struct pf_stat *s)
{
	if (!l->o->itself && !l->o->long_format &&
	    pf_stat_path(place->pool, place->path, 0, s) == 0)
		return 0;
	return pf_stat_path(place->pool, place->path, PF_O_NOFOLLOW, s);
}

/* One that is to be listed as a directory, or as what it is itself: the others are passed over. */
static int list_operand(struct listing *l, const struct match *m, bool directories)
{
	const struct place *place = &m->place;
	size_t n = strlen(place->path);
	struct pf_stat s;
	int rc = stat_operand(l, place, &s);

	if (rc < 0)
		return directories || (m->found && pf_errno(rc) == ENOENT)
			       ? EXIT_FINE
			       : complain_pf(place->path);
	if (directories != (S_ISDIR(s.mode) && !l->o->itself))
		return EXIT_FINE;
	if (!l->several && !m->found)
		l->root = n && place->path[n - 1] == '/' ? n : n + 1;
	if (directories)
		return list_directory(l, place);
	print_entry(l, place, place->path, &s);
	l->printed++;
	return EXIT_FINE;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct match *)a)->place.path, ((const struct match *)b)->place.path);
}

/* First what is no directory, as ls(1) does; what fails has been told by then. */
static int list_operands(struct listing *l, const struct matches *m)
{
	int worst = EXIT_FINE;

	qsort(m->match, m->count, sizeof *m->match, by_path);
	for (unsigned pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < m->count; i++)
			if (list_operand(l, &m->match[i], pass) != EXIT_FINE)
				worst = EXIT_FAILED;
	return worst;
}

/* POOL alone is POOL:/ */
static int place_or_root(char *operand, struct place *place)
{
	static char root[] = "/";
	int rc = place_any(operand, place);

	if (rc == EXIT_FINE && !place->pool) {
		*place = (struct place){keep_pool(operand), root};
		rc = place->pool ? EXIT_FINE : EXIT_FAILED;
	}
	return rc;
}

static int run_ls(const struct options *o, char **operands, int count)
{
	struct listing l = {.o = o};
	struct matches m;
	int rc = glob_operands(operands, count, OPERAND_FILES, place_or_root, &m), printed;

	if (rc != EXIT_FINE)
		return rc;
	l.files = o->json ? json_array() : NULL;
	l.several = m.count > 1;
	rc = list_operands(&l, &m);
	matches_free(&m);
	if (rc != EXIT_FINE && l.files && !json_array_size(l.files)) {
		json_decref(l.files);
		return rc;
	}
	printed = o->json ? print_json(json_pack("{s:i, s:o}", "schema", 1, "files", l.files))
			  : finish_output();
	return printed > rc ? printed : rc;
}

const struct command cmd_ls = {
	"ls",
	"long:l recursive:R all:a directory:d json",
	1,
	-1,
	run_ls,
	"lists directories by name\n"
	"usage: pinfold ls POOL[:/path]... [-l] [-R] [-a] [-d] [--json]\n"
	"Directories have a '/' behind their names. --json has all names and, with -R, paths; of several\n"
	"operands and of patterns whole paths.\n"
	"Example: pinfold ls -l /dev/shm/pool:/models"};

/* ---- stat ------------------------------------------------------------------------------------------ */

static const char *precise(uint64_t ns)
{
	static char text[2][40];
	static unsigned next;
	char *to = text[next++ % 2];
	const char *seconds = timestamp(ns);

	snprintf(to, sizeof text[0], "%.*s.%09luZ", (int)strcspn(seconds, "Z"), seconds,
		 (unsigned long)(ns % 1000000000));
	return to;
}

static const char *flag_names(uint32_t flags)
{
	static const char *const names[] = {"none", "immutable", "append", "immutable, append"};

	return names[flags & 3];
}

static void print_stat(const char *path, const struct pf_stat *s, const char *target)
{
	printf("path         %s%s%s\n", printable(path), target ? " -> " : "",
	       target ? printable(target) : "");
	printf("type         %s, inode %lu, generation %lu, %u link%s\n", type_name(s->mode),
	       (unsigned long)s->inode, (unsigned long)s->generation, s->nlink,
	       s->nlink == 1 ? "" : "s");
	printf("size         %lu, %s in memory\n", (unsigned long)s->size, human(s->allocated));
	if (s->device)
		printf("device       aligned to %s\n", human(s->device));
	printf("mode         %04o, %s\n", s->mode & 07777, mode_letters(s->mode));
	printf("owner        %u %s, group %u %s\n", s->uid, owner(s->uid), s->gid, group(s->gid));
	printf("flags        %s\n", flag_names(s->flags));
	printf("accessed     %s\n", precise(s->atime_ns));
	printf("modified     %s\n", precise(s->mtime_ns));
	printf("changed      %s\n", precise(s->ctime_ns));
	printf("made         %s\n", precise(s->btime_ns));
}

static json_t *stat_json(const char *path, const struct pf_stat *s, const char *target)
{
	json_t *json = entry_json(path, s, target);

	json_object_set_new(json, "generation", json_integer((json_int_t)s->generation));
	json_object_set_new(json, "immutable", json_boolean(s->flags & PF_FLAG_IMMUTABLE));
	json_object_set_new(json, "append", json_boolean(s->flags & PF_FLAG_APPEND));
	json_object_set_new(json, "atime_ns", json_integer((json_int_t)s->atime_ns));
	json_object_set_new(json, "mtime_ns", json_integer((json_int_t)s->mtime_ns));
	json_object_set_new(json, "ctime_ns", json_integer((json_int_t)s->ctime_ns));
	json_object_set_new(json, "btime_ns", json_integer((json_int_t)s->btime_ns));
	return json;
}

static int stat_one(const struct options *o, const struct place *place, json_t *files)
{
	struct pf_stat s;
	char *target;

	if (pf_stat_path(place->pool, place->path, o->dereference ? 0 : PF_O_NOFOLLOW, &s) < 0)
		return complain_pf(place->path);
	target = target_of(place, &s);
	if (files)
		json_array_append_new(files, stat_json(place->path, &s, target));
	else
		print_stat(place->path, &s, target);
	free(target);
	return EXIT_FINE;
}

static int run_stat(const struct options *o, char **operands, int count)
{
	struct matches m;
	json_t *files;
	int worst = glob_operands(operands, count, OPERAND_FILES, place_in_pool, &m), rc;

	if (worst != EXIT_FINE)
		return worst;
	files = o->json ? json_array() : NULL;
	for (size_t i = 0; i < m.count; i++)
		if (stat_one(o, &m.match[i].place, files) != EXIT_FINE)
			worst = EXIT_FAILED;
	matches_free(&m);
	rc = files ? print_json(json_pack("{s:i, s:o}", "schema", 1, "files", files))
		   : finish_output();
	return rc > worst ? rc : worst;
}

const struct command cmd_stat = {"stat",
				 "dereference:L json",
				 1,
				 -1,
				 run_stat,
				 "shows all attributes of files\n"
				 "usage: pinfold stat POOL:/path... [-L] [--json]\n"
				 "Example: pinfold stat /dev/shm/pool:/model.bin"};

/* ---- readlink -------------------------------------------------------------------------------------- */

static int readlink_one(const struct options *o, const struct place *place)
{
	char *target;
	int error = place_readlink(place, &target);

	(void)o;
	if (error < 0)
		return complain_at(place, error);
	puts(target);
	free(target);
	return EXIT_FINE;
}

static int run_readlink(const struct options *o, char **operands, int count)
{
	int worst = for_operands(o, operands, count, OPERAND_FILES, readlink_one);
	int rc = finish_output();

	return rc > worst ? rc : worst;
}

const struct command cmd_readlink = {"readlink",
				     "",
				     1,
				     -1,
				     run_readlink,
				     "prints what symbolic links say\n"
				     "usage: pinfold readlink POOL:/path...\n"
				     "Example: pinfold readlink /dev/shm/pool:/current"};

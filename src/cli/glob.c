/*
 * Patterns in paths of pools, expanded as a POSIX shell in the C locale expands them.
 *
 * A pattern is cut into components with '*', '?' or '[', for each of which directories are read, and the names between them. One piece after
 * the other makes, of all paths found so far, those that go on: no recursion, and nothing is looked at but directories on the way and
 * whether a name at the end is there. fnmatch(3) matches one component, byte by byte. Paths that are too long, or lead through too many
 * symbolic links, are opened by nobody, which bounds the walk where links lead back.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/glob.h"

/* ---- text ------------------------------------------------------------------------------------------ */

bool glob_is_pattern(const char *path)
{
	return strpbrk(path, "*?[\\") != NULL;
}

/* Whether the first n bytes have something that a name cannot be compared with. */
static bool has_wildcard(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strchr("*?[", text[i]))
			return true;
		i += text[i] == '\\';
	}
	return false;
}

/* A backslash at the end quotes nothing and stays. */
static void remove_quotes(char *text)
{
	char *to = text;

	while (*text) {
		text += *text == '\\' && text[1];
		*to++ = *text++;
	}
	*to = 0;
}

/* How many bytes there are before the first component with a wildcard. */
static size_t length_of_names(const char *pattern)
{
	size_t n = 0;

	for (;;) {
		size_t component;

		n += strspn(pattern + n, "/");
		component = strcspn(pattern + n, "/");
		if (!component || has_wildcard(pattern + n, component))
			return n;
		n += component;
	}
}

/* One component as fnmatch() wants it, malloced: a backslash at its end quotes the slash, or at the end of everything itself. */
static char *component_of(const char *pattern, size_t n)
{
	size_t quotes = 0;
	char *text;

	while (quotes < n && pattern[n - 1 - quotes] == '\\')
		quotes++;
	if (quotes % 2 && pattern[n])
		n--;
	if (asprintf(&text, "%.*s%s", (int)n, pattern, quotes % 2 && !pattern[n] ? "\\" : "") < 0)
		return NULL;
	return text;
}

/* ---- the walk -------------------------------------------------------------------------------------- */

struct walk {
	pf_pool *pool;
	struct names paths; /* that the pieces so far have found */
	struct names next;  /* of those, with the piece at hand */
	char *refused;      /* the first directory that may not be read, and why */
};

/* What cannot be looked at does not match, as in a shell; what is wrong with the pool itself is told. */
static int pass_over(struct walk *w, const char *path, int rc)
{
	switch (pf_errno(rc)) {
	case EACCES:
		if (!w->refused && asprintf(&w->refused, "%s: %s", path, pf_message()) < 0)
			w->refused = NULL;
		return EXIT_FINE;
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case ENAMETOOLONG:
		return EXIT_FINE;
	default:
		return complain_pf(path);
	}
}

static int go_on(struct walk *w, const char *path, const char *name)
{
	char *longer;

	if (asprintf(&longer, "%s%s", path, name) < 0 || names_take(&w->next, longer) < 0)
		return complain("no memory");
	return EXIT_FINE;
}

/* `path` and `names` behind it, which at the end of the pattern have to be there. */
static int append(struct walk *w, const char *path, const char *names, bool at_end)
{
	size_t last = w->next.count;
	struct pf_stat stat;
	int rc = go_on(w, path, names), error;

	if (!at_end || rc != EXIT_FINE)
		return rc;
	error = pf_stat_path(w->pool, w->next.name[last], PF_O_NOFOLLOW, &stat);
	if (error < 0) {
		rc = pass_over(w, w->next.name[last], error);
		free(w->next.name[last]);
		w->next.count = last;
	}
	return rc;
}

/* A dot at the beginning is matched by a dot alone. (FNM_PERIOD of glibc refuses "x." for "*?[.]".) */
static bool matches(const char *component, const char *name)
{
	if (*name == '.' && component[*component == '\\'] != '.')
		return false;
	return fnmatch(component, name, 0) == 0;
}

/* The entries of the directory `path` that match; when the pattern goes on, only those that can have something below them. */
static int match(struct walk *w, const char *path, const char *component, bool at_end)
{
	struct pf_entry entry = {0};
	int rc = EXIT_FINE, error;
	pf_file *directory;

	error = pf_open(w->pool, path, PF_O_RDONLY | PF_O_DIRECTORY, 0, &directory);
	if (error < 0)
		return pass_over(w, path, error);
	while (rc == EXIT_FINE && (error = pf_readdir(directory, entry.cursor, &entry)) > 0)
		if ((at_end || !S_ISREG(entry.type)) && matches(component, entry.name))
			rc = go_on(w, path, entry.name);
	if (error < 0)
		rc = pass_over(w, path, error);
	pf_close(directory);
	return rc;
}

/* One piece more: `piece` is malloced, or there was no memory. */
static int step(struct walk *w, char *piece, bool at_end,
		int (*find)(struct walk *w, const char *path, const char *piece, bool at_end))
{
	int rc = piece ? EXIT_FINE : complain("no memory");

	for (size_t i = 0; i < w->paths.count && rc == EXIT_FINE; i++)
		rc = find(w, w->paths.name[i], piece, at_end);
	free(piece);
	names_free(&w->paths);
	w->paths = w->next;
	w->next = (struct names){0};
	return rc;
}

static int walk(struct walk *w, const char *pattern)
{
	int rc = names_take(&w->paths, strdup("")) < 0 ? complain("no memory") : EXIT_FINE;

	while (rc == EXIT_FINE && *pattern && w->paths.count) {
		size_t n = length_of_names(pattern);
		char *piece;

		if (n) {
			piece = strndup(pattern, n);
			if (piece)
				remove_quotes(piece);
			rc = step(w, piece, !pattern[n], append);
		} else {
			n = strcspn(pattern, "/");
			rc = step(w, component_of(pattern, n), !pattern[n], match);
		}
		pattern += n;
	}
	names_sort(&w->paths);
	return rc;
}

/* ---- matches --------------------------------------------------------------------------------------- */

void matches_free(struct matches *m)
{
	while (m->count)
		free(m->match[--m->count].place.path);
	free(m->match);
	m->match = NULL;
}

/* `path` is malloced, or there was no memory. */
static int add(struct matches *m, pf_pool *pool, char *path, bool found)
{
	size_t n = m->count;
	struct match *more = m->match;

	if (path && !(n & (n - 1)))
		more = realloc(m->match, (n ? 2 * n : 1) * sizeof *more);
	if (!path || !more) {
		free(path);
		return complain("no memory");
	}
	m->match = more;
	m->match[m->count++] = (struct match){{pool, path}, found};
	return EXIT_FINE;
}

static int add_unquoted(struct matches *m, const struct place *place)
{
	char *path = strdup(place->path);

	if (path)
		remove_quotes(path);
	return add(m, place->pool, path, false);
}

/* All that the walk has found, or, of nothing, what kind says. */
static int add_found(struct matches *m, const struct place *pattern, enum operand_kind kind,
		     struct walk *w)
{
	int rc = EXIT_FINE;

	for (size_t i = 0; i < w->paths.count && rc == EXIT_FINE; i++) {
		rc = add(m, w->pool, w->paths.name[i], true);
		w->paths.name[i] = NULL;
	}
	if (w->paths.count)
		return rc;
	if (kind == OPERAND_EITHER)
		return add_unquoted(m, pattern);
	return complain_no_match(pattern->path, w->refused);
}

/* Whether there is a file under this very name. One with a backslash in it has to be quoted: so that quotes mean the same wherever they are. */
static bool is_there(const struct place *place)
{
	struct pf_stat stat;

	return !strchr(place->path, '\\') &&
	       pf_stat_path(place->pool, place->path, PF_O_NOFOLLOW, &stat) == 0;
}

static int expand(const struct place *place, enum operand_kind kind, struct matches *m)
{
	struct walk w = {.pool = place->pool};
	int rc;

	if (!place->pool || kind == OPERAND_NAME || !glob_is_pattern(place->path) ||
	    is_there(place))
		return add(m, place->pool, strdup(place->path), false);
	if (!has_wildcard(place->path, strlen(place->path)))
		return add_unquoted(m, place);
	rc = walk(&w, place->path);
	if (rc == EXIT_FINE)
		rc = add_found(m, place, kind, &w);
	names_free(&w.paths);
	free(w.refused);
	return rc;
}

/* ---- operands -------------------------------------------------------------------------------------- */

int glob_operands(char **operands, int count, enum operand_kind kind,
		  int (*place_of)(char *operand, struct place *place), struct matches *matches)
{
	int rc = EXIT_FINE;

	*matches = (struct matches){0};
	for (int i = 0; i < count && rc == EXIT_FINE; i++) {
		struct place place;

		rc = place_of(operands[i], &place);
		if (rc == EXIT_FINE)
			rc = expand(&place, kind, matches);
	}
	if (rc != EXIT_FINE)
		matches_free(matches);
	return rc;
}

int glob_one(const struct place *pattern, struct place *one)
{
	struct matches m = {0};
	int rc = expand(pattern, OPERAND_FILES, &m);

	if (rc == EXIT_FINE && m.count > 1)
		rc = complain("'%s' matches %zu files, and one is wanted", pattern->path, m.count);
	if (rc == EXIT_FINE) {
		*one = m.match[0].place;
		m.count = 0;
	}
	matches_free(&m);
	return rc;
}

int glob_one_operand(char *operand, struct place *one)
{
	struct place pattern;
	int rc = place_in_pool(operand, &pattern);

	return rc == EXIT_FINE ? glob_one(&pattern, one) : rc;
}

int for_operands(const struct options *o, char **operands, int count, enum operand_kind kind,
		 int (*each)(const struct options *o, const struct place *place))
{
	struct matches m;
	int worst = glob_operands(operands, count, kind, place_in_pool, &m);

	for (size_t i = 0; i < m.count; i++) {
		int rc = each(o, &m.match[i].place);

		worst = rc > worst ? rc : worst;
	}
	matches_free(&m);
	return worst;
}

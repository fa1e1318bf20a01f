/* Paths and permissions of the model, see tree.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "tree_inner.h"

#define LINKS_MAX 40

/* ---- permissions --------------------------------------------------------------------------------------- */

bool tree_in_group(const struct pf_caller *who, uint32_t gid)
{
	for (size_t i = 0; i < who->group_count; i++)
		if (who->groups[i] == gid)
			return true;
	return who->gid == gid;
}

bool tree_owns(const struct pf_caller *who, const struct tree_node *node)
{
	return who->uid == 0 || who->uid == node->uid;
}

int tree_permit(const struct tree_node *node, const struct pf_caller *who, int want)
{
	unsigned bits;

	if (want & W_OK && node->flags & PF_FLAG_IMMUTABLE)
		return -EPERM;
	if (who->uid == 0)
		return want & X_OK && !S_ISDIR(node->mode) && !(node->mode & 0111) ? -EACCES : 0;
	if (who->uid == node->uid)
		bits = node->mode >> 6;
	else if (tree_in_group(who, node->gid))
		bits = node->mode >> 3;
	else
		bits = node->mode;
	return (unsigned)want & ~bits & 7 ? -EACCES : 0;
}

/* ---- paths ------------------------------------------------------------------------------------------------ */

struct tree_entry *tree_lookup(struct tree_node *dir, const char *name)
{
	for (unsigned i = 0; i < dir->count; i++)
		if (!strcmp(dir->entries[i].name, name))
			return &dir->entries[i];
	return NULL;
}

struct state {
	struct tree *t;
	const struct pf_caller *who;
	struct tree_walk *w;
	struct tree_node *at;
	char *rest; /* allocated */
	enum tree_follow follow;
	unsigned links;
};

static int follow_link(struct state *s, const struct tree_node *link, const char *after)
{
	size_t target = link->size, length = strlen(after);
	char *joined = malloc(target + length + 1);

	must(joined);
	s->t->joined = MAX(s->t->joined, target + length);
	if (++s->links > LINKS_MAX) {
		free(joined);
		return -ELOOP;
	}
	memcpy(joined, link->bytes, target);
	memcpy(joined + target, after, length + 1);
	free(s->rest);
	s->rest = joined;
	if (*joined == '/')
		s->at = s->t->root;
	return 0;
}

/* "." or "..". */
static void dots(struct state *s, size_t length, bool last)
{
	if (length == 2 && s->at->parent)
		s->at = s->at->parent;
	if (last) {
		s->w->last = length == 2 ? TREE_DOTDOT : TREE_DOT;
		s->w->node = s->w->dir = s->at;
	}
}

/* The first component of the rest. 1: it was the last. */
static int component(struct state *s)
{
	size_t length = strcspn(s->rest, "/"), slashes = strspn(s->rest + length, "/");
	const char *after = s->rest + length + slashes;
	struct tree_walk *w = s->w;
	struct tree_entry *entry;
	bool last = !*after;
	int rc;

	if (!S_ISDIR(s->at->mode))
		return -ENOTDIR;
	rc = tree_permit(s->at, s->who, X_OK);
	if (rc < 0)
		return rc;
	if (s->rest[0] == '.' && (length == 1 || (length == 2 && s->rest[1] == '.'))) {
		dots(s, length, last);
		memmove(s->rest, after, strlen(after) + 1);
		return last;
	}
	if (length > PF_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(w->name, s->rest, length);
	w->name[length] = 0;
	entry = tree_lookup(s->at, w->name);
	if (entry && S_ISLNK(entry->node->mode) &&
	    (!last || s->follow == TREE_FOLLOW || (slashes && s->follow != TREE_PARENT)))
		return follow_link(s, entry->node, s->rest + length);
	if (last) {
		w->last = TREE_NAME;
		w->dir = s->at;
		w->node = entry ? entry->node : NULL;
		w->slash = slashes;
		return 1;
	}
	if (!entry)
		return -ENOENT;
	s->at = entry->node;
	memmove(s->rest, after, strlen(after) + 1);
	return 0;
}

static int walk(struct state *s)
{
	int rc = 0;

	while (rc == 0) {
		size_t slashes = strspn(s->rest, "/");

		memmove(s->rest, s->rest + slashes, strlen(s->rest + slashes) + 1);
		if (!*s->rest) {
			s->w->last = TREE_ROOT;
			s->w->dir = s->w->node = s->at;
			return 0;
		}
		rc = component(s);
	}
	return rc < 0 ? rc : 0;
}

int tree_walk(struct tree *t, const struct pf_caller *who, const char *path,
	      enum tree_follow follow, struct tree_walk *w)
{
	struct state s = {.t = t, .who = who, .w = w, .at = t->root, .follow = follow};
	int rc;

	memset(w, 0, sizeof *w);
	if (!*path)
		return -ENOENT;
	if (strlen(path) > PF_PATH_MAX)
		return -ENAMETOOLONG;
	s.rest = strdup(path);
	must(s.rest);
	rc = walk(&s);
	free(s.rest);
	return rc;
}

int tree_find(struct tree *t, const struct pf_caller *who, const char *path,
	      enum tree_follow follow, struct tree_walk *w)
{
	int rc = tree_walk(t, who, path, follow, w);

	if (rc == 0 && !w->node)
		return -ENOENT;
	if (rc == 0 && w->slash && !S_ISDIR(w->node->mode))
		return -ENOTDIR;
	return rc;
}

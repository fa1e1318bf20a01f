/* Extended attributes from one place to another. */
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "cli/copy.h"

enum { MOST = 64 << 10 }; /* bytes of names, and of one value, that the host may have */

/* A place whose extended attributes are looked at: `file` in a pool. */
struct holder {
	const struct place *place;
	pf_file *file;
};

static bool hold(struct holder *h, const struct place *place)
{
	*h = (struct holder){.place = place};
	return !place->pool || pf_open(place->pool, place->path, PF_O_RDONLY, 0, &h->file) == 0;
}

static ssize_t list_names(const struct holder *h, char *names)
{
	return h->file ? pf_listxattr(h->file, names, MOST)
		       : listxattr(h->place->path, names, MOST);
}

static ssize_t get(const struct holder *h, const char *name, char *value)
{
	return h->file ? pf_getxattr(h->file, name, value, MOST)
		       : getxattr(h->place->path, name, value, MOST);
}

static void set(const struct holder *h, const char *name, const char *value, size_t size)
{
	if (h->file)
		pf_setxattr(h->file, name, value, size, 0);
	else
		setxattr(h->place->path, name, value, size, 0);
}

static void copy_between(const struct holder *from, const struct holder *to, char *names,
			 char *value)
{
	ssize_t length = list_names(from, names);

	for (const char *name = names; name < names + length; name += strlen(name) + 1) {
		ssize_t size = strncmp(name, "user.", 5) ? -1 : get(from, name, value);

		if (size >= 0)
			set(to, name, value, (size_t)size);
	}
}

void copy_xattrs(const struct place *from, const struct place *to)
{
	char *buffer = malloc(2 * MOST);
	struct holder a, b;

	if (buffer && hold(&a, from)) {
		if (hold(&b, to)) {
			copy_between(&a, &b, buffer, buffer + MOST);
			pf_close(b.file);
		}
		pf_close(a.file);
	}
	free(buffer);
}

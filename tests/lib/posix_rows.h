/* The rows of posix_table.c, and the differences that are meant. */
#ifndef TEST_POSIX_ROWS_H
#define TEST_POSIX_ROWS_H

#include <stdbool.h>

struct posix_row {
	const char *name, *script;
	const char *lists[3]; /* "one|two": what $A, $B, $C are */
	const char *user;     /* NULL: root, and a unless the script says "as" itself */
};
/* Both end with one without a name. */
extern const struct posix_row posix_rows[];

struct posix_known {
	const char *fs;          /* "library", "mount", "*" */
	const char *step;        /* "rename *exchange": begins so, and has that */
	const char *host, *ours; /* the errno or "ok" */
	const char *script;      /* if it is only in scripts with this text, or NULL */
	bool maybe;              /* not on every host */
	const char *why;
	unsigned seen;
};
extern struct posix_known posix_knowns[];

#endif

/* The rows of window_table.h, and the differences that are meant. */
#ifndef TEST_WINDOW_ROWS_H
#define TEST_WINDOW_ROWS_H

#include <stdbool.h>

struct window_row {
	const char *name, *script;
	bool small; /* for pages of 4 KiB alone: it is about parts of 2 MiB */
};
/* What mappings do; and what a kernel was seen to do, by the rows of its tables. Both end with one without a name. */
extern const struct window_row window_rows[], window_oracle_rows[];

struct window_known {
	const char *
		fs; /* "pool", "tmpfs", ...; "host": all of the host's; "pools": all pools; "huge": both that have huge pages */
	const char *step;     /* "write *": begins so */
	const char *expected; /* "*": whatever */
	const char *got;
	const char *row; /* in this one alone, or NULL */
	bool maybe;      /* not on every host */
	const char *why;
	unsigned seen;
};
/* Of each table. The last has no fs. */
extern struct window_known window_knowns[], window_oracle_knowns[];

#endif

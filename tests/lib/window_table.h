/* Scripts of windows (window.h) with what each step must give: the same on windows of a pool and on the host's own mappings. */
#ifndef TEST_WINDOW_TABLE_H
#define TEST_WINDOW_TABLE_H

#include "window_rows.h"

/* A step "show 0 2 = f0 BUS" must give that, any other "ok". Every difference must be in `knowns`, and what follows one is not looked at; each of `knowns` must be
 * seen. */
void window_table(const struct window_row *rows, struct window_known *knowns);

#endif

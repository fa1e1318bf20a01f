/* How far a long operation has come, for whoever asked to be told (pf_on_progress). */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdint.h>

/* Tells it, unless it was told within the last tenth of a second: cheap enough to be called a million times a second when nobody asked, and a thousand times when somebody
 * did. `what` is valid for ever. */
void progress(const char *what, uint64_t done, uint64_t total);

#endif

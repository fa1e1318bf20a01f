/* Progress, see progress.h. */
#include "base/progress.h"

#include <stddef.h>

#include "base/clock.h"
#include "pinfold.h"

#define INTERVAL 100000000u /* ns between reports */

static void (*hook)(void *arg, const char *what, uint64_t done, uint64_t total);
static void *hook_arg;
static _Thread_local uint64_t last; /* when this thread reported */

void pf_on_progress(void (*report)(void *arg, const char *what, uint64_t done, uint64_t total),
		    void *arg)
{
	hook = report;
	hook_arg = arg;
}

void progress(const char *what, uint64_t done, uint64_t total)
{
	uint64_t now;

	if (!hook)
		return;
	now = clock_mono();
	if (now - last < INTERVAL)
		return;
	last = now;
	hook(hook_arg, what, done, total);
}

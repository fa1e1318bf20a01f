/*
 * Other people's MMUs run page tables of ours: thousands of random address spaces in each mode of each machine, and each access ends as
 * pt_translate() says, with the value, the fault, and the accessed and dirty bits that it says.
 *
 *   mmu_judge MACHINE SPACES     "x86_64 2000"
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "batch.h"
#include "machines.h"

static uint64_t spaces;

static void say(const struct batch *b, double seconds)
{
	const struct mmu_deviation *d = b->m->arch->deviations;

	printf("%s, %s: %lu spaces, %.0f per second, %lu accesses:", b->m->arch->name,
	       b->m->mode->name, (unsigned long)b->spaces, (double)b->spaces / seconds,
	       (unsigned long)b->jobs);
	for (unsigned i = 0; i < BATCH_OUTCOMES; i++)
		if (b->outcomes[i])
			printf(" %lu %s;", (unsigned long)b->outcomes[i], batch_outcome(1u << i));
	printf("\n");
	for (unsigned i = 0; d[i].reason; i++)
		if (b->tolerated[i])
			printf("  %lu times tolerated or avoided: %s\n",
			       (unsigned long)b->tolerated[i], d[i].reason);
	fflush(stdout);
}

/* False: it cannot be had here. */
static bool judge(const struct mmu_arch *arch, const struct mmu_mode *mode)
{
	const char *why;
	struct mmu *m = mmu_start(arch, mode, &why);
	uint64_t start = clock_mono();
	struct batch b;

	if (!m) {
		skip_part("%s, %s: %s", arch->name, mode->name, why);
		return false;
	}
	batch_make(&b, m, test_seed());
	for (uint64_t n = 0; n < spaces && !b.objections; n = b.spaces)
		batch_run_all(&b, n, MIN(spaces - n, 1000));
	say(&b, (double)(clock_mono() - start) / 1e9);
	mmu_stop(m);
	if (b.objections)
		test_fail(__FILE__, __LINE__, "%lu objections; the first:\n%s",
			  (unsigned long)b.objections, b.objection);
	batch_end(&b);
	return true;
}

int main(int argc, char **argv)
{
	must(argc == 3);
	spaces = strtoul(argv[2], NULL, 0);
	return machines_each(argv[1], judge);
}

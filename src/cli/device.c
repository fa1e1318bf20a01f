/* mkdev, compact. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/glob.h"

/* ---- mkdev ------------------------------------------------------------------------------------------- */

static uint64_t size, align;

static int make_device(const struct options *o, const struct place *place)
{
	(void)o;
	return pf_device_make(place->pool, place->path, size, align, 0666 & ~creation_mask()) < 0
		       ? complain_pf(place->path)
		       : EXIT_FINE;
}

static int run_mkdev(const struct options *o, char **operands, int count)
{
	align = 2ul << 20;
	if (!parse_size(operands[1], &size) || !size)
		return complain_usage("'%s' is not a size", operands[1]);
	if (count > 2 && !parse_size(operands[2], &align))
		return complain_usage("'%s' is not a size", operands[2]);
	return for_operands(o, operands, 1, OPERAND_NAME, make_device);
}

const struct command cmd_mkdev = {
	"mkdev",
	"",
	2,
	3,
	run_mkdev,
	"makes a device: a file that is one aligned piece of memory of a fixed size\n"
	"usage: pinfold mkdev POOL:/path SIZE [4K|2M|1G]\n"
	"The last operand is its alignment, 2M unless it is given; the size is a multiple of it. It is zeros, and never moves.\n"
	"Example: pinfold mkdev /dev/shm/pool:/ring 64M"};

/* ---- compact ----------------------------------------------------------------------------------------- */

static int run_compact(const struct options *o, char **operands, int count)
{
	pf_pool *pool = open_pool(operands[0], PF_POOL_NO_THREAD);
	struct pf_compacted c;
	int rc;

	(void)count;
	if (!pool)
		return EXIT_FAILED;
	rc = pf_compact(pool, UINT64_MAX, &c);
	if (rc < 0)
		complain_pf(operands[0]);
	pf_pool_close(pool);
	if (rc < 0)
		return EXIT_FAILED;
	if (o->json)
		return print_json(json_pack("{s:i, s:I, s:I, s:I}", "schema", 1, "moved",
					    (json_int_t)c.moved, "whole_before",
					    (json_int_t)c.whole_before, "whole_after",
					    (json_int_t)c.whole_after));
	printf("moved %s; free in whole pieces of 2 MiB: %s before, %s after\n", human(c.moved),
	       human(c.whole_before), human(c.whole_after));
	return finish_output();
}

const struct command cmd_compact =
	{"compact",
	 "json",
	 1,
	 1,
	 run_compact,
	 "moves pages that nobody holds, so that free memory comes together\n"
	 "usage: pinfold compact POOL [--json]\n"
	 "Allocations do a little of this by themselves when they find no whole piece of 2 MiB.\n"
	 "Example: pinfold compact /dev/shm/pool"};

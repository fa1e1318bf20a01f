/* The use record, see use_format.h. */
#include "format/use_format.h"

#include <stddef.h>
#include <string.h>

#include "base/crc.h"

static uint32_t crc_of(const struct use_format *use)
{
	return crc32c(0, (const uint8_t *)use + sizeof use->crc, sizeof *use - sizeof use->crc);
}

/* Copy 0 or 1, NULL if it is not whole. A record of zeros is none. */
static struct use_format *copy(const void *head, unsigned which)
{
	struct use_format *use =
		(struct use_format *)((uint8_t *)head + USE_OFFSET + which * USE_STRIDE);

	return use->sequence && use->crc == crc_of(use) && use->state <= USE_OPEN ? use : NULL;
}

const struct use_format *use_read(const void *head)
{
	struct use_format *a = copy(head, 0), *b = copy(head, 1);

	if (!a || !b)
		return a ? a : b;
	return a->sequence > b->sequence ? a : b;
}

void *use_seal(void *head, struct use_format *use)
{
	const struct use_format *newest = use_read(head);
	unsigned which = newest && newest == copy(head, 0);

	use->sequence = newest ? newest->sequence + 1 : 1;
	use->crc = crc_of(use);
	return (uint8_t *)head + USE_OFFSET + which * USE_STRIDE;
}

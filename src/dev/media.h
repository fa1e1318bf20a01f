/* Stores to the media. */
#ifndef DEV_MEDIA_H
#define DEV_MEDIA_H

#include <string.h>

#include "base/atomic.h"
#include "dev/dev.h"

static inline void media_word(const struct dev *dev, _Atomic uint64_t *at, uint64_t value)
{
	(void)dev;
	store_release(at, value);
}

static inline void media_bytes(const struct dev *dev, void *to, const void *from, size_t length)
{
	(void)dev;
	memcpy(to, from, length);
}

#endif

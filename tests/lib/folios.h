/* The pages of a pool by themselves, in a memfd: descriptors, allocator and runtime, without a file system. Used by one process. */
#ifndef TEST_FOLIOS_H
#define TEST_FOLIOS_H

#include "page/page.h"

struct folios {
	struct dev *dev;
	void *head;
	struct rt *rt;
	struct rt_self *me; /* of the thread that opened it */
	struct pages pages;
	uint64_t blocks;
};

/* A new one, all pages of it free. The first page is not page 0. */
void folios_open(struct folios *f, uint64_t blocks);
void folios_close(struct folios *f);
/* page_check() finds nothing. Fails the test otherwise, saying what. */
void folios_check(struct folios *f);

#endif

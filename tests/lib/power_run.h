/* Operations of which the power is cut, alone and in pairs: what the tests of power cuts have in common. */
#ifndef TEST_POWER_RUN_H
#define TEST_POWER_RUN_H

#include "power_tree.h"

/* Each operation alone, from several start states, or from one by chance. */
void power_each(struct test_random *chance, unsigned bound, unsigned samples, bool all_states);
/* Pairs by chance, one after the other on one pool of 16 MiB, until `enough` says so; makes a new one when it is full. */
void power_pairs(struct test_random *chance, unsigned bound, unsigned samples,
		 bool (*enough)(void));
void power_print(void);

#endif

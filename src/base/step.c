/* The hook that tests set to be called at every step. */
#include "base/step.h"

#ifdef PF_STEPS
__attribute__((visibility("default"))) void (*step_hook)(const char *name);
#else
typedef int step_has_no_hook; /* ISO C wants a declaration */
#endif

/*
 * Steps: points inside an operation at which a test kills or stops the process. Builds without
 * -Dsteps=true have none. step("name") calls step_hook(name) when a test has set it.
 */
#ifndef BASE_STEP_H
#define BASE_STEP_H

#ifdef PF_STEPS
extern void (*step_hook)(const char *name);
#define step(name) (step_hook ? step_hook(name) : (void)0)
#else
#define step(name) ((void)0)
#endif

#endif

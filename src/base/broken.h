/*
 * Safeguards that a build leaves out, for tests that must then fail: with -Dbreak=NAME, broken(PF_BREAK_...) is 1, and 0 in every other build. A constant: what it guards costs nothing.
 */
#ifndef BASE_BROKEN_H
#define BASE_BROKEN_H

/* A name that is defined as 1 pastes to a comma, which moves the 1 to second place. */
#define BROKEN_COMMA_1               0,
#define BROKEN_SECOND(first, n, ...) n
#define BROKEN_PICK(maybe_comma)     BROKEN_SECOND(maybe_comma 1, 0, 0)
#define BROKEN_PASTE(value)          BROKEN_PICK(BROKEN_COMMA_##value)
#define broken(name)                 BROKEN_PASTE(name)

#endif

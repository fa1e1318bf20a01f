/*
 * What operands stand for. A path behind POOL: can be a pattern, which the program has to expand, because what is in a pool is not among
 * the files of the shell. docs/cli.md, "Patterns", has the rules. Functions return EXIT_FINE, or complain and return what to end with.
 */
#ifndef CLI_GLOB_H
#define CLI_GLOB_H

#include "cli/cli.h"
#include "cli/place.h"

struct match {
	struct place place; /* with a path of its own */
	bool found;         /* by a pattern in a directory: it was there a moment ago */
};

struct matches {
	struct match *match;
	size_t count;
};

enum operand_kind {
	OPERAND_NAME,   /* a name, whatever is in it: something is made under it */
	OPERAND_FILES,  /* a name, or a pattern, which has to match something */
	OPERAND_EITHER, /* a pattern that matches nothing is a name: it may be missing */
};

/* Whether the path means more than itself. */
bool glob_is_pattern(const char *path);

/* All operands, before anything is done with the first: those of a pattern sorted, each made a place by `place_of`. None if one of them fails. */
int glob_operands(char **operands, int count, enum operand_kind kind,
		  int (*place_of)(char *operand, struct place *place), struct matches *matches);
void matches_free(struct matches *matches);

/* The one file that a path, which may be a pattern, stands for; its path is the caller's to free. Several are refused. */
int glob_one(const struct place *pattern, struct place *one);
/* The same for an operand that has to be in a pool. */
int glob_one_operand(char *operand, struct place *one);

/* Runs `each` for every file, in a pool, that the operands stand for; the worst exit code. */
int for_operands(const struct options *o, char **operands, int count, enum operand_kind kind,
		 int (*each)(const struct options *o, const struct place *place));

#endif

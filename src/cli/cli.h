/* What the commands of the program share: the table of commands, options, operands, output. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "pinfold.h"

/* Exit codes. */
enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Every option of every command; a command says which it takes. */
struct options {
	bool json, sparse, is_volatile, map, pin, longterm, verify, force, live;
	uint64_t size, inodes, offset, length;
	bool has_length;
	double seconds; /* < 0: until a signal */
	long timeout_ms;
	enum pf_policy policy;
};

struct command {
	const char *name;
	const char *options; /* letters, as in the option table of main.c */
	int min, max;        /* operands; max < 0: any number */
	int (*run)(const struct options *o, char **operands, int count);
	const char *help;
};

extern const struct command cmd_mkfs, cmd_info, cmd_ls, cmd_cp, cmd_cat, cmd_mv, cmd_rm,
	cmd_truncate, cmd_punch, cmd_hold, cmd_who, cmd_reap, cmd_fsck, cmd_recover;

/* Of the command that runs; NULL before there is one. */
const char *command_name(void);
/* "pinfold: COMMAND: message" on stderr. Both return EXIT_FAILED, or EXIT_USAGE. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The library's last message, after a call that failed. */
int complain_pf(const char *what);
int complain_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "POOL:/name" is taken apart at its first ":/" : *pool and *name point into `operand`, which is changed. False: an ordinary path.
 * A path that has ":/" in it is written with "./" in front and its colon after a slash: "./a:/b". */
bool split_operand(char *operand, char **pool, char **name);
/* A number of bytes with an optional K, M, G or T (powers of 1024). False: it is none, or too large. */
bool parse_size(const char *text, uint64_t *bytes);
/* "4.0 KiB": into one of four buffers. */
const char *human(uint64_t bytes);
/* "2026-01-31T12:00:00Z", into one of two buffers. */
const char *timestamp(uint64_t ns);

/* A name as it may be printed in a table: control characters are '?'. Into one of two buffers. */
const char *printable(const char *name);
/* A JSON string; null for NULL. Bytes that are not UTF-8, which a name may have, become U+FFFD. */
json_t *json_text(const char *text);

/* A name for a file while it is copied into a pool, and the removal of such files whose copiers were killed. */
#define TEMPORARY_NAME 64
void temporary_name(char name[TEMPORARY_NAME]);
void remove_leftovers(pf_pool *pool);

pf_pool *open_pool(const char *path, unsigned flags);
/* For commands that take many operands: the pool stays open until another one is asked for, or the command has ended. Not to be closed
 * by the caller. Opening and closing it as its only user makes and ends its runtime each time. */
pf_pool *keep_pool(const char *path);
void drop_pool(void);
/* One JSON document and a line feed; releases it. */
int print_json(json_t *document);
/* Everything printed has reached its file: EXIT_FINE, or complains. */
int finish_output(void);

#endif

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
	bool json, sparse, is_volatile, map, window, pin, longterm, verify, force, live;
	bool recursive, archive, preserve, no_clobber, no_target_directory, exchange;
	bool long_format, all, itself, parents, symbolic, no_dereference, dereference;
	bool no_create, only_atime, only_mtime;
	uint64_t size, inodes, offset, length, date_ns;
	bool has_length, has_date;
	double seconds; /* < 0: until a signal */
	long timeout_ms;
	enum pf_policy policy;
	const char *mode;
	long pid;
	bool give_back, verbose, once, foreground;
	char *mount_options;
	int way;      /* enum way, of cli/pinned.h */
	int progress; /* enum progress_when, of cli/progress.h */
};

struct command {
	const char *name;
	const char *
		options; /* "KEY:LETTERS KEY ...": keys of the option table of main.c, each with its short forms here */
	int min, max; /* operands; max < 0: any number */
	int (*run)(const struct options *o, char **operands, int count);
	const char *help;
};

extern const struct command cmd_mkfs, cmd_info, cmd_ls, cmd_stat, cmd_cp, cmd_cat, cmd_mv, cmd_ln,
	cmd_readlink, cmd_rm, cmd_mkdir, cmd_rmdir, cmd_chmod, cmd_chown, cmd_touch, cmd_attr,
	cmd_truncate, cmd_punch, cmd_hold, cmd_who, cmd_maps, cmd_evict, cmd_watch, cmd_reap,
	cmd_fsck, cmd_recover, cmd_bench, cmd_mount, cmd_mkdev, cmd_compact;

/* Of the command that runs; NULL before there is one. */
const char *command_name(void);
/* "pinfold: COMMAND: message" on stderr. Both return EXIT_FAILED, or EXIT_USAGE. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The library's last message, after a call that failed. */
int complain_pf(const char *what);
/* The same when a pool could not be opened, or made. */
int complain_open(const char *path);
int complain_mkfs(const char *path);
/* Nothing in the pool is what the pattern says; `why`: what could not be looked at, or NULL. */
int complain_no_match(const char *pattern, const char *why);
int complain_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* There are too few operands, or too many: says how the command is used. */
int refuse_operands(char **operands, int count);
/* It is not POOL:/path. */
int complain_operand(const char *operand);

/* "POOL:/path" is taken apart at its first ":/" : *pool and *path ("/path") point into `operand`, which is changed. False: an ordinary
 * path. One that has ":/" in it is written with "./" in front and its colon after a slash: "./a:/b". */
bool split_operand(char *operand, char **pool, char **path);
/* who.c: "map", "pin", "longterm", "read", "window"; and a hold as `who --json` shows it. */
const char *hold_kind(enum pf_hold_kind kind);
json_t *holder_object(const struct pf_holder *h);
/* A number of bytes with an optional K, M, G or T (powers of 1024). False: it is none, or too large. */
bool parse_size(const char *text, uint64_t *bytes);
/* "2026-01-31T12:00:00[.5][Z]", UTC, or "@SECONDS[.5]". False: it is no such time. */
bool parse_date(const char *text, uint64_t *ns);
/* "0644", or as chmod(1) has it, "u+x,go=r": what becomes of the mode `old`. False: it is no such text. */
bool parse_mode(const char *text, uint32_t old, uint32_t *mode);
/* "OWNER[:GROUP]" or ":GROUP", names or numbers; what is not said stays (uid_t)-1. False: complained of. */
bool parse_owner(const char *text, uint32_t *uid, uint32_t *gid);
/* "4.0 KiB": into one of four buffers. */
const char *human(uint64_t bytes);
/* "2026-01-31T12:00:00Z", into one of two buffers. */
const char *timestamp(uint64_t ns);
/* "drwxr-xr-x", into one buffer. */
const char *mode_letters(uint32_t mode);
/* The bits that the process does not want in what it makes. */
uint32_t creation_mask(void);

/* A name as it may be printed in a table: control characters are '?'. Into one of two buffers. */
const char *printable(const char *name);
/* A JSON string; null for NULL. Bytes that are not UTF-8, which a name may have, become U+FFFD. */
json_t *json_text(const char *text);
/* An entry of "ls", and the same with all that "stat" knows. `target` is what a symbolic link says, or NULL. */
json_t *entry_json(const char *name, const struct pf_stat *stat, const char *target);

/* helper.c: a program of the project's: `built`, seen from the directory of this one, or `installed`, from libexec. */
bool find_helper(const char *built, const char *installed, char *path, size_t size);

pf_pool *open_pool(const char *path, unsigned flags);
/* The pool stays open for the operands to come, until the command has ended. Not to be closed by the caller. */
pf_pool *keep_pool(const char *path);
void drop_pools(void);
/* One JSON document and a line feed; releases it. */
int print_json(json_t *document);
/* Everything printed has reached its file: EXIT_FINE, or complains. */
int finish_output(void);

#endif

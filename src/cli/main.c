/* The program: finds the command, parses its options (before or after operands), runs it. */
#include <fcntl.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/hint.h"
#include "cli/pinned.h"
#include "cli/progress.h"

/* ---- values of options ----------------------------------------------------------------------------- */

static bool set_size(struct options *o, const char *text)
{
	return parse_size(text, &o->size) && o->size;
}

static bool set_inodes(struct options *o, const char *text)
{
	return parse_size(text, &o->inodes) && o->inodes;
}

static bool set_offset(struct options *o, const char *text)
{
	return parse_size(text, &o->offset);
}

static bool set_length(struct options *o, const char *text)
{
	o->has_length = true;
	return parse_size(text, &o->length) && o->length;
}

static bool parse_number(const char *text, double *number)
{
	char *end;

	*number = strtod(text, &end);
	return *text && !*end && *number >= 0;
}

static bool set_seconds(struct options *o, const char *text)
{
	return parse_number(text, &o->seconds);
}

static bool set_timeout(struct options *o, const char *text)
{
	double number;

	if (!parse_number(text, &number) || number > 1e9)
		return false;
	o->timeout_ms = (long)number;
	return true;
}

static bool set_pid(struct options *o, const char *text)
{
	double number;

	if (!parse_number(text, &number) || number < 1 || number > 1e9 || number != (long)number)
		return false;
	o->pid = (long)number;
	return true;
}

static bool set_durability(struct options *o, const char *text)
{
	o->is_volatile = !strcmp(text, "volatile");
	return o->is_volatile;
}

static bool set_policy(struct options *o, const char *text)
{
	static const char *const names[] = {"detach", "wait", "try"};

	for (unsigned i = 0; i < 3; i++)
		if (!strcmp(text, names[i])) {
			o->policy = (enum pf_policy)i;
			return true;
		}
	return false;
}

static bool set_way(struct options *o, const char *text)
{
	for (o->way = 0; o->way < WAYS; o->way++)
		if (!strcmp(text, way_names[o->way]))
			return true;
	return false;
}

static bool set_progress(struct options *o, const char *text)
{
	for (o->progress = 0; o->progress < PROGRESS_WHENS; o->progress++)
		if (!strcmp(text, progress_names[o->progress]))
			return true;
	return false;
}

static bool set_mode(struct options *o, const char *text)
{
	uint32_t mode;

	o->mode = text;
	return parse_mode(text, 0777, &mode);
}

/* Given twice, both lists count. */
static bool set_mount_options(struct options *o, const char *text)
{
	char *list;
	int n = o->mount_options ? asprintf(&list, "%s,%s", o->mount_options, text)
				 : asprintf(&list, "%s", text);

	free(o->mount_options);
	o->mount_options = n < 0 ? NULL : list;
	return n >= 0;
}

static bool set_date(struct options *o, const char *text)
{
	o->has_date = true;
	return parse_date(text, &o->date_ns);
}

/* ---- tables ---------------------------------------------------------------------------------------- */

static const struct command *const commands[] = {
	&cmd_mkfs,  &cmd_info,    &cmd_ls,    &cmd_stat,  &cmd_cp,       &cmd_cat,
	&cmd_mv,    &cmd_ln,      &cmd_rm,    &cmd_mkdir, &cmd_rmdir,    &cmd_readlink,
	&cmd_chmod, &cmd_chown,   &cmd_touch, &cmd_attr,  &cmd_truncate, &cmd_punch,
	&cmd_hold,  &cmd_who,     &cmd_maps,  &cmd_evict, &cmd_watch,    &cmd_reap,
	&cmd_fsck,  &cmd_recover, &cmd_mount, &cmd_bench, &cmd_mkdev,    &cmd_compact,
};

/* A key is the option's name, or "COMMAND.NAME" where it means something else. */
#define FLAG(key, field, help)                                   \
	{                                                        \
		key, offsetof(struct options, field), NULL, help \
	}
#define VALUE(key, set, help)     \
	{                         \
		key, 0, set, help \
	}

static const struct {
	const char *key;
	size_t flag;                                      /* which field of struct options */
	bool (*set)(struct options *o, const char *text); /* false: not a value for it */
	const char *help;
} all_options[] = {
	FLAG("help", json, "this text"),
	FLAG("json", json, "one JSON document instead of a table"),
	VALUE("size", set_size, "SIZE of the pool: a number of bytes, or with K, M, G, T, as 1G"),
	VALUE("inodes", set_inodes, "how many files at most, 1 or more"),
	FLAG("sparse", sparse, "do not reserve the memory now; a store may then fail with SIGBUS"),
	VALUE("durability", set_durability,
	      "volatile: accept a disk file, of which nothing is promised after a power cut"),
	FLAG("map", map, "hold with a direct map"),
	FLAG("window", window, "hold with a window, which shows what the file is"),
	FLAG("pin", pin, "hold with a pin"),
	FLAG("longterm", longterm, "hold with a long-term pin"),
	VALUE("offset", set_offset, "first byte (0)"),
	VALUE("length", set_length, "bytes (to the end of the file)"),
	VALUE("for", set_seconds, "SECONDS (until SIGINT or SIGTERM)"),
	FLAG("verify", verify, "compare the held bytes again and again; fail at any difference"),
	VALUE("policy", set_policy, "detach (default), wait or try, if pages are held"),
	VALUE("timeout", set_timeout, "MILLISECONDS for --policy wait (no limit)"),
	VALUE("evict.timeout", set_timeout, "MILLISECONDS to wait (5000)"),
	VALUE("watch.timeout", set_timeout,
	      "MILLISECONDS without a change after which it ends (never)"),
	FLAG("once", once, "end after the first change"),
	VALUE("pid", set_pid, "PID of the process that is asked"),
	FLAG("evict.all", all, "every process, also of its reads"),
	FLAG("give-back", give_back, "end when somebody wants the pages (pins only)"),
	FLAG("recover.force", force, "although it seems to be in use elsewhere"),
	FLAG("live", live, "open the pool and check it beside its users, or as the only one"),
	FLAG("recursive", recursive, "directories with all that is in them"),
	FLAG("archive", archive,
	     "as --recursive --preserve, and hard links and extended attributes"),
	FLAG("preserve", preserve, "owner, mode and times, too"),
	FLAG("no-clobber", no_clobber, "do nothing where the new name is there already"),
	FLAG("no-target-directory", no_target_directory,
	     "a directory that is there is the target itself, not where the target goes"),
	FLAG("exchange", exchange, "both are there and change places, in one step"),
	FLAG("cp.force", force, "also over a file that may not be written"),
	FLAG("verbose", verbose, "print what is copied, and which way its bytes took"),
	VALUE("way", set_way, "into a pool: auto (default), disk, cached or copy"),
	VALUE("progress", set_progress,
	      "a line that says how far it is: auto (default: on a terminal, when it takes long), always or never"),
	FLAG("mv.force", force, "the default: what has the new name is replaced"),
	FLAG("ln.force", force, "replace what has the new name, in one step"),
	FLAG("rm.force", force, "what is not there is no error"),
	FLAG("long", long_format,
	     "type and modes, links, owner, size, memory, time of change, name"),
	FLAG("all", all, "also names that begin with '.'"),
	FLAG("directory", itself, "a directory itself, not what is in it"),
	FLAG("parents", parents, "directories on the way, too; no error if it is there"),
	VALUE("mode", set_mode, "MODE of what is made, instead of all that the umask allows"),
	FLAG("symbolic", symbolic, "a symbolic link"),
	FLAG("no-dereference", no_dereference, "a symbolic link itself, not where it leads"),
	FLAG("dereference", dereference, "where a symbolic link leads, not the link itself"),
	FLAG("no-create", no_create, "do not make what is not there"),
	FLAG("atime", only_atime, "the time of access only"),
	FLAG("mtime", only_mtime, "the time of change only"),
	FLAG("foreground", foreground,
	     "do not go into the background; messages stay on standard error"),
	VALUE("mount.options", set_mount_options, "OPTION[=VALUE],..., as above"),
	VALUE("date", set_date, "TIME instead of now: 2026-01-31T12:00:00Z, or @SECONDS"),
};

#define OPTIONS (sizeof all_options / sizeof *all_options)

static const struct command *current;

const char *command_name(void)
{
	return current ? current->name : NULL;
}

/* ---- help ------------------------------------------------------------------------------------------ */

static int help(void)
{
	puts("pinfold: files in a pool of shared memory that many processes map and pin\n"
	     "\n"
	     "usage: pinfold COMMAND [OPTIONS] [OPERANDS]\n"
	     "       pinfold COMMAND --help\n");
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		printf("  %-9s %.*s\n", commands[i]->name, (int)strcspn(commands[i]->help, "\n"),
		       commands[i]->help);
	puts("\n"
	     "What is in a pool is written POOL:/path, as in /dev/shm/pool:/models/a.bin. Of what is there it may be a pattern,\n"
	     "as for a shell, in quotes: '/dev/shm/pool:/models/*.bin'.\n"
	     "\n"
	     "Exit codes: 0 fine; 1 it failed, and standard error says what and why; 2 wrong usage. Also 1: fsck of a pool that is\n"
	     "not clean, evict when something is still held, watch --once when nothing changed in time, hold --verify when a held byte changed.\n"
	     "\n"
	     "Example:\n"
	     "  pinfold mkfs /dev/shm/pool --size 256M && pinfold cp model.bin /dev/shm/pool:/");
	return finish_output();
}

/* ---- options --------------------------------------------------------------------------------------- */

/* What getopt_long() is told of a command: its long options, whose values are indices of all_options, and its letters. */
struct choice {
	struct option option[OPTIONS + 1];
	char letters[64];         /* as getopt() wants them */
	unsigned char index[128]; /* a letter's option, plus one */
	size_t count;
};

static const char *option_name(size_t i)
{
	const char *dot = strchr(all_options[i].key, '.');

	return dot ? dot + 1 : all_options[i].key;
}

static size_t find_option(const char *key, size_t length)
{
	size_t i = 0;

	while (strncmp(all_options[i].key, key, length) || all_options[i].key[length])
		i++;
	return i;
}

static void choose(struct choice *c, size_t i, const char *letters)
{
	char *to = c->letters + strlen(c->letters);

	c->option[c->count++] =
		(struct option){option_name(i), all_options[i].set != NULL, NULL, (int)i + 256};
	for (; *letters && *letters != ' '; letters++) {
		c->index[(unsigned char)*letters] = (unsigned char)(i + 1);
		*to++ = *letters;
		if (all_options[i].set)
			*to++ = ':';
	}
	*to = 0;
}

static void choose_all(struct choice *c)
{
	const char *key = current->options;

	*c = (struct choice){.letters = ":"};
	choose(c, find_option("help", 4), "h");
	while (*key) {
		size_t n = strcspn(key, ": "), end = strcspn(key, " ");

		choose(c, find_option(key, n), key + n + (key[n] == ':'));
		key += end + (key[end] == ' ');
	}
}

/* mkdir and mkdev make what they name; what others make is one operand among several. */
static bool takes_patterns(void)
{
	return strstr(current->help, ":/path") && current != &cmd_mkdir && current != &cmd_mkdev;
}

static int command_help(const struct choice *c)
{
	const char *text = strchr(current->help, '\n');

	printf("pinfold %s: %.*s\n%s\n", current->name, (int)strcspn(current->help, "\n"),
	       current->help, text ? text + 1 : "");
	if (takes_patterns())
		puts("\nThe path of what is there may be a pattern, in quotes: 'POOL:/models/*.bin'; see pinfold(1).");
	puts("\nOptions:");
	for (size_t i = 0; i < c->count; i++) {
		size_t index = (size_t)c->option[i].val - 256;
		char names[64];
		int n = snprintf(names, sizeof names, "--%s", c->option[i].name);

		for (int letter = 0; letter < 128; letter++)
			if (c->index[letter] == index + 1)
				n += snprintf(names + n, sizeof names - (size_t)n, ", -%c", letter);
		printf("  %-24s %s\n", names, all_options[index].help);
	}
	puts("\nExit codes: 0 fine, 1 it failed, 2 wrong usage; 'pinfold --help' says when.");
	return finish_output();
}

/* The command's usage, to standard error, behind a message. */
static int show_usage(void)
{
	for (const char *line = strchr(current->help, '\n'); line; line = strchr(line, '\n')) {
		line++;
		if (strncmp(line, "usage: ", 7) && strncmp(line, "       ", 7))
			break;
		fprintf(stderr, "%.*s\n", (int)strcspn(line, "\n"), line);
	}
	fprintf(stderr, "'pinfold %s --help' says more\n", current->name);
	return EXIT_USAGE;
}

static int refuse_option(char **argv)
{
	char letter[] = {'-', (char)optopt, 0};

	complain_usage("'%s' is not an option of it",
		       optopt > 0 && optopt < 128 ? letter : argv[optind - 1]);
	return show_usage();
}

static int refuse_lack(const char *option)
{
	complain_usage("%s wants a value", option);
	return show_usage();
}

static int refuse_value(size_t i, const char *value)
{
	return complain_usage("'%s' is not a value for --%s (%s)", value, option_name(i),
			      all_options[i].help);
}

/* EXIT_FINE, and optind is at the first operand. */
static int parse_options(int argc, char **argv, const struct choice *c, struct options *o)
{
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, c->letters, c->option, NULL)) != -1) {
		size_t i;

		if (letter == ':')
			return refuse_lack(argv[optind - 1]);
		if (letter == '?')
			return refuse_option(argv);
		i = letter < 128 ? c->index[letter] - 1u : (size_t)letter - 256;
		if (!strcmp(all_options[i].key, "help"))
			exit(command_help(c));
		if (!all_options[i].set)
			*(bool *)((char *)o + all_options[i].flag) = true;
		else if (!all_options[i].set(o, optarg))
			return refuse_value(i, optarg);
	}
	return EXIT_FINE;
}

int refuse_operands(char **operands, int count)
{
	if (current->max < 0 || count < current->max)
		complain_usage("too few operands");
	else
		complain_usage("too many operands: '%s'", operands[current->max]);
	return show_usage();
}

static int run(int argc, char **argv)
{
	struct options o = {.seconds = -1, .timeout_ms = -1, .way = WAY_AUTO};
	struct choice choice;
	int rc;

	choose_all(&choice);
	rc = parse_options(argc, argv, &choice, &o);
	if (rc != EXIT_FINE)
		return rc;
	argc -= optind;
	if (argc < current->min || (current->max >= 0 && argc > current->max))
		return refuse_operands(argv + optind, argc);
	rc = current->run(&o, argv + optind, argc);
	drop_pools();
	return rc;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(name, commands[i]->name))
			return commands[i];
	return NULL;
}

static int refuse_command(const char *typed)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (hint_similar(typed, commands[i]->name))
			return complain_usage("no command '%s'; is it '%s'?", typed,
					      commands[i]->name);
	return complain_usage("no command '%s'; 'pinfold --help' has them", typed);
}

/* "pinfold help COMMAND" */
static int help_of(const char *name)
{
	struct choice choice;

	current = find_command(name);
	if (!current)
		return refuse_command(name);
	choose_all(&choice);
	return command_help(&choice);
}

/* A pool opened in place of a closed standard descriptor would have messages written into it. What takes its place refuses them. */
static void fill_standard_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			exit(EXIT_FAILED);
}

int main(int argc, char **argv)
{
	fill_standard_descriptors();
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2)
		return (help(), EXIT_USAGE);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return argc > 2 ? help_of(argv[2]) : help();
	if (!strcmp(argv[1], "--version")) {
		puts("pinfold " PINFOLD_VERSION);
		return finish_output();
	}
	current = find_command(argv[1]);
	if (!current)
		return refuse_command(argv[1]);
	return run(argc - 1, argv + 1);
}

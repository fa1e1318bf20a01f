/* The program: finds the command, parses its options (before or after operands), runs it. */
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const struct command *const commands[] = {
	&cmd_mkfs,     &cmd_info,  &cmd_ls,   &cmd_cp,  &cmd_cat,  &cmd_mv,   &cmd_rm,
	&cmd_truncate, &cmd_punch, &cmd_hold, &cmd_who, &cmd_reap, &cmd_fsck, &cmd_recover,
};

static const struct {
	struct option option;
	const char *help;
} all_options[] = {
	{{"help", no_argument, NULL, 'h'}, "this text"},
	{{"json", no_argument, NULL, 'j'}, "one JSON document instead of a table"},
	{{"size", required_argument, NULL, 's'}, "SIZE of the pool: bytes, or with K, M, G, T"},
	{{"inodes", required_argument, NULL, 'i'}, "how many files at most"},
	{{"sparse", no_argument, NULL, 'S'},
	 "do not reserve the memory now; a store may then fail with SIGBUS"},
	{{"volatile", no_argument, NULL, 'V'},
	 "accept a disk file, which a power cut may leave damaged"},
	{{"map", no_argument, NULL, 'm'}, "hold with a direct map"},
	{{"pin", no_argument, NULL, 'p'}, "hold with a pin"},
	{{"longterm", no_argument, NULL, 'l'}, "hold with a long-term pin"},
	{{"offset", required_argument, NULL, 'o'}, "first byte (0)"},
	{{"length", required_argument, NULL, 'n'}, "bytes (to the end of the file)"},
	{{"for", required_argument, NULL, 'f'}, "SECONDS (until SIGINT or SIGTERM)"},
	{{"verify", no_argument, NULL, 'v'},
	 "compare the held bytes again and again; fail at any difference"},
	{{"policy", required_argument, NULL, 'P'},
	 "detach (default), wait or try, if pages are held"},
	{{"timeout", required_argument, NULL, 't'}, "MILLISECONDS for --policy wait (no limit)"},
	{{"force", no_argument, NULL, 'F'}, "although it seems to be in use elsewhere"},
	{{"live", no_argument, NULL, 'L'},
	 "open the pool and check it beside its users, or as the only one"},
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
	     "A file in a pool is written POOL:/name, as in /dev/shm/pool:/model.bin.\n"
	     "Exit codes: 0 fine, 1 it failed, 2 wrong usage.\n"
	     "\n"
	     "Example:\n"
	     "  pinfold mkfs /dev/shm/pool --size 1G && pinfold cp model.bin /dev/shm/pool:/");
	return finish_output();
}

static int command_help(void)
{
	const char *text = strchr(current->help, '\n');

	printf("pinfold %s: %.*s\n%s\n", current->name, (int)strcspn(current->help, "\n"),
	       current->help, text ? text + 1 : "");
	puts("\nOptions:");
	for (size_t i = 0; i < OPTIONS; i++)
		if (all_options[i].option.val == 'h' ||
		    strchr(current->options, all_options[i].option.val))
			printf("  --%-9s %s\n", all_options[i].option.name, all_options[i].help);
	return finish_output();
}

/* ---- options --------------------------------------------------------------------------------------- */

static bool parse_policy(const char *text, enum pf_policy *policy)
{
	static const char *const names[] = {"detach", "wait", "try"};

	for (unsigned i = 0; i < 3; i++)
		if (!strcmp(text, names[i])) {
			*policy = (enum pf_policy)i;
			return true;
		}
	return false;
}

static bool parse_number(const char *text, double *number)
{
	char *end;

	*number = strtod(text, &end);
	return *text && !*end && *number >= 0;
}

static bool set_option(struct options *o, int letter, const char *value)
{
	double number;

	switch (letter) {
	case 's':
		return parse_size(value, &o->size) && o->size;
	case 'i':
		return parse_size(value, &o->inodes) && o->inodes;
	case 'o':
		return parse_size(value, &o->offset);
	case 'n':
		o->has_length = true;
		return parse_size(value, &o->length) && o->length;
	case 'f':
		return parse_number(value, &o->seconds);
	case 't':
		if (!parse_number(value, &number) || number > 1e9)
			return false;
		o->timeout_ms = (long)number;
		return true;
	case 'P':
		return parse_policy(value, &o->policy);
	default:
		return false;
	}
}

static void set_flag(struct options *o, int letter)
{
	switch (letter) {
	case 'j':
		o->json = true;
		break;
	case 'S':
		o->sparse = true;
		break;
	case 'V':
		o->is_volatile = true;
		break;
	case 'm':
		o->map = true;
		break;
	case 'p':
		o->pin = true;
		break;
	case 'l':
		o->longterm = true;
		break;
	case 'v':
		o->verify = true;
		break;
	case 'F':
		o->force = true;
		break;
	case 'L':
		o->live = true;
		break;
	}
}

/* The long options that this command takes, and --help. */
static void select_options(struct option *to)
{
	size_t n = 0;

	for (size_t i = 0; i < OPTIONS; i++)
		if (all_options[i].option.val == 'h' ||
		    strchr(current->options, all_options[i].option.val))
			to[n++] = all_options[i].option;
	to[n] = (struct option){0};
}

static int run(int argc, char **argv)
{
	struct options o = {.seconds = -1, .timeout_ms = -1};
	struct option options[OPTIONS + 1];
	int letter, rc, which;

	select_options(options);
	opterr = 0;
	while ((letter = getopt_long(argc, argv, ":h", options, &which)) != -1) {
		if (letter == 'h')
			return command_help();
		if (letter == ':')
			return complain_usage("%s wants a value", argv[optind - 1]);
		if (letter == '?')
			return complain_usage(
				"'%s' is not an option of it; see 'pinfold %s --help'",
				argv[optind - 1], current->name);
		if (!optarg)
			set_flag(&o, letter);
		else if (!set_option(&o, letter, optarg))
			return complain_usage("--%s: '%s' is not a value for it",
					      options[which].name, optarg);
	}
	argc -= optind;
	if (argc < current->min || (current->max >= 0 && argc > current->max))
		return complain_usage("%s operands; see 'pinfold %s --help'",
				      argc < current->min ? "too few" : "too many", current->name);
	rc = current->run(&o, argv + optind, argc);
	drop_pool();
	return rc;
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
	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help"))
		return argc < 2 ? (help(), EXIT_USAGE) : help();
	if (!strcmp(argv[1], "--version")) {
		puts("pinfold " PINFOLD_VERSION);
		return finish_output();
	}
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(argv[1], commands[i]->name))
			current = commands[i];
	if (!current)
		return complain_usage("no command '%s'; see 'pinfold --help'", argv[1]);
	return run(argc - 1, argv + 1);
}

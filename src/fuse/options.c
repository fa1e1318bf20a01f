/* What is said on the command line, and in fstab: operands and options in any order. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/mount.h"

/* ---- the options that -o knows --------------------------------------------------------------------- */

static bool set_flag(void *field, const char *value)
{
	*(bool *)field = true;
	return !value;
}

static bool set_seconds(void *field, const char *value)
{
	char *end;

	if (!value || !*value)
		return false;
	*(double *)field = strtod(value, &end);
	return !*end && *(double *)field >= 0 && *(double *)field < 1e9;
}

static bool set_number(void *field, const char *value)
{
	char *end;
	unsigned long number;

	if (!value || *value < '0' || *value > '9')
		return false;
	number = strtoul(value, &end, 10);
	*(unsigned *)field = (unsigned)number;
	return !*end && number < UINT32_MAX;
}

static bool set_count(void *field, const char *value)
{
	return set_number(field, value) && *(unsigned *)field > 0;
}

/* What the kernel or libfuse does; what only mount(8) and fstab mean. */
enum kind { OURS, PASSED, IGNORED };

static const struct {
	const char *name;
	enum kind kind;
	size_t field, given; /* given: a bool that says that there was one; 0: none */
	bool (*set)(void *field, const char *value);
} known[] = {
#define FIELD(name) offsetof(struct mount_options, name)
	{"ro", OURS, FIELD(readonly), 0, set_flag},
	{"rw", OURS, 0, 0, NULL},
	{"nonempty", OURS, FIELD(nonempty), 0, set_flag},
	{"uid", OURS, FIELD(uid), FIELD(has_uid), set_number},
	{"gid", OURS, FIELD(gid), FIELD(has_gid), set_number},
	{"entry_timeout", OURS, FIELD(entry_timeout), 0, set_seconds},
	{"negative_timeout", OURS, FIELD(negative_timeout), 0, set_seconds},
	{"attr_timeout", OURS, FIELD(attr_timeout), 0, set_seconds},
	{"threads", OURS, FIELD(threads), 0, set_count},
	{"max_open", OURS, FIELD(max_open), 0, set_count},
	{"max_open_user", OURS, FIELD(max_open_user), 0, set_count},
	{"allow_other", PASSED, 0, 0, NULL},
	{"allow_root", PASSED, 0, 0, NULL},
	{"auto_unmount", PASSED, 0, 0, NULL},
	{"suid", PASSED, 0, 0, NULL},
	{"nosuid", PASSED, 0, 0, NULL},
	{"dev", PASSED, 0, 0, NULL},
	{"nodev", PASSED, 0, 0, NULL},
	{"exec", PASSED, 0, 0, NULL},
	{"noexec", PASSED, 0, 0, NULL},
	{"atime", PASSED, 0, 0, NULL},
	{"noatime", PASSED, 0, 0, NULL},
	{"nodiratime", PASSED, 0, 0, NULL},
	{"relatime", IGNORED, 0, 0, NULL},
	{"sync", PASSED, 0, 0, NULL},
	{"async", PASSED, 0, 0, NULL},
	{"dirsync", PASSED, 0, 0, NULL},
	{"debug", PASSED, 0, 0, NULL},
	{"default_permissions", IGNORED, 0, 0, NULL},
	{"defaults", IGNORED, 0, 0, NULL},
	{"auto", IGNORED, 0, 0, NULL},
	{"noauto", IGNORED, 0, 0, NULL},
	{"user", IGNORED, 0, 0, NULL},
	{"nouser", IGNORED, 0, 0, NULL},
	{"users", IGNORED, 0, 0, NULL},
	{"owner", IGNORED, 0, 0, NULL},
	{"group", IGNORED, 0, 0, NULL},
	{"nofail", IGNORED, 0, 0, NULL},
	{"_netdev", IGNORED, 0, 0, NULL},
	{"comment", IGNORED, 0, 0, NULL},
#undef FIELD
};

static bool is_named(const char *option, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(option, name, n) && (!option[n] || option[n] == '=');
}

static int wrong(const char *option)
{
	mount_say("'%s' is not an option that it knows; 'pinfold mount --help' has them", option);
	return 2;
}

static int pass(struct fuse_args *args, const char *option)
{
	char text[256];

	if ((size_t)snprintf(text, sizeof text, "-o%s", option) >= sizeof text)
		return wrong(option);
	return fuse_opt_add_arg(args, text) ? 1 : 0;
}

static int take_option(struct mount_options *o, struct fuse_args *args, const char *option)
{
	const char *value = strchr(option, '=');

	if (!strncmp(option, "x-", 2)) /* of mount(8) and systemd */
		return 0;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (!is_named(option, known[i].name))
			continue;
		if (known[i].kind == PASSED)
			return value ? wrong(option) : pass(args, option);
		if (known[i].set &&
		    !known[i].set((char *)o + known[i].field, value ? value + 1 : NULL))
			return wrong(option);
		if (known[i].given)
			*((bool *)((char *)o + known[i].given)) = true;
		if (!strcmp(known[i].name, "rw"))
			o->readonly = false;
		return 0;
	}
	return wrong(option);
}

static int take_list(struct mount_options *o, struct fuse_args *args, const char *list)
{
	char *copy = strdup(list ? list : ""), *rest = copy, *option;
	int rc = copy ? 0 : 1;

	while (rc == 0 && (option = strsep(&rest, ",")))
		if (*option)
			rc = take_option(o, args, option);
	free(copy);
	return rc;
}

/* ---- the command line ------------------------------------------------------------------------------ */

static int take_operand(struct mount_options *o, char *text)
{
	char **operand = o->pool ? &o->directory : &o->pool;

	if (*operand) {
		mount_say("too many operands: '%s'", text);
		return 2;
	}
	*operand = text;
	return 0;
}

/* One word, or two: *i is at the last one that was used. */
static int take_word(struct mount_options *o, struct fuse_args *args, int argc, char **argv, int *i)
{
	char *word = argv[*i];

	if (!strncmp(word, "-o", 2)) {
		if (!word[2] && *i + 1 == argc) {
			mount_say("-o wants a value");
			return 2;
		}
		return take_list(o, args, word[2] ? word + 2 : argv[++*i]);
	}
	if (!strcmp(word, "-f")) {
		o->foreground = true;
		return 0;
	}
	return *word == '-' && word[1] ? wrong(word) : take_operand(o, word);
}

int options_parse(struct mount_options *o, struct fuse_args *args, int argc, char **argv)
{
	bool operands = false;
	int rc = 0;

	*o = (struct mount_options){.entry_timeout = 1,
				    .attr_timeout = 1,
				    .threads = 8,
				    .max_open = 262144,
				    .max_open_user = 65536};
	for (int i = 1; i < argc && rc == 0; i++)
		if (operands)
			rc = take_operand(o, argv[i]);
		else if (!strcmp(argv[i], "--"))
			operands = true;
		else
			rc = take_word(o, args, argc, argv, &i);
	if (rc == 0 && !o->directory) {
		mount_say("it wants a pool and a directory");
		rc = 2;
	}
	return rc;
}

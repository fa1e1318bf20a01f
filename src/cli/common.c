/* Messages, operands, sizes and output of all commands. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/hint.h"
#include "cli/progress.h"

static void begin_message(void)
{
	progress_hide();
	fflush(stdout);
	fprintf(stderr, "pinfold: %s%s", command_name() ? command_name() : "",
		command_name() ? ": " : "");
}

static void message(const char *format, va_list args)
{
	begin_message();
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	message(format, args);
	va_end(args);
	return EXIT_FAILED;
}

/* The pool that open_pool() opened, while it is the only one. */
static struct {
	pf_pool *pool;
	const char *path;
	unsigned count;
} opened;

static bool says(const char *said, int code)
{
	return strstr(said, pf_strerror(code)) != NULL;
}

/* The message is kept from what the hint does. */
static int complain_hint(const char *what, const char *(*hint)(const char *what))
{
	char said[512];

	snprintf(said, sizeof said, "%s", pf_message());
	if (strstr(said, what))
		return complain("%s%s", said, hint ? hint(what) : "");
	return complain("%s: %s%s", what, said, hint ? hint(what) : "");
}

static const char *hint_opened(const char *path)
{
	return hint_missing(opened.pool, opened.path, path);
}

int complain_pf(const char *what)
{
	bool missing = *what == '/' && opened.count == 1 && says(pf_message(), PF_ENOFILE);

	return complain_hint(what, missing ? hint_opened : NULL);
}

int complain_no_match(const char *pattern, const char *why)
{
	if (why)
		return complain("nothing matches '%s': %s", pattern, why);
	return complain("nothing matches '%s'%s", pattern,
			opened.count == 1 ? hint_opened(pattern) : "");
}

int complain_open(const char *path)
{
	return complain_hint(path, hint_pool);
}

int complain_operand(const char *operand)
{
	return complain_usage("'%s' is not POOL:/path%s", operand, hint_operand(operand));
}

int complain_mkfs(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return complain("%s is a directory; a pool is one file, as %s/pool", path, path);
	return complain_hint(path,
			     strstr(pf_message(), strerror(ENOSPC)) ? hint_room : hint_new_pool);
}

int complain_usage(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	message(format, args);
	va_end(args);
	return EXIT_USAGE;
}

bool split_operand(char *operand, char **pool, char **path)
{
	char *colon = strstr(operand, ":/");

	if (!colon || colon == operand || !strncmp(operand, "./", 2))
		return false;
	*colon = 0;
	*pool = operand;
	*path = colon + 1;
	return true;
}

bool parse_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	unsigned shift = 0;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*bytes = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || (end[1] && strcmp(end + 1, "iB") && strcmp(end + 1, "B")))
			return false;
		shift = 10 * (unsigned)(unit - units + 1);
	}
	if (*bytes > UINT64_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

const char *human(uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	static char text[4][32];
	static unsigned next;
	char *to = text[next++ % 4];
	double n = (double)bytes;
	unsigned u = 0;

	while (n >= 1024 && u < 5) {
		n /= 1024;
		u++;
	}
	snprintf(to, sizeof text[0], u ? "%.1f %s" : "%.0f %s", n, units[u]);
	return to;
}

const char *timestamp(uint64_t ns)
{
	static char text[2][32];
	static unsigned next;
	char *to = text[next++ % 2];
	time_t t = (time_t)(ns / 1000000000);
	struct tm tm;

	strftime(to, sizeof text[0], "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	return to;
}

/* A name has at most 255 bytes, a program's name fewer. */
const char *printable(const char *name)
{
	static char text[2][256];
	static unsigned next;
	char *to = text[next++ % 2];

	snprintf(to, sizeof text[0], "%s", name);
	for (char *c = to; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	return to;
}

/* Bytes of the character that begins at `c`, as far as its first byte tells. */
static size_t utf8_length(unsigned char c)
{
	return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

json_t *json_text(const char *text)
{
	char *valid, *to;
	json_t *json;

	if (!text)
		return json_null();
	valid = to = malloc(3 * strlen(text) + 1);
	while (valid && *text) {
		size_t n = utf8_length((unsigned char)*text);
		json_t *one = strnlen(text, n) == n ? json_stringn(text, n) : NULL;

		if (!one)
			n = 1;
		memcpy(to, one ? text : "\xef\xbf\xbd", one ? n : 3);
		to += one ? n : 3;
		text += n;
		json_decref(one);
	}
	json = valid ? json_stringn(valid, (size_t)(to - valid)) : NULL;
	free(valid);
	return json;
}

#define PATIENCE 500000000u /* ns before it is told what takes so long */

struct opening {
	const char *path;
	uint64_t begin; /* CLOCK_MONOTONIC ns */
	bool told;
};

static uint64_t mono_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* One line, written over and over. */
static void tell_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct opening *o = arg;

	if (mono_now() - o->begin < PATIENCE)
		return;
	o->told = true;
	fprintf(stderr, "\r%s: opening: %s, %lu of %lu (%lu %%)\033[K", o->path, what,
		(unsigned long)done, (unsigned long)total,
		(unsigned long)(total ? done * 100 / total : 0));
}

pf_pool *open_pool(const char *path, unsigned flags)
{
	struct opening o = {.path = path, .begin = mono_now()};
	pf_pool *pool;
	int rc;

	if (isatty(STDERR_FILENO))
		pf_on_progress(tell_progress, &o);
	rc = pf_pool_open(path, flags, &pool);
	pf_on_progress(NULL, NULL);
	if (o.told)
		fputc('\n', stderr);
	if (rc < 0) {
		complain_open(path);
		return NULL;
	}
	opened.pool = pool;
	opened.path = path;
	opened.count++;
	return pool;
}

/* The pools of one command, known by their files: one pool may be written in several ways. */
static struct kept {
	struct kept *next;
	pf_pool *pool;
	dev_t device;
	ino_t inode;
} * kept;

void drop_pools(void)
{
	while (kept) {
		struct kept *k = kept;

		kept = k->next;
		pf_pool_close(k->pool);
		free(k);
	}
}

pf_pool *keep_pool(const char *path)
{
	struct stat st = {0};
	struct kept *k;
	pf_pool *pool;

	if (stat(path, &st) == 0)
		for (k = kept; k; k = k->next)
			if (k->device == st.st_dev && k->inode == st.st_ino)
				return k->pool;
	pool = open_pool(path, PF_POOL_NO_THREAD);
	k = pool ? malloc(sizeof *k) : NULL;
	if (pool && !k) {
		pf_pool_close(pool);
		complain("no memory");
		return NULL;
	}
	if (k)
		*k = (struct kept){kept, pool, st.st_dev, st.st_ino};
	kept = k ? k : kept;
	return pool;
}

uint32_t creation_mask(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return mask;
}

int finish_output(void)
{
	if (fflush(stdout) || ferror(stdout))
		return complain("standard output: %s", strerror(errno));
	return EXIT_FINE;
}

int print_json(json_t *document)
{
	int rc;

	if (!document)
		return complain("no memory for the JSON document");
	rc = json_dumpf(document, stdout, JSON_INDENT(2));
	json_decref(document);
	putchar('\n');
	return rc < 0 ? complain("standard output: %s", strerror(errno)) : finish_output();
}

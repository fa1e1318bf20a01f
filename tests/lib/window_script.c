/* Steps of scripts of windows, see window.h. */
#include "window.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "test.h"

#define PAGE  4096ul
#define WORDS 8u
#define MOVED 8u

static struct {
	const struct window_fs *fs;
	char *arena, *moved; /* where the last remap without a target went */
	struct {
		char *at;
		uint64_t length;
	} outside[MOVED]; /* what is not in the arena */
	unsigned outside_count;
	unsigned count;
	char *word[WORDS];
} s;

/* ---- touching ------------------------------------------------------------------------------------------ */

static sigjmp_buf where;
static volatile sig_atomic_t touching;

static void on_fault(int sig)
{
	if (!touching) {
		signal(sig, SIG_DFL);
		return;
	}
	siglongjmp(where, sig);
}

static void catch_faults(void)
{
	struct sigaction act = {.sa_handler = on_fault};

	must(sigaction(SIGBUS, &act, NULL) == 0 && sigaction(SIGSEGV, &act, NULL) == 0);
}

/* NULL, or what it raised. */
static const char *touch(uint64_t *at, uint64_t *value, bool store)
{
	int sig = sigsetjmp(where, 1);

	if (sig) {
		touching = 0;
		return sig == SIGBUS ? "BUS" : "SEGV";
	}
	touching = 1;
	if (store)
		__atomic_store_n(at, *value, __ATOMIC_RELAXED);
	else
		*value = __atomic_load_n(at, __ATOMIC_RELAXED);
	touching = 0;
	return NULL;
}

/* ---- what bytes say ------------------------------------------------------------------------------------ */

/* The first and the last word of every page: its file and its number there. */
static uint64_t stamp(char letter, uint64_t page)
{
	return (uint64_t)(uint8_t)letter << 56 | (page + 1);
}

static char *say_word(char *out, uint64_t word, uint64_t pages)
{
	uint64_t page = (word & (UINT64_MAX >> 8)) - 1;

	if (!word)
		return out + sprintf(out, "0");
	return out + sprintf(out, "%c%lu", (char)(word >> 56), (unsigned long)(page / pages));
}

static char *say_unit(char *out, uint64_t first, uint64_t last)
{
	uint64_t pages = s.fs->unit() / PAGE;

	out = say_word(out, first, pages);
	if (first ? last != first + pages - 1 : last != 0) {
		*out++ = '|';
		out = say_word(out, last, pages);
	}
	return out;
}

static char *say_place(char *out, const char *at)
{
	const char *first_fault, *last_fault;
	uint64_t first = 0, last = 0;

	first_fault = touch((uint64_t *)(uintptr_t)at, &first, false);
	last_fault = touch((uint64_t *)(uintptr_t)(at + s.fs->unit() - 8), &last, false);
	if (!first_fault && !last_fault)
		return say_unit(out, first, last);
	if (first_fault && last_fault && !strcmp(first_fault, last_fault))
		return out + sprintf(out, "%s", first_fault);
	return out + sprintf(out, "%s|%s", first_fault ? first_fault : "there",
			     last_fault ? last_fault : "there");
}

static void fill_unit(char *unit, char letter, uint64_t number)
{
	uint64_t bytes = s.fs->unit(), pages = bytes / PAGE;

	memset(unit, 0, bytes);
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t word = stamp(letter, number * pages + i);

		memcpy(unit + i * PAGE, &word, 8);
		memcpy(unit + i * PAGE + PAGE - 8, &word, 8);
	}
}

static char *some_unit(void)
{
	static char *unit;

	if (!unit)
		unit = malloc(2ul << 20);
	must(unit != NULL);
	return unit;
}

/* ---- words --------------------------------------------------------------------------------------------- */

static uint64_t number(const char *word)
{
	uint64_t sum = 0;
	int sign = 1;

	while (*word) {
		char *end;
		uint64_t n = strtoul(word, &end, 10);

		if (end == word)
			test_fail(__FILE__, __LINE__, "no number: %s", word);
		if (*end == 'm' || *end == 'b')
			n *= *end++ == 'm' ? 2ul << 20 : 1;
		else
			n *= s.fs->unit();
		sum += sign > 0 ? n : -n;
		sign = *end == '-' ? -1 : 1;
		word = *end ? end + 1 : end;
	}
	return sum;
}

static const char *word(unsigned i)
{
	if (i >= s.count)
		test_fail(__FILE__, __LINE__, "%s: too few words", s.word[0]);
	return s.word[i];
}

static uint64_t length(unsigned i)
{
	return number(word(i));
}

static char *address(unsigned i)
{
	const char *at = word(i);

	if (*at != 'M')
		return s.arena + number(at);
	must(s.moved != NULL);
	return s.moved + (at[1] ? number(at + 2) : 0);
}

static unsigned file(unsigned i)
{
	must(word(i)[0] >= 'a' && word(i)[0] <= 'z' && !word(i)[1]);
	return (unsigned)(word(i)[0] - 'a');
}

static unsigned protection(const char *letters)
{
	return (strchr(letters, 'r') ? WINDOW_READ : 0) |
	       (strchr(letters, 'w') ? WINDOW_WRITE : 0) | (strchr(letters, 'x') ? WINDOW_EXEC : 0);
}

/* ---- steps --------------------------------------------------------------------------------------------- */

static long do_file(char *out)
{
	uint64_t n = length(2), unit = s.fs->unit();
	int rc = s.fs->make(file(1), n);

	(void)out;
	for (uint64_t i = 0; rc == 0 && i < n / unit; i++) {
		fill_unit(some_unit(), word(1)[0], i);
		rc = s.fs->fill(file(1), i * unit, some_unit(), unit);
	}
	return rc;
}

static long do_hole(char *out)
{
	(void)out;
	return s.fs->make(file(1), length(2));
}

static long do_ro(char *out)
{
	(void)out;
	return s.fs->reopen(file(1), false);
}

static long do_close(char *out)
{
	(void)out;
	return s.fs->close(file(1));
}

static long do_unlink(char *out)
{
	(void)out;
	return s.fs->unlink(file(1));
}

static long do_rename(char *out)
{
	(void)out;
	return s.fs->replace(file(1), file(2));
}

static void remember(char *at, uint64_t bytes)
{
	s.moved = at;
	if (at >= s.arena && at < s.arena + WINDOW_ARENA)
		return;
	must(s.outside_count < MOVED);
	s.outside[s.outside_count].at = at;
	s.outside[s.outside_count++].length = bytes;
}

/* map ADDRESS FILE OFFSET LENGTH PROTECTION [new] [populate] */
static long do_map(char *out)
{
	unsigned flags = protection(word(5)) | WINDOW_FIXED;
	char *got;

	(void)out;
	for (unsigned i = 6; i < s.count; i++)
		flags |= !strcmp(s.word[i], "new") ? WINDOW_NOREPLACE : WINDOW_POPULATE;
	return s.fs->map(file(2), address(1), length(4), flags, length(3), &got);
}

static long do_any(char *out)
{
	char *got;
	int rc = s.fs->map(file(1), NULL, length(3), protection(word(4)), length(2), &got);

	(void)out;
	if (rc == 0)
		remember(got, length(3));
	return rc;
}

static long do_unmap(char *out)
{
	(void)out;
	return s.fs->unmap(address(1), length(2));
}

static long do_protect(char *out)
{
	(void)out;
	return s.fs->protect(address(1), length(2), protection(word(3)));
}

/* remap ADDRESS LENGTH NEW-LENGTH stay|move|to [ADDRESS] */
static long do_remap(char *out)
{
	bool to = !strcmp(word(4), "to"), move = !strcmp(word(4), "move");
	unsigned flags = to ? WINDOW_MAYMOVE | WINDOW_TO : move ? WINDOW_MAYMOVE : 0;
	char *from = address(1), *got;
	int rc = s.fs->remap(from, length(2), length(3), flags, to ? address(5) : NULL, &got);

	if (rc < 0)
		return rc;
	if (move)
		remember(got, length(3));
	if (to ? got != address(5) : !move && got != from)
		sprintf(out, "elsewhere");
	return 0;
}

static long do_show(char *out)
{
	char *at = address(1);
	uint64_t n = length(2) / s.fs->unit();

	for (uint64_t i = 0; i < n; i++, at += s.fs->unit()) {
		out = say_place(out, at);
		if (i + 1 < n)
			*out++ = ' ';
	}
	*out = 0;
	return 0;
}

/* Stores into the unit as if it were that of a file: "put 3 z" makes it z3. */
static long do_put(char *out)
{
	uint64_t unit = s.fs->unit(), pages = unit / PAGE,
		 n = (uint64_t)(address(1) - (*word(1) == 'M' ? s.moved : s.arena)) / unit,
		 first = stamp(word(2)[0], n * pages), last = first + pages - 1;
	const char *fault = touch((uint64_t *)(uintptr_t)address(1), &first, true);

	if (!fault)
		fault = touch((uint64_t *)(uintptr_t)(address(1) + unit - 8), &last, true);
	if (fault)
		strcpy(out, fault);
	return 0;
}

static long do_read(char *out)
{
	uint64_t at = length(2), n = length(3) / s.fs->unit(), unit = s.fs->unit();

	for (uint64_t i = 0; i < n; i++, at += unit) {
		uint64_t first = 0, last = 0;
		ssize_t got = s.fs->read(file(1), some_unit(), unit, at);

		if (got < 0)
			return got;
		memset(some_unit() + got, 0, unit - (size_t)got);
		memcpy(&first, some_unit(), 8);
		memcpy(&last, some_unit() + unit - 8, 8);
		out = got ? say_unit(out, first, last) : out + sprintf(out, "end");
		if (i + 1 < n)
			*out++ = ' ';
	}
	*out = 0;
	return 0;
}

static long do_write(char *out)
{
	uint64_t unit = s.fs->unit(), first = length(2) / unit;
	ssize_t rc = 0;

	(void)out;
	for (uint64_t i = 0; rc >= 0 && i < length(3) / unit; i++) {
		fill_unit(some_unit(), word(4)[0], first + i);
		rc = s.fs->write(file(1), some_unit(), unit, (first + i) * unit);
	}
	return rc < 0 ? rc : 0;
}

static long do_size(char *out)
{
	int64_t n = s.fs->size(file(1)), unit = (int64_t)s.fs->unit();

	if (n >= 0)
		sprintf(out, n % unit ? "%ld+%ldb" : "%ld", (long)(n / unit), (long)(n % unit));
	return n;
}

static long do_truncate(char *out)
{
	(void)out;
	return s.fs->truncate(file(1), length(2));
}

static long do_punch(char *out)
{
	(void)out;
	return s.fs->punch(file(1), length(2), length(3));
}

static long do_alloc(char *out)
{
	(void)out;
	return s.fs->allocate(file(1), length(2), length(3));
}

static long do_sync(char *out)
{
	(void)out;
	return s.fs->sync(address(1), length(2));
}

static long do_hold(char *out)
{
	(void)out;
	return s.fs->hold(file(1), length(2));
}

static long do_held(char *out)
{
	uint64_t first, last;
	int rc = s.fs->held(&first, &last);

	if (rc == 0)
		*say_word(out, first, s.fs->unit() / PAGE) = 0;
	if (rc == 0 && s.fs->unit() == PAGE && first != last)
		strcat(out, " half");
	return rc;
}

static long do_drop(char *out)
{
	(void)out;
	return s.fs->drop();
}

static long do_pin(char *out)
{
	(void)out;
	return s.fs->pin(address(1), s.count > 2);
}

static long do_count(char *out)
{
	int n = s.fs->count(address(1));

	if (n >= 0)
		sprintf(out, "%d", n);
	return n;
}

struct listing {
	char *out;
	unsigned n;
};

static void list_one(void *arg, char *at, uint64_t bytes, unsigned flags, unsigned f,
		     uint64_t offset)
{
	struct listing *l = arg;
	uint64_t unit = s.fs->unit(), base = (uint64_t)(at - s.arena) / unit;

	l->out +=
		sprintf(l->out, "%s%lu-%lu %s%s%s%s%c%lu", l->n++ ? ", " : "", (unsigned long)base,
			(unsigned long)(base + bytes / unit), flags & WINDOW_READ ? "r" : "",
			flags & WINDOW_WRITE ? "w" : "", flags & WINDOW_EXEC ? "x" : "",
			flags ? " " : "- ", (char)('a' + f), (unsigned long)(offset / unit));
}

static long do_maps(char *out)
{
	struct listing l = {out, 0};
	int rc = s.fs->list(s.arena, s.arena + WINDOW_ARENA, list_one, &l);

	if (rc == 0 && !l.n)
		strcpy(out, "none");
	return rc;
}

/* Addresses become nobody's. */
static long do_free(char *out)
{
	(void)out;
	return munmap(address(1), length(2)) < 0 ? -errno : 0;
}

/* Something else is mapped there. */
static long do_other(char *out)
{
	char *at = mmap(address(1), length(2), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	(void)out;
	return at == MAP_FAILED ? -errno : 0;
}

static const struct {
	const char *name;
	long (*run)(char *out);
} verbs[] = {{"file", do_file},       {"hole", do_hole},         {"ro", do_ro},
	     {"close", do_close},     {"unlink", do_unlink},     {"rename", do_rename},
	     {"map", do_map},         {"any", do_any},           {"unmap", do_unmap},
	     {"protect", do_protect}, {"remap", do_remap},       {"show", do_show},
	     {"put", do_put},         {"read", do_read},         {"write", do_write},
	     {"size", do_size},       {"truncate", do_truncate}, {"punch", do_punch},
	     {"alloc", do_alloc},     {"sync", do_sync},         {"hold", do_hold},
	     {"held", do_held},       {"drop", do_drop},         {"pin", do_pin},
	     {"count", do_count},     {"maps", do_maps},         {"free", do_free},
	     {"other", do_other}};

bool window_step(const struct window_fs *fs, char *step, char *out)
{
	size_t verb = 0;
	char *rest;
	long rc;

	must(s.fs == fs);
	s.count = 0;
	for (char *w = strtok_r(step, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
		must(s.count < WORDS);
		s.word[s.count++] = w;
	}
	while (strcmp(verbs[verb].name, word(0)))
		if (++verb == sizeof verbs / sizeof *verbs)
			test_fail(__FILE__, __LINE__, "no step %s", step);
	*out = 0;
	rc = verbs[verb].run(out);
	if (rc == -ENOSYS)
		return false;
	if (rc < 0)
		strcpy(out, strerrorname_np((int)-rc));
	else if (!*out)
		strcpy(out, "ok");
	return true;
}

/* ---- a script's beginning and end ------------------------------------------------------------------------ */

static void make_arena(void)
{
	int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uint64_t huge = 2ul << 20;
	char *at = s.arena;

	if (!at) {
		at = mmap(NULL, WINDOW_ARENA + huge, PROT_NONE, how, -1, 0);
		must(at != MAP_FAILED);
		s.arena = at + (huge - (uintptr_t)at % huge) % huge;
	}
	must(mmap(s.arena, WINDOW_ARENA, PROT_NONE, how | MAP_FIXED, -1, 0) == s.arena);
}

void window_enter(const struct window_fs *fs)
{
	s.fs = fs;
	catch_faults();
	make_arena();
	fs->enter();
}

void window_leave(const struct window_fs *fs)
{
	must_be(fs->unmap(s.arena, WINDOW_ARENA), 0);
	for (unsigned i = 0; i < s.outside_count; i++)
		must_be(fs->unmap(s.outside[i].at, s.outside[i].length), 0);
	s.outside_count = 0;
	s.moved = NULL;
	fs->leave();
	make_arena();
}

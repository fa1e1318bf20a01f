/*
 * The line of a long copy. On a terminal it appears when the copy has taken half a second, is drawn at most ten times a second, never reaches
 * the last column, so that no terminal wraps it, and is wiped out by spaces before anything else is printed and at the end. Nothing is drawn
 * while the program is in the background. How much there is to copy is added up when the line appears, for half a second at most: of a
 * tree that is larger than that, or of a pipe, it shows what is done and how fast, and no share of the whole.
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/progress.h"

#define SECOND   1000000000u          /* ns */
#define PATIENCE (SECOND / 2)         /* before it is shown, and for adding up */
#define REDRAW   (SECOND / 10)        /* between two lines on a terminal, */
#define REPEAT   (uint64_t) SECOND    /* and in a file */
#define MEMORY   (3 * (double)SECOND) /* for how long the rate remembers */

enum { MOST_COLUMNS = 160, BAR_LEAST = 10, BAR_MOST = 32 };

const char *const progress_names[PROGRESS_WHENS] = {"auto", "always", "never"};

static struct {
	bool active, terminal;
	bool (*add_up)(struct progress_sum *sum); /* NULL: has been called */
	bool has_sum;
	struct progress_sum sum, done;  /* of all files; of those that are behind us */
	uint64_t at;                    /* in the file that is being copied */
	uint64_t begin, counting, next; /* CLOCK_MONOTONIC ns */
	uint64_t then, done_then;       /* when the rate was last looked at */
	double rate;                    /* bytes a second */
	size_t shown;                   /* columns that the line has now */
} p;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* ---- what the line says ---------------------------------------------------------------------------- */

static void measure_rate(uint64_t now, uint64_t done)
{
	double passed = (double)(now - p.then), rate;

	if (now == p.then)
		return;
	rate = (done > p.done_then ? (double)(done - p.done_then) : 0) * SECOND / passed;
	p.rate = p.then == p.begin ? rate : p.rate + (rate - p.rate) * passed / (passed + MEMORY);
	p.then = now;
	p.done_then = done;
}

/* Behind what `line` has, with two spaces between; not at all if that makes it longer than `room`. */
static void add(char *line, size_t room, const char *part)
{
	size_t n = strlen(line);

	if (*part && n + (n ? 2 : 0) + strlen(part) <= room)
		sprintf(line + n, "%s%s", n ? "  " : "", part);
}

static const char *time_left(char text[32], uint64_t bytes)
{
	double seconds = p.rate > 0 ? (double)bytes / p.rate : 1e9;
	unsigned s = seconds < 360000 ? (unsigned)(seconds + 0.5) : 0;

	*text = 0;
	if (seconds < 360000 && s < 3600)
		snprintf(text, 32, "%u:%02u left", s / 60, s % 60);
	else if (seconds < 360000)
		snprintf(text, 32, "%u:%02u:%02u left", s / 3600, s / 60 % 60, s % 60);
	return text;
}

static void add_files(char *line, size_t room)
{
	char part[64];

	if (p.has_sum && p.sum.files > 1)
		snprintf(part, sizeof part, "%lu/%lu files", (unsigned long)p.done.files,
			 (unsigned long)p.sum.files);
	else
		snprintf(part, sizeof part, "%lu files", (unsigned long)p.done.files);
	if (p.has_sum ? p.sum.files > 1 : p.done.files)
		add(line, room, part);
}

/* What is known, the less important the later; what has no room is left out. */
static void add_figures(char *line, size_t room, uint64_t done)
{
	char part[96];

	if (p.has_sum)
		snprintf(part, sizeof part, "%s of %s", human(done), human(p.sum.bytes));
	else
		snprintf(part, sizeof part, "%s", human(done));
	add(line, room, part);
	snprintf(part, sizeof part, "%s/s", human((uint64_t)p.rate));
	add(line, room, part);
	if (p.has_sum)
		add(line, room, time_left(part, p.sum.bytes - done));
	add_files(line, room);
}

static void add_bar(char *line, size_t room, unsigned percent)
{
	char part[BAR_MOST + 1] = {0};
	size_t n = room < strlen(line) + 2 ? 0 : room - strlen(line) - 2;

	n = n < BAR_MOST ? n : BAR_MOST;
	if (n < BAR_LEAST)
		return;
	memset(part, '-', n);
	memset(part + 1, '#', (n - 2) * percent / 100);
	part[0] = '[';
	part[n - 1] = ']';
	add(line, room, part);
}

/* `line` has room for MOST_COLUMNS and a NUL. */
static void compose(char *line, size_t columns, uint64_t done)
{
	unsigned percent = p.sum.bytes ? (unsigned)((double)done * 100 / (double)p.sum.bytes) : 100;
	char head[8], figures[MOST_COLUMNS + 1] = "";
	size_t bar = p.terminal ? BAR_LEAST + 2 : 0;

	*line = 0;
	if (!p.has_sum) {
		add_figures(line, columns, done);
		return;
	}
	snprintf(head, sizeof head, "%3u%%", percent < 100 ? percent : 100);
	add(line, columns, head);
	add_figures(figures, columns < 6 + bar ? 0 : columns - 6 - bar, done);
	if (!*figures) /* a narrow terminal: they are worth more than the bar */
		add_figures(figures, columns < 6 ? 0 : columns - 6, done);
	if (bar)
		add_bar(line, columns - (*figures ? strlen(figures) + 2 : 0), percent);
	add(line, columns, figures);
}

/* ---- the terminal ---------------------------------------------------------------------------------- */

/* The last one stays empty: with it some terminals begin the next line. */
static size_t columns_to_use(void)
{
	struct winsize size;
	size_t n = 80;

	if (p.terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		n = size.ws_col;
	return n - 1 < MOST_COLUMNS ? n - 1 : MOST_COLUMNS;
}

static bool in_foreground(void)
{
	pid_t group = tcgetpgrp(STDERR_FILENO);

	return group < 0 || group == getpgrp();
}

/* Over the line that is there, in one write. Spaces: there are terminals that cannot erase. */
static void show(const char *line)
{
	size_t n = strlen(line), rest = p.shown > n ? p.shown - n : 0;

	if (!p.terminal)
		fprintf(stderr, "%s\n", line);
	else if (n || rest)
		fprintf(stderr, "\r%s%*s%s", line, (int)rest, "", n ? "" : "\r");
	p.shown = p.terminal ? n : 0;
}

static void draw(uint64_t now)
{
	uint64_t done = p.done.bytes + p.at;
	char line[MOST_COLUMNS + 1];

	if (p.add_up) {
		p.counting = now;
		p.has_sum = p.add_up(&p.sum);
		p.add_up = NULL;
		now = now_ns();
	}
	if (p.has_sum && done > p.sum.bytes)
		p.sum.bytes = done; /* a file has grown */
	measure_rate(now, done);
	p.next = now + (p.terminal ? REDRAW : REPEAT);
	if (p.terminal && !in_foreground())
		return;
	compose(line, columns_to_use(), done);
	show(line);
}

static void draw_if_due(void)
{
	uint64_t now;

	if (p.active && (now = now_ns()) >= p.next)
		draw(now);
}

/* ---- the copy -------------------------------------------------------------------------------------- */

void progress_begin(enum progress_when when, bool (*add_up)(struct progress_sum *sum))
{
	memset(&p, 0, sizeof p);
	p.terminal = isatty(STDERR_FILENO);
	p.active = when == PROGRESS_ALWAYS || (when == PROGRESS_AUTO && p.terminal);
	p.add_up = add_up;
	p.begin = p.then = now_ns();
	p.next = p.begin + (when == PROGRESS_AUTO ? PATIENCE : 0);
}

bool progress_counting(void)
{
	return now_ns() - p.counting < PATIENCE;
}

void progress_at(uint64_t at)
{
	p.at = at;
	draw_if_due();
}

void progress_file(uint64_t bytes)
{
	p.at = 0;
	p.done.bytes += bytes;
	p.done.files++;
	draw_if_due();
}

void progress_hide(void)
{
	if (p.shown)
		show("");
}

void progress_stop(void)
{
	progress_hide();
	p.active = false;
}

void progress_end(void)
{
	if (p.active && !p.terminal)
		draw(now_ns()); /* what it was in all */
	progress_stop();
}

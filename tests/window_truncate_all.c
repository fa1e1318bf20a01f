/* What leaves a file leaves the windows of every process: with a service thread, with pf_pump(), one that never pumps, a stopped one, a killed one. */
/* test: suite=short timeout=120 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "pool.h"

#define PAGE  4096ul
#define PAGES 6ul
#define ID    7u

static const char *path;

/* ---- a process that has a window --------------------------------------------------------------------------- */

struct owner {
	pid_t pid;
	int ask, answer;
};

struct start {
	unsigned flags;
	int ask, answer;
	bool write;
};

static sigjmp_buf where;

static void on_fault(int sig)
{
	siglongjmp(where, sig);
}

/* 'f': the file's bytes; '0': zeros; 'B', 'S': it raised SIGBUS, SIGSEGV; '?': bytes of nobody. */
static char look(const uint8_t *window, uint64_t index)
{
	static const uint8_t zeros[PAGE];
	uint8_t copy[PAGE];
	int sig = sigsetjmp(where, 1);

	if (sig)
		return sig == SIGBUS ? 'B' : 'S';
	memcpy(copy, window + index * PAGE, PAGE);
	if (!memcmp(copy, zeros, PAGE))
		return '0';
	return pattern_differs(copy, PAGE, ID, index * PAGE) == PAGE ? 'f' : '?';
}

/* '0' .. '5': looks at a page; 'm': whether the direct map is stale; 'p': pumps; 's': stores into page 5. */
static char obey(pf_pool *pool, uint8_t *window, pf_map *map, char what)
{
	switch (what) {
	case 'm':
		return pf_map_stale(map) ? 'y' : 'n';
	case 'p':
		OK(pf_pump(pool, 0));
		return '.';
	case 's':
		pattern_fill(window + 5 * PAGE, PAGE, ID, 5 * PAGE);
		return '.';
	default:
		return look(window, (uint64_t)(what - '0'));
	}
}

static int own(void *arg)
{
	const struct start *s = arg;
	struct sigaction act = {.sa_handler = on_fault};
	pf_pool *pool;
	pf_file *file;
	pf_map *map;
	void *window;
	char c;

	must(sigaction(SIGBUS, &act, NULL) == 0 && sigaction(SIGSEGV, &act, NULL) == 0);
	OK(pf_pool_open(path, s->flags, &pool));
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	OK(pf_window_map(file, NULL, PAGES * PAGE, PF_MAP_READ | (s->write ? PF_MAP_WRITE : 0), 0,
			 &window));
	OK(pf_map_file(file, 3 * PAGE, PAGE, PF_MAP_READ, &map));
	OK(pf_close(file));
	must(write(s->answer, "!", 1) == 1);
	while (read(s->ask, &c, 1) == 1) {
		c = obey(pool, window, map, c);
		must(write(s->answer, &c, 1) == 1);
	}
	OK(pf_unmap(map));
	OK(pf_window_unmap(pool, window, PAGES * PAGE));
	OK(pf_pool_close(pool));
	return 0;
}

static char answer(const struct owner *o)
{
	char c;

	must(read(o->answer, &c, 1) == 1);
	return c;
}

static struct owner start(unsigned flags, bool write)
{
	int ask[2], answers[2];
	struct owner o;

	must(pipe(ask) == 0 && pipe(answers) == 0);
	o = (struct owner){0, ask[1], answers[0]};
	struct start s = {flags, ask[0], answers[1], write};
	o.pid = test_fork(own, &s);
	close(ask[0]);
	close(answers[1]);
	must(answer(&o) == '!');
	return o;
}

/* Kills it, as the others may still have its pipe. */
static void end(struct owner *o)
{
	test_kill(o->pid);
	close(o->ask);
	close(o->answer);
}

static char ask(const struct owner *o, char what)
{
	must(write(o->ask, &what, 1) == 1);
	return answer(o);
}

/* All pages of its window must look so. */
static void sees(const struct owner *o, const char *wanted, const char *when)
{
	char seen[PAGES + 1] = "";

	for (unsigned i = 0; i < PAGES; i++)
		seen[i] = ask(o, (char)('0' + i));
	if (strcmp(seen, wanted) != 0)
		test_fail(__FILE__, __LINE__, "%s: it sees %s, not %s", when, seen, wanted);
}

/* ---- all processes ------------------------------------------------------------------------------------------ */

static pf_file *begin(pf_pool *pool)
{
	pf_file *file;

	pattern_file(pool, "f", PAGES * PAGE, ID);
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	return file;
}

static void finish(pf_pool *pool, pf_file *file, const char *what)
{
	OK(pf_close(file));
	pool_check(pool, what);
	pool_empty(pool, what);
}

static void all_processes(pf_pool *pool)
{
	struct owner o[4] = {start(0, true), start(0, false), start(0, true), start(0, false)};
	pf_file *file;

	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	for (unsigned i = 0; i < ARRAY_SIZE(o); i++) {
		sees(&o[i], "ffffff", "mapped");
		must(ask(&o[i], 'm') == 'n');
	}
	OK(pf_punch(file, PAGE, PAGE, PF_DETACH, 0));
	for (unsigned i = 0; i < ARRAY_SIZE(o); i++) {
		sees(&o[i], "f0ffff", "punched");
		must(ask(&o[i], 'm') == 'y');
	}
	OK(pf_truncate(file, 2 * PAGE, PF_DETACH, 0));
	for (unsigned i = 0; i < ARRAY_SIZE(o); i++) {
		sees(&o[i], "f0BBBB", "cut");
	}
	OK(pf_truncate(file, PAGES * PAGE, PF_DETACH, 0));
	for (unsigned i = 0; i < ARRAY_SIZE(o); i++)
		sees(&o[i], "f00000", "longer again");
	must(ask(&o[0], 's') == '.');
	for (unsigned i = 0; i < ARRAY_SIZE(o); i++)
		sees(&o[i], "f0000f", "stored");
	OK(pf_truncate(file, 0, PF_DETACH, 0));
	for (unsigned i = 0; i < ARRAY_SIZE(o); i++)
		sees(&o[i], "BBBBBB", "empty");
	for (unsigned i = 0; i < ARRAY_SIZE(o); i++)
		end(&o[i]);
	finish(pool, file, "all processes");
}

/* The pages that it still shows are not given to anybody, and go when it has looked. */
static void never_pumps(pf_pool *pool)
{
	struct owner o = start(PF_POOL_NO_THREAD, true);
	uint64_t orphans;
	pf_file *file;
	double begin_time;

	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	begin_time = now();
	OK(pf_truncate(file, 2 * PAGE, PF_DETACH, 0));
	must(now() - begin_time < 1.0);
	pattern_file(pool, "other", 3ul << 20, 8);
	sees(&o, "ffffff", "before it pumps");
	orphans = pool_info(pool).pages_orphan;
	must(orphans >= PAGES - 2);
	ask(&o, 'p');
	sees(&o, "ffBBBB", "after it pumped");
	must(pool_info(pool).pages_orphan < PAGES - 2); /* of its direct map: a folio */
	/* Who let a wait pass is waited for again once it has pumped. */
	OK(pf_truncate(file, PAGES * PAGE, PF_DETACH, 0));
	sees(&o, "ffBBBB", "longer, before it pumps");
	begin_time = now();
	for (unsigned i = 0; i < 100; i++)
		OK(pf_punch(file, 0, PAGE, PF_DETACH, 0));
	must(now() - begin_time < 2.0); /* it is deaf: 100 waits would be 5 s */
	ask(&o, 'p');
	sees(&o, "0f0000", "pumped again");
	end(&o);
	finish(pool, file, "never pumps");
}

static void wait_until_it_sees(const struct owner *o, char page, char wanted)
{
	double end_time = now() + TEST_PATIENCE * 1e-3;

	while (ask(o, page) != wanted)
		must(now() < end_time);
}

static void stopped(pf_pool *pool)
{
	struct owner o = start(0, true), beside = start(0, false);
	double begin_time;
	pf_file *file;

	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	must(kill(o.pid, SIGSTOP) == 0);
	test_wait_stopped(o.pid);
	begin_time = now();
	for (unsigned i = 0; i < 100; i++) {
		OK(pf_truncate(file, 2 * PAGE, PF_DETACH, 0));
		OK(pf_truncate(file, PAGES * PAGE, PF_DETACH, 0));
	}
	must(now() - begin_time < 5.0); /* 200 waits would be 10 s */
	sees(&beside, "ff0000", "beside a stopped one");
	must(pool_info(pool).pages_orphan >= PAGES - 2);
	pattern_file(pool, "other", 3ul << 20, 8);
	must(kill(o.pid, SIGCONT) == 0);
	wait_until_it_sees(&o, '2', '0');
	sees(&o, "ff0000", "continued");
	OK(pf_truncate(file, 0, PF_DETACH, 0));
	sees(&o, "BBBBBB", "empty");
	end(&o);
	end(&beside);
	finish(pool, file, "stopped");
}

static void killed(pf_pool *pool)
{
	struct owner o = start(0, true), never = start(PF_POOL_NO_THREAD, true);
	pf_file *file;

	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	must(kill(o.pid, SIGSTOP) == 0);
	test_wait_stopped(o.pid);
	OK(pf_truncate(file, PAGE, PF_DETACH, 0));
	must(pool_info(pool).pages_orphan >= PAGES - 1);
	end(&o);
	end(&never);
	OK(pf_reap(pool));
	must_be(pool_info(pool).pages_orphan, 0);
	finish(pool, file, "killed");
}

/* The last name goes while windows show the file: it lives on in them, and its pages are free when the last has gone. */
static void removed(pf_pool *pool)
{
	struct owner o[2] = {start(0, true), start(PF_POOL_NO_THREAD, true)};
	pf_file *file;

	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	OK(pf_unlink(pool, "f"));
	OK(pf_close(file));
	OK(pf_wait_space(pool, PAGE, -1));
	sees(&o[0], "ffffff", "removed");
	sees(&o[1], "ffffff", "removed");
	must(ask(&o[1], 's') == '.');
	sees(&o[0], "ffffff", "removed, stored");
	end(&o[0]);
	end(&o[1]);
	OK(pf_reap(pool));
	pool_check(pool, "removed");
	pool_empty(pool, "removed");
}

int main(void)
{
	static void (*const cases[])(pf_pool *) = {all_processes, never_pumps, stopped, killed,
						   removed};
	pf_pool *pool;

	path = pool_make("pool", 16);
	pool = pool_open(path);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		OK(pf_close(begin(pool)));
		cases[i](pool);
	}
	OK(pf_pool_close(pool));
	return 0;
}

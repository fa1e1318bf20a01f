/* info, mkfs, reap, fsck, recover. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/hint.h"

/* ---- info ------------------------------------------------------------------------------------------ */

static json_t *info_json(const char *path, const struct pf_info *i)
{
	return json_pack(
		"{s:i, s:o, s:s, s:s, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I}, s:{s:I, s:I}, s:i, s:{s:o, s:I}, s:s?}",
		"schema", 1, "pool", json_text(path), "device", i->device, "durability",
		i->durability, "size", (json_int_t)i->size, "granule", (json_int_t)i->granule,
		"host_page_size", (json_int_t)i->host_page_size, "pages", "total",
		(json_int_t)i->pages_total, "free", (json_int_t)i->pages_free, "member",
		(json_int_t)i->pages_member, "orphan", (json_int_t)i->pages_orphan, "quarantine",
		(json_int_t)i->pages_quarantine, "inodes", "total", (json_int_t)i->inodes_total,
		"free", (json_int_t)i->inodes_free, "processes", (int)i->processes, "runtime",
		"path", json_text(i->runtime_path), "bytes", (json_int_t)i->runtime_bytes,
		"huge_hint", i->huge_hint);
}

static void print_pages(const char *what, uint64_t pages)
{
	printf("  %-12s %10lu pages  %12s\n", what, (unsigned long)pages,
	       human(pages * PF_PAGE_SIZE));
}

static int print_info(const char *path, const struct pf_info *i)
{
	printf("pool         %s\n", path);
	printf("device       %s, %s, %s\n", i->device, i->durability, human(i->size));
	printf("pages        host %s, granule %s\n", human(i->host_page_size), human(i->granule));
	if (i->huge_hint)
		printf("             for huge pages: %s\n", i->huge_hint);
	print_pages("total", i->pages_total);
	print_pages("free", i->pages_free);
	print_pages("in files", i->pages_member);
	print_pages("orphaned", i->pages_orphan);
	print_pages("quarantine", i->pages_quarantine);
	printf("files        %lu of at most %lu\n",
	       (unsigned long)(i->inodes_total - i->inodes_free), (unsigned long)i->inodes_total);
	printf("processes    %u, this one included\n", i->processes);
	printf("runtime      %s, %s\n", i->runtime_path[0] ? i->runtime_path : "memfd",
	       human(i->runtime_bytes));
	return finish_output();
}

static int show_info(pf_pool *pool, const char *path, bool json)
{
	struct pf_info info;

	if (pf_info(pool, &info) < 0)
		return complain_pf(path);
	return json ? print_json(info_json(path, &info)) : print_info(path, &info);
}

static int run_info(const struct options *o, char **operands, int count)
{
	pf_pool *pool = open_pool(operands[0], 0);
	int rc;

	(void)count;
	if (!pool)
		return EXIT_FAILED;
	rc = show_info(pool, operands[0], o->json);
	pf_pool_close(pool);
	return rc;
}

const struct command cmd_info = {"info",
				 "json",
				 1,
				 1,
				 run_info,
				 "shows size, use and page size of a pool\n"
				 "usage: pinfold info POOL [--json]\n"
				 "Example: pinfold info /dev/shm/pool --json"};

/* ---- mkfs ------------------------------------------------------------------------------------------ */

/* A device has a size of its own. */
static bool is_device(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISCHR(st.st_mode);
}

/* The file that is being made: Ctrl-C while its memory is reserved removes it. */
static const char *volatile unfinished;

static void on_signal(int signal)
{
	(void)signal;
	if (unfinished)
		unlink(unfinished);
	_exit(EXIT_FAILED);
}

static void remove_if_interrupted(const char *path)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct stat st;

	if (lstat(path, &st) == 0)
		return;
	unfinished = path;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

/* A pool that leaves no room for its runtime is fine, but nobody can open it like that. */
static void warn_of_runtime(void)
{
	const char *directory = hint_no_runtime();

	if (directory)
		complain(
			"made, but %s has less than 1 MiB left for its users' runtime; make it smaller, or set PINFOLD_RUNTIME_DIR",
			directory);
}

static int run_mkfs(const struct options *o, char **operands, int count)
{
	struct pf_mkfs_options mkfs = {
		.size = o->size,
		.inodes = o->inodes,
		.flags = (o->sparse ? PF_MKFS_SPARSE : 0) | (o->is_volatile ? PF_MKFS_VOLATILE : 0),
	};

	if (!o->size && !is_device(operands[0]))
		return complain_usage("--size says how large the pool is, as in --size 1G");
	remove_if_interrupted(operands[0]);
	if (pf_mkfs(operands[0], &mkfs) < 0)
		return complain_mkfs(operands[0]);
	unfinished = NULL;
	warn_of_runtime();
	return o->json ? run_info(o, operands, count) : EXIT_FINE;
}

const struct command cmd_mkfs = {
	"mkfs",
	"size inodes sparse durability json",
	1,
	1,
	run_mkfs,
	"makes a pool\n"
	"usage: pinfold mkfs POOL --size SIZE [--inodes N] [--sparse] [--durability volatile] [--json]\n"
	"POOL is a new file on tmpfs, hugetlbfs or a DAX file system, or a /dev/dax node (no --size: all of it).\n"
	"What is at POOL already is never touched. --json shows what was made, as 'pinfold info --json'.\n"
	"Example: pinfold mkfs /dev/shm/pool --size 256M"};

/* ---- reap ------------------------------------------------------------------------------------------ */

static int run_reap(const struct options *o, char **operands, int count)
{
	pf_pool *pool = open_pool(operands[0], PF_POOL_NO_THREAD);
	struct pf_info info;
	int reaped;

	(void)count;
	if (!pool)
		return EXIT_FAILED;
	reaped = pf_reap(pool);
	if (reaped < 0 || pf_info(pool, &info) < 0) {
		complain_pf(operands[0]);
		pf_pool_close(pool);
		return EXIT_FAILED;
	}
	pf_pool_close(pool);
	if (o->json)
		return print_json(json_pack("{s:i, s:i, s:I}", "schema", 1, "reaped", reaped,
					    "quarantine",
					    (json_int_t)info.pages_quarantine * PF_PAGE_SIZE));
	printf("reaped %d killed process%s\n", reaped, reaped == 1 ? "" : "es");
	if (info.pages_quarantine)
		printf("%s stay in quarantine for a time: a process that is alive has registered the pool's memory, or it cannot be replaced\n",
		       human(info.pages_quarantine * PF_PAGE_SIZE));
	return finish_output();
}

const struct command cmd_reap = {
	"reap",
	"json",
	1,
	1,
	run_reap,
	"gives back what killed processes held\n"
	"usage: pinfold reap POOL [--json]\n"
	"Returns after everything that can leave quarantine has left. (Processes that have the pool open do this by themselves.)\n"
	"Example: pinfold reap /dev/shm/pool"};

/* ---- fsck ------------------------------------------------------------------------------------------ */

static void note_violation(void *arg, const char *rule, const char *text)
{
	json_array_append_new(arg, json_pack("{s:s, s:o}", "rule", rule, "text", json_text(text)));
}

static int check_live(const char *path, json_t *violations)
{
	pf_pool *pool = open_pool(path, 0);
	int rc;

	if (!pool)
		return -1;
	rc = pf_check(pool, note_violation, violations);
	if (rc < 0)
		complain_pf(path);
	pf_pool_close(pool);
	return rc;
}

/* Beside users its media alone is in motion. If it is not known whether there are any, the media is all there is to look at. */
static int check(const char *path, bool *live, json_t *violations)
{
	int rc = -EBUSY;

	for (unsigned tries = 0; rc == -EBUSY && tries < 10; tries++) {
		if (*live || pf_in_use(path) == 1) {
			*live = true;
			return check_live(path, violations);
		}
		json_array_clear(violations);
		rc = pf_fsck(path, note_violation, violations);
	}
	if (rc < 0)
		complain_open(path);
	return rc;
}

static int print_violations(const json_t *violations)
{
	const json_t *v;
	size_t i;

	json_array_foreach(violations, i, v)
		printf("%s: %s\n", json_string_value(json_object_get(v, "rule")),
		       json_string_value(json_object_get(v, "text")));
	if (!i)
		puts("clean");
	return finish_output();
}

static int run_fsck(const struct options *o, char **operands, int count)
{
	json_t *violations = json_array();
	bool live = o->live, clean;
	int rc = check(operands[0], &live, violations);

	(void)count;
	if (rc < 0) {
		json_decref(violations);
		return EXIT_FAILED;
	}
	clean = rc == 0;
	rc = o->json ? print_json(json_pack("{s:i, s:b, s:b, s:O}", "schema", 1, "live", live,
					    "clean", clean, "violations", violations))
		     : print_violations(violations);
	json_decref(violations);
	return rc == EXIT_FINE && clean ? EXIT_FINE : EXIT_FAILED;
}

const struct command cmd_fsck = {
	"fsck",
	"live json",
	1,
	1,
	run_fsck,
	"checks a pool\n"
	"usage: pinfold fsck POOL [--live] [--json]\n"
	"Nobody has it open: reads the media and changes nothing. Otherwise, or with --live: opens the pool and checks\n"
	"all rules beside its users. Exit code 1 if anything is wrong.\n"
	"Example: pinfold fsck /dev/shm/pool"};

/* ---- recover --------------------------------------------------------------------------------------- */

static int run_recover(const struct options *o, char **operands, int count)
{
	pf_pool *pool = open_pool(operands[0], o->force ? PF_POOL_FORCE : 0);
	int rc;

	(void)count;
	if (!pool)
		return EXIT_FAILED;
	rc = o->json ? show_info(pool, operands[0], true) : EXIT_FINE;
	pf_pool_close(pool);
	return rc;
}

const struct command cmd_recover = {
	"recover",
	"recover.force json",
	1,
	1,
	run_recover,
	"opens and closes a pool, which recovers it\n"
	"usage: pinfold recover POOL [--force] [--json]\n"
	"--force takes a pool whose runtime is lost, or that another machine left open. Only when nobody uses it.\n"
	"--json shows the pool afterwards, as 'pinfold info --json'.\n"
	"Example: pinfold recover /dev/shm/pool --force"};

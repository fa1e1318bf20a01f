/* evict: asks a process, or all, for what they hold, and says what they keep. */
#include <signal.h>
#include <string.h>

#include "cli/cli.h"

#define PATIENCE_MS 5000 /* without --timeout */

struct kept {
	const struct options *o;
	json_t *holds;
	uint64_t bytes;
};

static int note_kept(void *arg, const struct pf_holder *h)
{
	struct kept *k = arg;

	k->bytes += h->bytes;
	json_array_append_new(k->holds, holder_object(h));
	if (!k->o->json) {
		printf("still held: %s of %s by %s of process %d\n", human(h->bytes),
		       h->name ? printable(h->name) : "a removed file", hold_kind(h->kind),
		       (int)h->pid);
		fflush(stdout); /* the wait goes on */
	}
	return 0;
}

/* A document has what is held at the end; this process holds nothing. */
static int evict_all(pf_pool *pool, int timeout_ms, struct kept *kept)
{
	int left = pf_evict_all(pool, timeout_ms, kept->o->json ? NULL : note_kept, kept);
	int rc = left > 0 && kept->o->json ? pf_holders(pool, note_kept, kept) : 0;

	return rc < 0 ? rc : left;
}

static json_t *whose(const struct options *o)
{
	return o->all ? json_null() : json_integer((json_int_t)o->pid);
}

static int evict(pf_pool *pool, const struct options *o)
{
	struct kept kept = {o, json_array(), 0};
	int timeout = o->timeout_ms < 0 ? PATIENCE_MS : (int)o->timeout_ms;
	int left = o->all ? evict_all(pool, timeout, &kept)
			  : pf_evict(pool, (pid_t)o->pid, timeout, note_kept, &kept);
	int rc;

	if (left < 0) {
		json_decref(kept.holds);
		return complain("%s", pf_message());
	}
	if (o->json) {
		rc = print_json(json_pack("{s:i, s:o, s:I, s:o}", "schema", 1, "pid", whose(o),
					  "bytes", (json_int_t)kept.bytes, "holders", kept.holds));
	} else {
		json_decref(kept.holds);
		if (!left && o->all)
			puts("nobody holds anything");
		else if (!left)
			printf("process %ld holds nothing\n", o->pid);
		rc = finish_output();
	}
	return left && rc == EXIT_FINE ? EXIT_FAILED : rc;
}

static int run_evict(const struct options *o, char **operands, int count)
{
	pf_pool *pool;
	int rc;

	(void)count;
	if ((o->pid != 0) == o->all)
		return complain_usage(
			"either --pid says whose holds, or --all; 'pinfold who %s' shows them",
			operands[0]);
	pool = open_pool(operands[0], PF_POOL_NO_THREAD);
	if (!pool)
		return EXIT_FAILED;
	rc = evict(pool, o);
	pf_pool_close(pool);
	return rc;
}

const struct command cmd_evict = {
	"evict",
	"json pid evict.all evict.timeout",
	1,
	1,
	run_evict,
	"asks a process to give back what it holds\n"
	"usage: pinfold evict POOL --pid PID|--all [--timeout MILLISECONDS] [--json]\n"
	"Windows are taken away: touching them raises SIGBUS. Pins that asked for notices get one; they and maps stay until they are given\n"
	"back. Waits until the process holds nothing, at most 5 seconds or as --timeout says, then lists what it still holds and ends with 1.\n"
	"--all: before the pool is removed, everybody; says after one second who holds what, and goes on waiting.\n"
	"Example: pinfold hold /dev/shm/pool:/model.bin --pin --give-back & sleep 1; pinfold evict /dev/shm/pool --pid $!"};

/* evict: asks a process for what it holds, and says what it keeps. */
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
	if (!k->o->json)
		printf("still held: %s of %s by %s of process %d\n", human(h->bytes),
		       h->name ? printable(h->name) : "a removed file", hold_kind(h->kind),
		       (int)h->pid);
	return 0;
}

static int evict(pf_pool *pool, const struct options *o)
{
	struct kept kept = {o, json_array(), 0};
	int timeout = o->timeout_ms < 0 ? PATIENCE_MS : (int)o->timeout_ms;
	int left = pf_evict(pool, (pid_t)o->pid, timeout, note_kept, &kept), rc;

	if (left < 0) {
		json_decref(kept.holds);
		return complain("%s", pf_message());
	}
	if (o->json) {
		rc = print_json(json_pack("{s:i, s:I, s:I, s:o}", "schema", 1, "pid",
					  (json_int_t)o->pid, "bytes", (json_int_t)kept.bytes,
					  "holders", kept.holds));
	} else {
		json_decref(kept.holds);
		if (!left)
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
	if (!o->pid)
		return complain_usage("--pid says whose holds; 'pinfold who %s' shows them",
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
	"json pid evict.timeout",
	1,
	1,
	run_evict,
	"asks a process to give back what it holds\n"
	"usage: pinfold evict POOL --pid PID [--timeout MILLISECONDS] [--json]\n"
	"Pins that asked for notices get one; nothing is taken away. Waits until the process holds nothing, at most 5 seconds or as\n"
	"--timeout says, then lists what it still holds and ends with 1.\n"
	"Example: pinfold hold /dev/shm/pool:/model.bin --pin --give-back & sleep 1; pinfold evict /dev/shm/pool --pid $!"};

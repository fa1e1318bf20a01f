/* maps: the windows of a process, as /proc/PID/maps has its mappings. */
#include <string.h>

#include "cli/cli.h"

static const char *rights(unsigned flags)
{
	static char text[4];

	text[0] = flags & PF_MAP_READ ? 'r' : '-';
	text[1] = flags & PF_MAP_WRITE ? 'w' : '-';
	text[2] = flags & PF_MAP_EXEC ? 'x' : '-';
	return text;
}

static int window_json(void *arg, const struct pf_window *w)
{
	json_array_append_new(
		arg, json_pack("{s:I, s:I, s:s, s:o, s:I, s:I, s:I, s:{s:I, s:I, s:I}, s:b, s:b}",
			       "address", (json_int_t)w->address, "length", (json_int_t)w->length,
			       "rights", rights(w->flags), "path", json_text(w->name), "inode",
			       (json_int_t)w->inode, "offset", (json_int_t)w->offset, "resident",
			       (json_int_t)w->resident, "leaves", "4k", (json_int_t)w->leaf[0],
			       "2m", (json_int_t)w->leaf[1], "1g", (json_int_t)w->leaf[2], "stale",
			       w->stale, "evicted", w->evicted));
	return 0;
}

static int print_window(void *arg, const struct pf_window *w)
{
	int *lines = arg;

	if (!(*lines)++)
		printf("%-25s %-4s %12s %12s %8s %6s %5s  %s\n", "ADDRESSES", "", "OFFSET",
		       "RESIDENT", "4K", "2M", "1G", "FILE");
	printf("%012lx-%012lx %-4s %12lu %12s %8lu %6lu %5lu  %s%s%s\n", (unsigned long)w->address,
	       (unsigned long)(w->address + w->length), rights(w->flags), (unsigned long)w->offset,
	       human(w->resident), (unsigned long)w->leaf[0], (unsigned long)w->leaf[1],
	       (unsigned long)w->leaf[2], w->name ? printable(w->name) : "(removed)",
	       w->stale ? "  (stale)" : "", w->evicted ? "  (evicted)" : "");
	return 0;
}

static int maps(pf_pool *pool, uint64_t pid, bool json)
{
	json_t *windows = json_array();
	int lines = 0, rc;

	rc = pf_windows(pool, (pid_t)pid, json ? window_json : print_window,
			json ? (void *)windows : &lines);
	if (rc == 0 && json)
		return print_json(json_pack("{s:i, s:I, s:o}", "schema", 1, "pid", (json_int_t)pid,
					    "windows", windows));
	json_decref(windows);
	if (rc < 0)
		return complain("%s", pf_message());
	if (!lines)
		printf("process %lu has no windows\n", (unsigned long)pid);
	return finish_output();
}

static int run_maps(const struct options *o, char **operands, int count)
{
	uint64_t pid;
	pf_pool *pool;
	int rc;

	(void)count;
	if (!parse_size(operands[1], &pid) || !pid || pid > INT32_MAX)
		return complain_usage("'%s' is not the PID of a process", operands[1]);
	pool = open_pool(operands[0], PF_POOL_NO_THREAD);
	if (!pool)
		return EXIT_FAILED;
	rc = maps(pool, pid, o->json);
	pf_pool_close(pool);
	return rc;
}

const struct command cmd_maps = {
	"maps",
	"json",
	2,
	2,
	run_maps,
	"shows the windows of a process: addresses, file, leaves\n"
	"usage: pinfold maps POOL PID [--json]\n"
	"RESIDENT is what its page tables map, 4K, 2M and 1G how many leaves of each size that takes. A window is stale while its process has\n"
	"still to bring it up to date, and evicted when touching it raises SIGBUS because somebody took it away ('pinfold evict').\n"
	"Example: pinfold hold /dev/shm/pool:/model.bin --window & sleep 1; pinfold maps /dev/shm/pool $!"};

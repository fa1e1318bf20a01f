/* hold: maps or pins a range until a signal, and can watch that its bytes stay what they were. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "cli/glob.h"

struct held {
	pf_pool *pool;
	void *window;
	uint64_t length; /* of the window */
	pf_map *map;
	pf_pin *pin;
	struct pf_chunk one; /* of a map */
	const struct pf_chunk *chunk;
	size_t chunks;
};

static volatile sig_atomic_t stop;
static int notice = -1; /* an eventfd */

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

static double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int take(pf_file *file, const struct options *o, uint64_t length, struct held *h)
{
	int rc;

	if (o->window) {
		h->length = length;
		return pf_window_map(file, NULL, length, PF_MAP_READ, o->offset, &h->window);
	}
	if (!o->pin && !o->longterm) {
		rc = pf_map_file(file, o->offset, length, PF_MAP_READ, &h->map);
		if (rc < 0)
			return rc;
		h->one = (struct pf_chunk){.address = pf_map_address(h->map), .length = length};
		h->chunk = &h->one;
		h->chunks = 1;
		return 0;
	}
	rc = pf_pin_file(file, o->offset, length, o->longterm ? PF_PIN_LONGTERM : 0, &h->pin);
	if (rc < 0)
		return rc;
	h->chunk = pf_pin_chunks(h->pin, &h->chunks);
	if (!o->give_back)
		return 0;
	notice = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return notice < 0 ? -errno : pf_pin_notice(h->pin, notice);
}

static void give_back(struct held *h)
{
	if (h->window)
		pf_window_unmap(h->pool, h->window, h->length);
	pf_unmap(h->map);
	pf_unpin(h->pin);
}

/* ---- verifying ------------------------------------------------------------------------------------- */

static unsigned char *copy_of(const struct held *h, uint64_t length)
{
	unsigned char *copy = malloc(length), *to = copy;

	for (size_t i = 0; copy && i < h->chunks; i++) {
		memcpy(to, h->chunk[i].address, h->chunk[i].length);
		to += h->chunk[i].length;
	}
	return copy;
}

static int first_difference(const unsigned char *was, const unsigned char *is, uint64_t length,
			    uint64_t offset)
{
	for (uint64_t i = 0; i < length; i++)
		if (was[i] != is[i])
			return complain("byte %lu changed while held: it was 0x%02x and is 0x%02x",
					(unsigned long)(offset + i), was[i], is[i]);
	return complain("bytes at %lu changed while held, and changed back", (unsigned long)offset);
}

static int compare(const struct held *h, const unsigned char *was, uint64_t offset)
{
	for (size_t i = 0; i < h->chunks; i++) {
		if (memcmp(was, h->chunk[i].address, h->chunk[i].length))
			return first_difference(was, h->chunk[i].address, h->chunk[i].length,
						offset);
		was += h->chunk[i].length;
		offset += h->chunk[i].length;
	}
	return EXIT_FINE;
}

/* ---- holding --------------------------------------------------------------------------------------- */

static int tell_held(const char *name, const struct options *o, uint64_t length)
{
	enum pf_hold_kind kind = o->map      ? PF_HOLD_MAP
				 : o->pin    ? PF_HOLD_PIN
				 : o->window ? PF_HOLD_WINDOW
					     : PF_HOLD_LONGTERM;

	if (o->json)
		return print_json(json_pack("{s:i, s:i, s:s, s:o, s:I, s:I}", "schema", 1, "pid",
					    (int)getpid(), "kind", hold_kind(kind), "path",
					    json_text(name), "offset", (json_int_t)o->offset,
					    "length", (json_int_t)length));
	puts("held");
	return finish_output();
}

static int wait_until_over(const struct held *h, const char *name, const struct options *o,
			   uint64_t length)
{
	double end = o->seconds < 0 ? 1e300 : seconds_now() + o->seconds;
	eventfd_t wanted;
	unsigned char *was = o->verify ? copy_of(h, length) : NULL;
	int rc = o->verify && !was ? complain("no memory for a copy of %s", human(length))
				   : EXIT_FINE;

	if (rc == EXIT_FINE)
		rc = tell_held(name, o, length);
	while (rc == EXIT_FINE && !stop && seconds_now() < end) {
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
		if (was)
			rc = compare(h, was, o->offset);
		if (notice >= 0 && eventfd_read(notice, &wanted) == 0) {
			if (!o->json)
				puts("wanted: given back");
			stop = 1;
		}
	}
	free(was);
	return rc;
}

/* Closes the file once it holds: the hold alone is what keeps the pages, also of a file that is removed. */
static int hold(pf_pool *pool, pf_file *file, const char *name, const struct options *o)
{
	struct held h = {.pool = pool};
	uint64_t length = o->length;
	struct pf_stat stat;
	int rc = pf_stat(file, &stat);

	if (rc == 0 && !o->has_length)
		length = stat.size > o->offset ? stat.size - o->offset : 0;
	if (rc == 0)
		rc = take(file, o, length, &h);
	if (rc == -PF_EHOLE)
		rc = complain("%s: %s; --offset and --length choose a part without one", name,
			      pf_message());
	else
		rc = rc < 0 ? complain_pf(name) : EXIT_FINE;
	pf_close(file);
	if (rc == EXIT_FINE)
		rc = wait_until_over(&h, name, o, length);
	give_back(&h);
	return rc;
}

static int hold_one(const struct place *pattern, const struct options *o)
{
	struct place place;
	pf_file *file;
	int rc = glob_one(pattern, &place);

	if (rc != EXIT_FINE)
		return rc;
	if (pf_open(place.pool, place.path, PF_O_RDONLY, 0, &file) < 0)
		rc = complain_pf(place.path);
	else
		rc = hold(place.pool, file, place.path, o);
	free(place.path);
	return rc;
}

static int run_hold(const struct options *o, char **operands, int count)
{
	struct place pattern;
	char *path;
	int rc;

	(void)count;
	if (!split_operand(operands[0], &path, &pattern.path))
		return complain_operand(operands[0]);
	if (o->give_back && (o->map || o->window))
		return complain_usage("--give-back is for pins: a map is told nothing");
	if (o->verify && o->window)
		return complain_usage(
			"--verify is for what is held: a window shows what the file is");
	if (o->map + o->window + o->pin + o->longterm != 1)
		return complain_usage(
			"one of --map, --window, --pin and --longterm says how to hold");
	catch_signals();
	pattern.pool = open_pool(path, 0);
	if (!pattern.pool)
		return EXIT_FAILED;
	rc = hold_one(&pattern, o);
	pf_pool_close(pattern.pool);
	return rc;
}

const struct command cmd_hold = {
	"hold",
	"map window pin longterm offset length for verify give-back json",
	1,
	1,
	run_hold,
	"maps or pins a file and keeps it, to try things out\n"
	"usage: pinfold hold POOL:/path --map|--window|--pin|--longterm [--offset N] [--length N] [--for SECONDS] [--verify] [--give-back] [--json]\n"
	"Prints 'held' once it holds. A window (--offset: of whole pages) keeps nothing in the file: it shows what that is.\n"
	"--verify fails if a held byte changes; for files that nobody writes in place.\n"
	"--give-back ends it when somebody waits for the pages or asks for them ('pinfold evict').\n"
	"--json shows the hold as one document instead of 'held'.\n"
	"Example: pinfold hold /dev/shm/pool:/model.bin --longterm --verify --for 60 & sleep 1; pinfold who /dev/shm/pool"};

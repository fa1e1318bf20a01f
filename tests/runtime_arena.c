/* A process killed at any step of getting memory for records: no chunk is lost, and none is in two chains. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "media.h"
#include "test.h"

static const char *path;
static struct media m;
static unsigned at;

/* Takes records until there is another chunk of them. */
static void new_chunk(struct media *media, enum rt_chunk_type type)
{
	struct rt_chunk *newest = rt_chunks(media->rt, media->rt->slot, type);
	struct rt_self *me = media_self(media);

	while (rt_chunks(media->rt, media->rt->slot, type) == newest)
		must(type == RT_CHUNK_HOLDS ? rt_hold_get(me) != NULL : rt_handle_get(me) != NULL);
}

static int grow(void *arg)
{
	struct media own;

	(void)arg;
	must_be(media_attach(path, 0, &own), 0);
	media_self(&own);
	media_signal_at("", at, SIGKILL);
	for (unsigned i = 0; i < 2; i++) {
		new_chunk(&own, RT_CHUNK_HOLDS);
		new_chunk(&own, RT_CHUNK_HANDLES);
	}
	media_detach(&own);
	return 0;
}

/* Every chunk given out is in one chain, of its own slot and type. */
static void check(void)
{
	struct rt_header *h = m.rt->header;
	size_t given = (load_acquire(&h->arena_next) - h->arena_start) / RT_CHUNK, found = 0;
	uint8_t *seen = calloc(given, 1);

	must_be(load_acquire(&h->arena_pending), 0);
	must(load_acquire(&h->arena_next) <= load_acquire(&h->arena_filled));
	for (unsigned slot = 0; slot < rt_slots_used(m.rt); slot++)
		for (unsigned type = 0; type < RT_CHUNK_TYPES; type++)
			for (struct rt_chunk *c = rt_chunks(m.rt, slot, type); c;
			     c = rt_chunk_next(m.rt, c)) {
				size_t i =
					((uint64_t)((uint8_t *)c - m.rt->base) - h->arena_start) /
					RT_CHUNK;

				must(i < given && !seen[i]);
				seen[i] = 1;
				must_be(c->slot, slot);
				must_be(c->type, type);
				found++;
			}
	must_be(found, given);
	free(seen);
}

int main(void)
{
	int status;

	if (!media_has_steps())
		skip("a build without steps");
	path = media_make("pool");
	must_be(media_attach(path, 0, &m), 0);
	for (at = 1;; at++) {
		status = test_in_child(grow, NULL);
		new_chunk(&m, RT_CHUNK_HOLDS); /* the next locker repairs */
		check();
		media_reap(&m);
		if (status != 256 + SIGKILL)
			break;
	}
	must_be(status, 0);
	printf("killed at each of %u steps\n", at - 1);
	media_detach(&m);
	return 0;
}

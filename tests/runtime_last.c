/* The last close and an attach at each other's worst moment: who joins is never in a runtime that has ended. */
#include <string.h>
#include <unistd.h>

#include "base/step.h"
#include "media.h"
#include "test.h"

#ifdef PF_STEPS
static const char *path, *moment;
static struct media other;
static bool came;

static void join_then(const char *name)
{
	if (strcmp(name, moment))
		return;
	step_hook = NULL;
	must_be(media_attach(path, 0, &other), 0);
	came = true;
}

static void leave_then(const char *name)
{
	if (strcmp(name, moment))
		return;
	step_hook = NULL;
	media_detach(&other);
	came = true;
}

/* It is in the runtime that others would find. */
static void is_in(struct media *m)
{
	struct media third;

	must_be(load_acquire(&m->rt->header->state), RT_READY);
	must_be(access(m->rt->path, F_OK), 0);
	must_be(media_files(test_dir()), 1);
	must_be(media_attach(path, 0, &third), 0);
	must(!strcmp(third.rt->path, m->rt->path));
	media_detach(&third);
}

static void joins_while_leaving(const char *at)
{
	struct media m;

	must_be(media_attach(path, 0, &m), 0);
	moment = at;
	step_hook = join_then;
	media_detach(&m);
	step_hook = NULL;
	must(came);
	came = false;
	is_in(&other);
	media_detach(&other);
	must_be(media_files(test_dir()), 0);
}

static void leaves_while_joining(const char *at)
{
	struct media m;

	must_be(media_attach(path, 0, &other), 0);
	moment = at;
	step_hook = leave_then;
	must_be(media_attach(path, 0, &m), 0);
	step_hook = NULL;
	must(came);
	came = false;
	is_in(&m);
	media_detach(&m);
	must_be(media_files(test_dir()), 0);
}

int main(void)
{
	path = media_make("pool");
	joins_while_leaving("detach: slot free");
	joins_while_leaving("detach: alone");
	leaves_while_joining("attach: mapped");
	leaves_while_joining("slot: locked");
	leaves_while_joining("attach: slot claimed");
	return 0;
}
#else
int main(void)
{
	skip("a build without steps");
}
#endif

/* A forked child, and a raw-cloned one, that call us are told so; the parent is not affected; and when it dies, its death is seen
 * though the child lives. */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "media.h"
#include "test.h"

static const char *path;
static int in_child, parent_goes, child_goes;

static pid_t raw_clone(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

enum how { SILENT, FORKED, CLONED };

static void wait_in_child(void)
{
	test_gate_open(in_child);
	test_gate_wait(child_goes);
	_exit(0);
}

/* The child calls with its parent's runtime, and may attach by itself. */
static void child(struct media *m)
{
	struct media own;

	must(rt_self_get(m->rt) == NULL);
	must_be(rt_self_error(), -PF_EFORKED);
	must(rt_self_get(m->rt) == NULL);
	must_be(m->rt->fd, -1);
	must_be(m->dev->fd, -1);
	must_be(media_attach(path, 0, &own), 0);
	must(own.rt->slot != m->rt->slot);
	media_detach(&own);
	media_detach(m); /* of what is not its own: its memory only */
	wait_in_child();
}

static int parent(void *how)
{
	struct media m;
	pid_t pid;

	must_be(media_attach(path, 0, &m), 0);
	media_self(&m);
	pid = *(enum how *)how == CLONED ? raw_clone() : fork();
	must(pid >= 0);
	if (pid == 0 && *(enum how *)how == SILENT)
		wait_in_child();
	if (pid == 0)
		child(&m);
	test_gate_wait(parent_goes);
	must(rt_self_get(m.rt) != NULL);
	must_be(rt_lock(media_self(&m), &m.shared->locks[0]), 0);
	rt_unlock(media_self(&m), &m.shared->locks[0]);
	test_gate_open(in_child);
	pause();
	return 0;
}

static void family(enum how how)
{
	struct media m;
	unsigned slot;
	pid_t pid;

	must_be(media_attach(path, 0, &m), 0);
	pid = test_fork(parent, &how);
	test_gate_wait(in_child);
	for (slot = 0; load_relaxed(&rt_slot_at(m.rt, slot)->pid) != (uint32_t)pid; slot++)
		must(slot < rt_slots_used(m.rt));
	must(!rt_slot_dead(m.rt, slot));
	test_gate_open(parent_goes);
	test_gate_wait(in_child);
	must(!rt_slot_bury(m.rt, slot));
	test_kill(pid);
	must(rt_slot_bury(m.rt, slot));
	test_gate_open(child_goes);
	must_be(media_reap(&m), 1);
	media_detach(&m);
	must_be(media_files(test_dir()), 0);
}

/* A program that closes every descriptor, and has other files there, is alive and takes nobody for dead. */
static int close_all(void *arg)
{
	struct media m, *other = arg;

	must_be(media_attach(path, 0, &m), 0);
	must(dup2(0, m.rt->fd) == m.rt->fd);
	must(!rt_slot_bury(m.rt, other->rt->slot));
	test_gate_open(in_child);
	pause();
	return 0;
}

static void closed_descriptors(void)
{
	struct media m;
	pid_t pid;

	must_be(media_attach(path, 0, &m), 0);
	pid = test_fork(close_all, &m);
	test_gate_wait(in_child);
	must(!rt_slot_bury(m.rt, 1 - m.rt->slot));
	test_kill(pid);
	must(rt_slot_bury(m.rt, 1 - m.rt->slot));
	media_reap(&m);
	media_detach(&m);
}

int main(void)
{
	path = media_make("pool");
	in_child = test_gate();
	parent_goes = test_gate();
	child_goes = test_gate();
	family(SILENT);
	family(FORKED);
	family(CLONED);
	closed_descriptors();
	return 0;
}

/* A memfd pool and its runtime are given to children as two descriptors: they share files and holds, and a killed one leaves nothing. */
#include <string.h>

#include "pool.h"

static int media, runtime, ready;

static int child(void *arg)
{
	const struct pf_chunk *chunk;
	size_t chunks;
	pf_pool *pool;
	pf_file *f;
	pf_pin *pin;

	(void)arg;
	OK(pf_pool_open_fds(media, runtime, PF_POOL_NO_THREAD, &pool));
	OK(pf_open(pool, "file", PF_O_RDWR, 0, &f));
	OK(pf_pin_file(f, 0, 1 << 20, PF_PIN_WRITE, &pin));
	chunk = pf_pin_chunks(pin, &chunks);
	must_be(pattern_differs(chunk->address, chunk->length, 3, 0), chunk->length);
	memset(chunk->address, 'c', 4096);
	test_gate_open(ready);
	test_gate_wait(test_gate());
	return 1;
}

int main(void)
{
	struct pf_mkfs_options o = {.size = 32ul << 20};
	char byte;
	pf_pool *pool;
	pf_file *f;
	pid_t pid;

	test_dir();
	ready = test_gate();
	OK(pf_mkfs_memfd(&o, &media, &runtime));
	OK(pf_pool_open_fds(media, runtime, PF_POOL_NO_THREAD, &pool));
	pattern_file(pool, "file", 1 << 20, 3);
	pid = test_fork(child, NULL);
	test_gate_wait(ready);
	must_be(pool_info(pool).processes, 2);
	OK(pf_open(pool, "file", PF_O_RDWR, 0, &f));
	must_be(pf_read(f, &byte, 1, 4095), 1);
	must_be(byte, 'c');
	OK(pf_truncate(f, 0, PF_DETACH, 0));
	must_be(pool_info(pool).pages_orphan, 256);
	test_kill(pid);
	pool_check(pool, "the child's death");
	must_be(pool_info(pool).pages_orphan, 0);
	OK(pf_close(f));
	pool_empty(pool, "all");
	OK(pf_pool_close(pool));
	/* Closed clean, and opened again through the same descriptors. */
	OK(pf_pool_open_fds(media, runtime, 0, &pool));
	OK(pf_pool_close(pool));
	return 0;
}

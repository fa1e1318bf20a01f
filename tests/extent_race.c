/* While a file is cut to nothing, grows, moves into a folio, is punched and trimmed, who reads, maps or pins it sees its bytes or zeros, and nothing of other files. */
/* test: suite=short timeout=120 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pool.h"

#define PAGE  PF_PAGE_SIZE
#define MIB   (1ul << 20)
#define MOST  (3 * MIB)
#define DIRT  0xd1
#define BYTES 0x0b

static const char *path;

/* Bytes of the file, or zeros; never what other files have. */
static void look(const uint8_t *at, uint64_t n)
{
	for (uint64_t i = 0; i < n; i += 64)
		if (at[i] != 0 && at[i] != BYTES)
			test_fail(__FILE__, __LINE__, "byte %lu is %u", (unsigned long)i, at[i]);
}

static void look_once(pf_file *file, struct test_random *r, uint8_t *bytes)
{
	uint64_t at = test_below(r, 70) * PAGE, n = 1 + test_below(r, 3) * PAGE;
	ssize_t got = OK(pf_read(file, bytes, n, at));
	pf_pin *pin;

	look(bytes, (uint64_t)got);
	if (pf_pin_file(file, at, 1, test_below(r, 2) ? PF_PIN_WRITE : 0, &pin) < 0)
		return;
	OK(pf_unpin(pin));
}

static int reader(void *arg)
{
	struct test_random r = {getpid() * 7919ul};
	static uint8_t bytes[16 * PAGE];
	pf_pool *pool = pool_open(path);
	pf_file *file;

	(void)arg;
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	while (test_time_left(0.8))
		look_once(file, &r, bytes);
	OK(pf_close(file));
	OK(pf_pool_close(pool));
	return 0;
}

static void dirty(pf_pool *pool, const uint8_t *bytes)
{
	pf_file *file;

	OK(pf_open(pool, "dirt", PF_O_RDWR | PF_O_CREATE, 0644, &file));
	OK(pf_append(file, bytes, MOST));
	OK(pf_close(file));
	OK(pf_unlink(pool, "dirt"));
}

static void change(pf_pool *pool, pf_file *file, struct test_random *r, const uint8_t *bytes)
{
	uint64_t n = 1 + test_below(r, 40) * PAGE / 2;

	switch (test_below(r, 8)) {
	case 0:
	case 1:
		pf_truncate(file, 0, (enum pf_policy)test_below(r, 3), 10);
		break;
	case 2:
		pf_truncate(file, test_below(r, 80) * PAGE / 2, PF_DETACH, 0);
		break;
	case 3:
		OK(pf_punch(file, test_below(r, 70) * PAGE, n, PF_DETACH, 0));
		break;
	case 4:
		OK(pf_allocate(file, test_below(r, 70) * PAGE, n,
			       (unsigned)test_below(r, 2) * PF_ALLOC_KEEP_SIZE));
		break;
	case 5:
		dirty(pool, bytes + MOST);
		break;
	default:
		OK(pf_append(file, bytes, n));
		break;
	}
}

static int writer(void *arg)
{
	struct test_random r = {getpid() * 104729ul};
	static uint8_t bytes[2 * MOST];
	pf_pool *pool = pool_open(path);
	unsigned long n = 0;
	pf_file *file;

	(void)arg;
	memset(bytes, BYTES, MOST);
	memset(bytes + MOST, DIRT, MOST);
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	for (; test_time_left(0.8); n++)
		change(pool, file, &r, bytes);
	printf("%lu changes\n", n);
	OK(pf_close(file));
	OK(pf_pool_close(pool));
	return 0;
}

int main(void)
{
	pid_t pids[4];
	pf_pool *pool;
	pf_file *file;

	test_dir();
	path = pool_make("p", 64);
	pool = pool_open(path);
	OK(pf_open(pool, "f", PF_O_RDWR | PF_O_CREATE, 0644, &file));
	test_time_left(1);
	for (unsigned i = 0; i < 4; i++)
		pids[i] = test_fork(i ? reader : writer, NULL);
	for (unsigned i = 0; i < 4; i++)
		must_be(test_wait(pids[i], 2 * TEST_PATIENCE), 0);
	OK(pf_close(file));
	pool_check(pool, "a file that changed");
	pool_empty(pool, "a file that changed");
	OK(pf_pool_close(pool));
	return 0;
}

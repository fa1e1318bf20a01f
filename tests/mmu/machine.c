/* The machine's memory, and batches: see machine.h. */
#include "machine.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine.h"
#include "test.h"

/* The stubs are assembly and count in bytes. */
#define at(type, member, offset) \
	_Static_assert(offsetof(struct type, member) == (offset), "machine.h: " #member)
at(mmu_mail, request, MMU_MAIL_REQUEST);
at(mmu_mail, done, MMU_MAIL_DONE);
at(mmu_mail, count, MMU_MAIL_COUNT);
at(mmu_mail, halt, MMU_MAIL_HALT);
at(mmu_mail, control, MMU_MAIL_CONTROL);
at(mmu_space, root, MMU_SPACE_ROOT);
at(mmu_space, first, MMU_SPACE_FIRST);
at(mmu_space, count, MMU_SPACE_COUNT);
at(mmu_space, control, MMU_SPACE_CONTROL);
at(mmu_job, va, MMU_JOB_VA);
at(mmu_job, kind, MMU_JOB_KIND);
at(mmu_job, value, MMU_JOB_VALUE);
at(mmu_result, cause, MMU_RESULT_CAUSE);
at(mmu_result, address, MMU_RESULT_ADDRESS);
at(mmu_result, value, MMU_RESULT_VALUE);
at(mmu_result, pc, MMU_RESULT_PC);
_Static_assert(sizeof(struct mmu_space) == MMU_SPACE_SIZE, "mmu_space");
_Static_assert(sizeof(struct mmu_job) == MMU_JOB_SIZE, "mmu_job");
_Static_assert(sizeof(struct mmu_result) == MMU_RESULT_SIZE, "mmu_result");
_Static_assert(MMU_SPACES + MMU_MAX_SPACES * MMU_SPACE_SIZE <= MMU_JOBS &&
		       MMU_JOBS + MMU_MAX_JOBS * MMU_JOB_SIZE <= MMU_RESULTS &&
		       MMU_RESULTS + MMU_MAX_JOBS * MMU_RESULT_SIZE <= MMU_FREE,
	       "nothing overlaps");

void mmu_fail(struct mmu *m, const char *format, ...)
{
	va_list args;
	char text[2000];

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	test_fail(__FILE__, __LINE__, "%s, %s: %s", m->arch->name, m->mode->name, text);
}

static void *part(struct mmu *m, size_t offset)
{
	return m->ram + offset;
}

static void map_memory(struct mmu *m, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	must(fd >= 0);
	must(ftruncate(fd, MMU_RAM) == 0);
	m->ram = mmap(NULL, MMU_RAM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(m->ram != MAP_FAILED);
	close(fd);
	m->mail = part(m, MMU_MAIL);
	m->spaces = part(m, MMU_SPACES);
	m->jobs = part(m, MMU_JOBS);
	m->results = part(m, MMU_RESULTS);
}

static void fill_memory(struct mmu *m)
{
	memcpy(m->ram + MMU_STUB, m->arch->stub, m->arch->stub_size);
	memcpy(m->mail->control, m->mode->control, sizeof m->mail->control);
	if (m->arch->prepare)
		m->arch->prepare(m);
}

static void free_machine(struct mmu *m)
{
	munmap(m->ram, MMU_RAM);
	free(m);
}

struct mmu *mmu_start(const struct mmu_arch *arch, const struct mmu_mode *mode, const char **why)
{
	static unsigned started;
	const char *path = test_path("ram.%u", started++);
	struct mmu *m;

	if (!arch->stub_size) {
		*why = "the compiler of its stub was missing when this was built";
		return NULL;
	}
	m = calloc(1, sizeof *m);
	must(m);
	m->arch = arch;
	m->mode = mode;
	m->physical_bits = arch->physical_bits;
	map_memory(m, path);
	fill_memory(m);
	*why = arch->command ? mmu_start_emulator(m, path) : mmu_start_kvm(m);
	if (!*why) {
		mmu_run(m, 0); /* it lives, and has opened its memory */
		must(unlink(path) == 0);
		return m;
	}
	must(unlink(path) == 0);
	free_machine(m);
	return NULL;
}

static void fill_in_controls(struct mmu *m, struct mmu_space *space)
{
	static const uint64_t none[MMU_CONTROLS];

	if (memcmp(space->control, none, sizeof none) == 0)
		memcpy(space->control, m->mode->control, sizeof space->control);
}

static bool is_done(struct mmu *m, uint64_t request)
{
	/* Pairs with the stub's store after all results, of spaces and MMU. */
	return atomic_load_explicit(&m->mail->done, memory_order_acquire) == request;
}

void mmu_run(struct mmu *m, unsigned spaces)
{
	uint64_t limit = clock_mono() + TEST_PATIENCE * 1000000ull, request = m->mail->request + 1;

	must(spaces <= MMU_MAX_SPACES);
	for (unsigned i = 0; i < spaces; i++)
		fill_in_controls(m, &m->spaces[i]);
	m->mail->count = spaces;
	/* Pairs with the stub's load of it: whoever sees it sees the batch. */
	atomic_store_explicit(&m->mail->request, request, memory_order_release);
	while (!is_done(m, request)) {
		m->engine->go_on(m);
		if (clock_mono() > limit && !is_done(m, request))
			mmu_fail(m, "%u spaces are not done after %u ms", spaces, TEST_PATIENCE);
	}
	m->engine->rest(m);
}

void mmu_stop(struct mmu *m)
{
	m->engine->end(m);
	free_machine(m);
}

/* dev_persist() really writes cache lines back: seen instruction by instruction in a traced child. */
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dev/media.h"
#include "kinds.h"
#include "test.h"

#if defined __x86_64__

#define LINES 3ul

static struct kind *persistent_kind(void)
{
	for (unsigned i = 0; i < kinds_count; i++)
		if (kinds[i].durability == DEV_PERSISTENT && kinds[i].start(&kinds[i]))
			return &kinds[i];
	return NULL;
}

/* Traced from its first stop to its second. */
static int persist_between_stops(void *arg)
{
	struct dev *dev = arg;
	static uint8_t bytes[LINES * 64] __attribute__((aligned(64)));

	dev_persist(dev, bytes, sizeof bytes);
	must(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	raise(SIGSTOP);
	dev_persist(dev, bytes, sizeof bytes);
	dev_drain(dev);
	raise(SIGSTOP);
	return 0;
}

/* clwb, clflushopt or clflush of memory: [66] 0f ae, with the digit 6 or 7 and no register operand. */
static bool writes_back(const uint8_t *code)
{
	unsigned digit;

	while (*code == 0x66 || (*code & 0xf0) == 0x40) /* prefix, REX */
		code++;
	digit = code[2] >> 3 & 7;
	return code[0] == 0x0f && code[1] == 0xae && (digit == 6 || digit == 7) &&
	       code[2] >> 6 != 3;
}

static unsigned count_write_backs(pid_t pid)
{
	struct user_regs_struct regs;
	unsigned n = 0;
	int status;

	for (;;) {
		union {
			long word;
			uint8_t bytes[sizeof(long)];
		} code;

		must(ptrace(PTRACE_GETREGS, pid, NULL, &regs) == 0);
		code.word = ptrace(PTRACE_PEEKTEXT, pid, (void *)regs.rip, NULL);
		n += writes_back(code.bytes);
		must(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
		must(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
		if (WSTOPSIG(status) == SIGSTOP)
			return n;
	}
}

int main(void)
{
	struct kind *kind = persistent_kind();
	struct dev *dev;
	pid_t pid;

	must(kind != NULL);
	must_be(kind_make(kind, false, &dev), 0);
	pid = test_fork(persist_between_stops, dev);
	test_wait_stopped(pid);
	must_be(count_write_backs(pid), LINES);
	must(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0);
	must_be(test_wait(pid, TEST_PATIENCE), 0);
	dev_close(dev);
	kind_remove(kind);
	kind_end();
	return 0;
}

#else

int main(void)
{
	skip("the instructions that write cache lines back are known here for x86-64 only");
}

#endif

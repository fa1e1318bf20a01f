/* QEMU's software emulation as a machine: a process that ends with this one. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "test.h"

#define MAX_ARGUMENTS 64

static char why[200];

struct emulator {
	struct mmu_engine engine;
	pid_t pid;
	int said; /* a memfd: its stdout and stderr */
	unsigned turns;
	bool stopped;
};

static struct emulator *emulator(struct mmu *m)
{
	return (struct emulator *)m->engine;
}

static bool is_installed(const char *program)
{
	char path[4096];
	const char *dirs = getenv("PATH");

	while (dirs && *dirs) {
		int n = (int)strcspn(dirs, ":");

		snprintf(path, sizeof path, "%.*s/%s", n, dirs, program);
		if (access(path, X_OK) == 0)
			return true;
		dirs += n + (dirs[n] == ':');
	}
	return false;
}

/* Ends the test with what the emulator said. */
static void died(struct mmu *m, int status)
{
	char said[1500] = "";
	ssize_t n = pread(emulator(m)->said, said, sizeof said - 1, 0);

	emulator(m)->pid = 0;
	said[n > 0 ? n : 0] = 0;
	mmu_fail(m, "ended by itself (wait status %#x): %s", (unsigned)status, said);
}

static void go_on(struct mmu *m)
{
	int status;

	if (emulator(m)->stopped)
		kill(emulator(m)->pid, SIGCONT);
	emulator(m)->stopped = false;
	/* Who waits gives way, and not only now and then: there may be fewer processors than machines. */
	nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
	if (++emulator(m)->turns % 64 == 0 && waitpid(emulator(m)->pid, &status, WNOHANG) > 0)
		died(m, status);
}

/* The stub would spin, and the processor is wanted for building the next batch, and by other tests. */
static void rest(struct mmu *m)
{
	emulator(m)->stopped = kill(emulator(m)->pid, SIGSTOP) == 0;
}

static void end(struct mmu *m)
{
	struct emulator *e = emulator(m);

	kill(e->pid, SIGKILL);
	must(waitpid(e->pid, NULL, 0) == e->pid);
	close(e->said);
	free(e);
}

struct command {
	char *words[MAX_ARGUMENTS];
	unsigned count;
};

static void add(struct command *c, const char *word)
{
	must(c->count < MAX_ARGUMENTS - 1);
	c->words[c->count] = strdup(word);
	must(c->words[c->count++]);
}

static void make_command(struct command *c, struct mmu *m, const char *ram, const char *rom)
{
	static const char *const common[] = {
		"-accel",     "tcg",     "-nodefaults", "-no-user-config", "-nographic",
		"-no-reboot", "-serial", "none",        "-monitor",        "none",
	};
	char text[300];

	for (const char *const *word = m->arch->command; *word; word++)
		add(c, *word);
	for (unsigned i = 0; i < sizeof common / sizeof *common; i++)
		add(c, common[i]);
	add(c, "-m");
	snprintf(text, sizeof text, "%dM", MMU_RAM >> 20);
	add(c, text);
	add(c, "-object");
	snprintf(text, sizeof text, "memory-backend-file,id=ram,share=on,mem-path=%s,size=%dM", ram,
		 MMU_RAM >> 20);
	add(c, text);
	if (rom) {
		add(c, "-bios");
		add(c, rom);
	}
}

static void run(struct command *c, int said, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	dup2(null, 0);
	dup2(said, 1);
	dup2(said, 2);
	execvp(c->words[0], c->words);
	fprintf(stderr, "%s: %s\n", c->words[0], strerror(errno));
	_exit(1);
}

const char *mmu_start_emulator(struct mmu *m, const char *path)
{
	struct command c = {.count = 0};
	struct emulator *e;
	pid_t self = getpid();
	char rom[300];

	if (!is_installed(m->arch->command[0])) {
		snprintf(why, sizeof why, "%s is not installed", m->arch->command[0]);
		return why;
	}
	snprintf(rom, sizeof rom, "%s.rom", path);
	if (m->arch->rom)
		test_write_file(rom, m->arch->rom, m->arch->rom_size);
	make_command(&c, m, path, m->arch->rom ? rom : NULL);

	e = calloc(1, sizeof *e);
	must(e);
	e->engine = (struct mmu_engine){go_on, rest, end};
	e->said = memfd_create("said", MFD_CLOEXEC);
	must(e->said >= 0);
	e->pid = fork();
	must(e->pid >= 0);
	if (e->pid == 0)
		run(&c, e->said, self);
	for (unsigned i = 0; i < c.count; i++)
		free(c.words[i]);
	m->engine = &e->engine;
	return NULL;
}

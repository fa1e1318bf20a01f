/* Who may join a pool's runtime, who makes a new one, and who is refused with which error. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/use_format.h"
#include "media.h"
#include "test.h"

static const char *path;

static int join(void *arg)
{
	struct media m;
	unsigned builds = media_builds;
	int rc = media_attach(arg, 0, &m);

	if (rc < 0)
		return -rc & 0xff;
	must_be(media_builds, builds);
	media_detach(&m);
	return 0;
}

static void made_joined_and_removed(void)
{
	struct media m, again;
	unsigned fds = test_fds();

	must_be(media_attach(path, 0, &m), 0);
	must_be(media_builds, 1);
	must_be(media_files(test_dir()), 1);
	must_be(use_read(m.head)->state, USE_OPEN);
	must_be(test_in_child(join, (void *)path), 0);
	must_be(media_attach(path, 0, &again), 0);
	must(again.rt->slot != m.rt->slot);
	media_detach(&m);
	must_be(media_files(test_dir()), 1);
	must_be(use_read(again.head)->state, USE_OPEN);
	media_detach(&again);
	must_be(media_builds, 1);
	must_be(media_files(test_dir()), 0);
	must_be(test_fds(), fds);
}

static void other_directory(void)
{
	const char *other = test_path("other");
	struct media m, forced;

	must_be(mkdir(other, 0700), 0);
	must_be(media_attach(path, 0, &m), 0);
	setenv("PINFOLD_RUNTIME_DIR", other, 1);
	must_be(media_attach(path, 0, &forced), -PF_EINUSE);
	must(strstr(pf_message(), other) != NULL);
	must_be(media_attach(path, MEDIA_FORCE, &forced), 0);
	must_be(media_files(other), 1);
	media_detach(&forced);
	must_be(media_files(other), 0);
	setenv("PINFOLD_RUNTIME_DIR", test_dir(), 1);
	media_detach(&m);
	must_be(rmdir(other), 0);
	must_be(media_files(test_dir()), 0);
}

static void deleted_runtime(void)
{
	struct media m, second;

	must_be(media_attach(path, 0, &m), 0);
	must_be(unlink(m.rt->path), 0);
	must_be(media_attach(path, 0, &second), -PF_EINUSE);
	media_detach(&m);
	must_be(media_attach(path, 0, &m), 0);
	media_detach(&m);
}

/* The same in mount namespaces: each has a /dev/shm of its own. */
static int in_namespace(void *arg)
{
	struct media m;
	char name[64];

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	snprintf(name, sizeof name, "/proc/self/fd/%d", *(int *)arg);
	unsetenv("PINFOLD_RUNTIME_DIR");
	must(mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=64m") == 0);
	must_be(media_attach(name, 0, &m), -PF_EINUSE);
	must(strstr(pf_message(), "/dev/shm") != NULL);
	must_be(media_attach(name, MEDIA_FORCE, &m), 0);
	media_detach(&m);
	return 0;
}

static void other_namespace(void)
{
	struct media m;
	int fd = open(path, O_RDWR), status;

	must_be(media_attach(path, 0, &m), 0);
	status = test_in_child(in_namespace, &fd);
	if (status == 77)
		skip_part("another mount namespace: not allowed");
	else
		must_be(status, 0);
	media_detach(&m);
	close(fd);
	must_be(media_files(test_dir()), 0);
}

static void copy_file(const char *from, const char *to)
{
	static char bytes[65536];
	int fd = open(from, O_RDONLY);

	must(read(fd, bytes, sizeof bytes) == sizeof bytes);
	close(fd);
	test_write_file(to, bytes, sizeof bytes);
}

/* Also with force the copy leaves the original's runtime alone. */
static void copied_image(void)
{
	const char *copy = test_path("copy");
	struct media m, second;

	must_be(media_attach(path, 0, &m), 0);
	copy_file(path, copy);
	must_be(media_attach(copy, 0, &second), -PF_ECOPY);
	must_be(media_attach(copy, MEDIA_FORCE, &second), 0);
	must_be(media_files(test_dir()), 2);
	must_be(test_in_child(join, (void *)path), 0);
	media_detach(&second);
	must_be(media_files(test_dir()), 1);
	media_detach(&m);
	must_be(media_files(test_dir()), 0);
	unlink(copy);
}

/* As if the machine had gone down with the pool open: changes the record that a killed user left. */
static void leave_open(bool other_boot, bool other_machine)
{
	struct use_format use = {.state = USE_OPEN};
	struct media m;
	void *at;

	must_be(media_attach(path, 0, &m), 0);
	use = *use_read(m.head);
	media_detach(&m);
	must_be(dev_open(path, false, false, &m.dev), 0);
	must_be(dev_map(m.dev, 0, USE_END, PROT_READ | PROT_WRITE, NULL, &m.head), 0);
	use.state = USE_OPEN;
	use.boot[0] ^= other_boot;
	use.machine[0] ^= other_machine;
	at = use_seal(m.head, &use);
	memcpy(at, &use, sizeof use);
	munmap(m.head, USE_END);
	dev_close(m.dev);
}

static void other_boot_and_machine(void)
{
	static const struct {
		bool boot, machine;
		int plain, forced;
	} table[] = {
		{false, false, -PF_EINUSE, 0}, /* this boot's runtime is gone */
		{false, true, -PF_EINUSE, 0},
		{true, false, 0, 0}, /* it was a power cut */
		{true, true, -PF_EMACHINE, 0},
	};
	struct media m;

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		for (unsigned force = 0; force < 2; force++) {
			int wanted = force ? table[i].forced : table[i].plain;

			leave_open(table[i].boot, table[i].machine);
			must_be(media_attach(path, force ? MEDIA_FORCE : 0, &m), wanted);
			if (wanted == 0)
				media_detach(&m);
			must_be(media_files(test_dir()), 0);
			must_be(media_attach(path, MEDIA_FORCE, &m), 0);
			media_detach(&m);
		}
}

static void other_version(void)
{
	struct media m, second;

	must_be(media_attach(path, 0, &m), 0);
	m.rt->header->version++;
	must_be(media_attach(path, 0, &second), -PF_EINUSE);
	m.rt->header->version--;
	m.rt->header->nonce[0]++;
	must_be(media_attach(path, 0, &second), -PF_ERUNCORRUPT);
	m.rt->header->nonce[0]--;
	m.rt->header->bytes++;
	must_be(media_attach(path, 0, &second), -PF_ERUNCORRUPT);
	m.rt->header->bytes--;
	must_be(test_in_child(join, (void *)path), 0);
	media_detach(&m);
}

static void damaged_records(void)
{
	struct media m;

	must_be(media_attach(path, 0, &m), 0);
	media_detach(&m);
	must_be(truncate(path, USE_OFFSET), 0);
	must_be(truncate(path, 65536), 0);
	must_be(media_attach(path, 0, &m), 0);
	/* A torn write of the newer record: the older one says nobody has it open. */
	((uint8_t *)use_read(m.head))[20] ^= 1;
	must_be(use_read(m.head)->state, USE_CLEAN);
	media_detach(&m);
	must_be(media_attach(path, 0, &m), 0);
	media_detach(&m);
}

static void readonly(void)
{
	struct media m, reader;

	must_be(media_attach(path, MEDIA_RDONLY, &reader), -PF_EREADONLY);
	must_be(media_attach(path, 0, &m), 0);
	must_be(media_attach(path, MEDIA_RDONLY, &reader), 0);
	media_detach(&m);
	media_detach(&reader);
	must_be(media_attach(path, MEDIA_RDONLY, &reader), 0); /* it could not say "clean" */
	media_detach(&reader);
	must_be(media_attach(path, 0, &m), 0);
	media_detach(&m);
	must_be(media_files(test_dir()), 0);
}

static void directories(void)
{
	static char long_name[300];
	struct media m;

	memset(long_name, 'x', sizeof long_name - 1);
	long_name[0] = '/';
	test_write_file(test_path("file"), "x", 1);
	must_be(mkdir(test_path("real"), 0700), 0);
	must_be(symlink(test_path("real"), test_path("link")), 0);
	must_be(mkdir(test_path("open"), 0700), 0);
	must_be(chmod(test_path("open"), 0777), 0);
	const char *bad[] = {test_path("file"), test_path("link"), test_path("open"),
			     test_path("none"), long_name};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		setenv("PINFOLD_RUNTIME_DIR", bad[i], 1);
		must_be(media_attach(path, 0, &m), -PF_ERUNDIR);
	}
	must_be(chmod(test_path("open"), 01777), 0);
	setenv("PINFOLD_RUNTIME_DIR", test_path("open"), 1);
	must_be(media_attach(path, 0, &m), 0);
	media_detach(&m);
	setenv("PINFOLD_RUNTIME_DIR", test_dir(), 1);
}

/* A relative one, and the program goes elsewhere. */
static int relative_directory(void *unused)
{
	struct media m;

	(void)unused;
	must_be(chdir(test_dir()), 0);
	must_be(mkdir("relative", 0700), 0);
	setenv("PINFOLD_RUNTIME_DIR", "relative", 1);
	must_be(media_attach(path, 0, &m), 0);
	must_be(media_files("relative"), 1);
	must_be(chdir("/"), 0);
	media_detach(&m);
	must_be(media_files(test_path("relative")), 0);
	return 0;
}

static int fds[2];

static int join_fds(void *arg)
{
	struct media m;

	(void)arg;
	must_be(media_attach_fds(fds[0], fds[1], &m), 0);
	must_be(media_builds, 0);
	media_detach(&m);
	return 0;
}

static void memfd(void)
{
	struct media m;

	fds[0] = memfd_create("media", MFD_CLOEXEC);
	must_be(ftruncate(fds[0], 65536), 0);
	must_be(rt_make_memfd(&fds[1]), 0);
	must_be(media_attach_fds(fds[0], -1, &m), -PF_EMEMFD);
	for (unsigned i = 0; i < 3; i++) { /* used again after each last close */
		must_be(media_attach_fds(fds[0], fds[1], &m), 0);
		must_be(m.rt->path[0], 0);
		store_relaxed(&m.shared->words[0], load_relaxed(&m.shared->words[0]) + 1);
		must_be(load_relaxed(&m.shared->words[0]), 1);
		media_builds = 0;
		must_be(test_in_child(join_fds, NULL), 0);
		media_detach(&m);
	}
	close(fds[0]);
	close(fds[1]);
	must_be(media_files(test_dir()), 0);
}

/* Who may use the media may use the runtime. */
static void modes(void)
{
	struct media m;
	struct stat st;

	must_be(chmod(path, 0660), 0);
	must_be(media_attach(path, 0, &m), 0);
	must_be(stat(m.rt->path, &st), 0);
	must_be(st.st_mode & 0777, 0660);
	media_detach(&m);
	must_be(chmod(path, 0600), 0);
	must_be(media_attach(path, 0, &m), 0);
	must_be(stat(m.rt->path, &st), 0);
	must_be(st.st_mode & 0777, 0600);
	media_detach(&m);
}

int main(void)
{
	path = media_make("pool");
	made_joined_and_removed();
	other_directory();
	other_namespace();
	deleted_runtime();
	copied_image();
	other_boot_and_machine();
	other_version();
	damaged_records();
	readonly();
	directories();
	must_be(test_in_child(relative_directory, NULL), 0);
	memfd();
	modes();
	return 0;
}

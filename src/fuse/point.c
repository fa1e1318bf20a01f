/* The mount point: that it is a directory one can mount at, and no dead mount. See point.h. */
#include "fuse/point.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

static int complain(const char *path, int error)
{
	mount_say("%s: %s", path, strerror(error));
	return 1;
}

/* The directory may be a mount that nobody serves any more, which cannot be asked for anything; so its parent is, and a link at
 * the end is left as it is then. */
static char *resolve(const char *path)
{
	char *whole = realpath(path, NULL), *copy, *parent, *result = NULL;

	if (whole || (errno != ENOTCONN && errno != ECONNABORTED))
		return whole;
	copy = strdup(path);
	if (!copy)
		return NULL;
	parent = realpath(dirname(copy), NULL);
	free(copy);
	copy = strdup(path);
	if (parent && copy &&
	    asprintf(&result, "%s/%s", strcmp(parent, "/") ? parent : "", basename(copy)) < 0)
		result = NULL;
	free(parent);
	free(copy);
	return result;
}

/* ---- dead mounts ----------------------------------------------------------------------------------- */

/* The kernel may still know attributes, but nobody answers for the file system as a whole. */
static bool is_dead(const char *directory)
{
	struct statvfs st;

	return statvfs(directory, &st) < 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

/* What is mounted there last is a pool. */
static bool is_ours(const char *directory)
{
	FILE *table = setmntent("/proc/self/mounts", "r");
	struct mntent *entry;
	bool ours = false;

	while (table && (entry = getmntent(table)))
		if (!strcmp(entry->mnt_dir, directory))
			ours = !strcmp(entry->mnt_type, "fuse.pinfold");
	if (table)
		endmntent(table);
	return ours;
}

static int run_fusermount(const char *directory)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		execlp("fusermount3", "fusermount3", "-u", "-z", "-q", "--", directory,
		       (char *)NULL);
		_exit(127);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : -1;
}

/* Whoever has files open there keeps them, as good as they are. */
static int clear_away(const char *directory)
{
	if (!is_ours(directory)) {
		mount_say("%s: what is mounted there is dead, and no pool; unmount it first",
			  directory);
		return 1;
	}
	if (umount2(directory, MNT_DETACH) == 0 || run_fusermount(directory) == 0)
		return 0;
	mount_say(
		"%s: a mount is there that nobody serves any more, and it cannot be unmounted: %s",
		directory, strerror(errno));
	return 1;
}

/* ---- what can be mounted at ------------------------------------------------------------------------ */

static bool is_empty(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	bool empty = true;

	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			empty = false;
	if (dir)
		closedir(dir);
	return empty;
}

static int check_directory(const struct mount_options *o)
{
	struct stat st;

	if (stat(o->directory, &st) < 0)
		return complain(o->directory, errno);
	if (!S_ISDIR(st.st_mode))
		return complain(o->directory, ENOTDIR);
	if (is_ours(o->directory)) {
		mount_say("%s: a pool is mounted there already; 'fusermount3 -u %s' unmounts it",
			  o->directory, o->directory);
		return 1;
	}
	if (o->nonempty || is_empty(o->directory))
		return 0;
	mount_say(
		"%s: the directory is not empty, and what is in it would be hidden; '-o nonempty' if that is meant",
		o->directory);
	return 1;
}

/* An ordinary user mounts with the help of fusermount3, which opens the device as that user. */
static int check_device(void)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno == ENOENT)
		mount_say(
			"there is no /dev/fuse: 'modprobe fuse' makes it; a container must be given it ('--device /dev/fuse')");
	else if (errno == EACCES || errno == EPERM)
		mount_say(
			"/dev/fuse: %s; 'chmod 666 /dev/fuse' lets everybody mount, and a container must be given it",
			strerror(errno));
	else
		mount_say("/dev/fuse: %s: this kernel has no FUSE", strerror(errno));
	return 1;
}

/* In $PATH, as execlp() looks for it. */
static bool has_fusermount(void)
{
	const char *path = getenv("PATH");
	char *copy = strdup(path ? path : "/bin:/usr/bin"), *rest = copy, *part;
	char file[PATH_MAX];
	bool found = false;

	while (!found && (part = strsep(&rest, ":"))) {
		snprintf(file, sizeof file, "%s/fusermount3", part);
		found = access(file, X_OK) == 0;
	}
	free(copy);
	return found;
}

static int check_helper(void)
{
	if (!geteuid() || has_fusermount())
		return 0;
	mount_say(
		"fusermount3 is missing, without which only root mounts: install the package fuse3");
	return 1;
}

int point_prepare(struct mount_options *o)
{
	char *pool = realpath(o->pool, NULL), *directory;

	if (!pool)
		return complain(o->pool, errno);
	o->pool = pool;
	directory = resolve(o->directory);
	if (!directory)
		return complain(o->directory, errno);
	o->directory = directory;
	if (is_dead(directory) && clear_away(directory))
		return 1;
	return check_directory(o) || check_device() || check_helper();
}

void point_sync(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	syncfs(fd);
	close(fd);
}

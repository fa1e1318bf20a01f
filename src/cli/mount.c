/* mount: runs the program that mounts, which needs libfuse3 and so is one of its own, in libexec. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static int run_mount(const struct options *o, char **operands, int count)
{
	static char name[] = "pinfold-fuse", foreground[] = "-f", list[] = "-o", end[] = "--";
	char path[PATH_MAX + 64];
	char *arguments[8] = {name};
	int n = 1;

	(void)count;
	if (!find_helper("pinfold-fuse", "pinfold-fuse", path, sizeof path))
		return complain(
			"this pinfold was built without the mount: install the packages libfuse3-dev and fuse3, "
			"and build it again");
	if (o->foreground)
		arguments[n++] = foreground;
	if (o->mount_options) {
		arguments[n++] = list;
		arguments[n++] = o->mount_options;
	}
	arguments[n++] = end;
	arguments[n++] = operands[0];
	arguments[n++] = operands[1];
	execv(path, arguments);
	return complain("%s: %s", path, strerror(errno));
}

const struct command cmd_mount = {
	"mount",
	"foreground:f mount.options:o",
	2,
	2,
	run_mount,
	"mounts a pool at a directory, for programs that know nothing of pinfold\n"
	"usage: pinfold mount POOL DIRECTORY [-f] [-o OPTION,...]\n"
	"Returns when the mount is up; 'fusermount3 -u DIRECTORY' (or SIGTERM) ends it. What -o knows:\n"
	"  ro, rw                    for reading only; or not (default)\n"
	"  allow_other, allow_root   other users, too; an ordinary user needs user_allow_other in /etc/fuse.conf for it\n"
	"  uid=N, gid=N              everything is shown as theirs, and what is made belongs to them\n"
	"  nosuid, nodev, noexec, noatime, sync, dirsync, nonempty, auto_unmount: as elsewhere\n"
	"  entry_timeout=SECONDS, attr_timeout=SECONDS   how long the kernel believes names and attributes (1)\n"
	"  negative_timeout=SECONDS  how long it believes that a name is not there (0); 1 makes git four times as fast, but a name that others make is seen a hundredth of a second late\n"
	"  threads=N                 requests at a time (8)\n"
	"  max_open=N, max_open_user=N   files and directories open at a time, in all and of one user (262144, 65536)\n"
	"Permissions are always checked (default_permissions). See also mount.pinfold, for a line in fstab.\n"
	"Example: mkdir -p /dev/shm/mnt && pinfold mount /dev/shm/pool /dev/shm/mnt && ls /dev/shm/mnt && fusermount3 -u /dev/shm/mnt"};

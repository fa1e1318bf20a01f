/* Which machine and boot this is, and where runtimes live. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sys.h"
#include "format/use_format.h"
#include "runtime/local.h"

/* 32 hexadecimal digits, with or without dashes; zeros if the file is not there. */
static void read_id(const char *path, uint8_t id[16])
{
	char text[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	unsigned digits = 0;

	if (fd >= 0)
		close(fd);
	memset(id, 0, 16);
	for (ssize_t i = 0; i < n && digits < 32; i++) {
		char c = (char)tolower(text[i]);

		if (!isxdigit((unsigned char)c))
			continue;
		id[digits / 2] |= (uint8_t)((isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10)
					    << (digits % 2 ? 0 : 4));
		digits++;
	}
}

void identity_now(struct use_format *use)
{
	*use = (struct use_format){.state = USE_OPEN};
	read_id("/etc/machine-id", use->machine);
	read_id("/proc/sys/kernel/random/boot_id", use->boot);
}

/* Absolute: the runtime's file is removed by its path, when the program may have changed its directory. */
static int name_directory(char *path, size_t size)
{
	const char *dir = getenv("PINFOLD_RUNTIME_DIR");
	size_t n = 0;

	if (!dir || !*dir)
		dir = "/dev/shm";
	if (*dir != '/') {
		if (!getcwd(path, size - 1))
			return err(PF_ERUNDIR, "%s: %s", dir, strerror(errno));
		n = strlen(path);
		path[n++] = '/';
	}
	if (snprintf(path + n, size - n, "%s", dir) >= (int)(size - n))
		return err(PF_ERUNDIR, "%s: longer than %zu bytes", dir, size - 1);
	return 0;
}

static bool says_directory(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP || error == EACCES ||
	       error == ENAMETOOLONG;
}

int identity_directory(char *path, size_t size)
{
	struct stat st;
	int fd, rc = name_directory(path, size);

	if (rc < 0)
		return rc;
	fd = sys_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return says_directory(errno) ? err(PF_ERUNDIR, "%s: %s", path, strerror(errno))
					     : err_errno("%s", path);
	if (sys_fstat(fd, &st) < 0) {
		rc = err_errno("%s", path);
		sys_close(fd);
		return rc;
	}
	if ((st.st_uid != geteuid() && st.st_uid != 0) ||
	    (st.st_mode & 022 && !(st.st_mode & S_ISVTX))) {
		sys_close(fd);
		return err(PF_ERUNDIR, "%s: owner %u, mode %o", path, (unsigned)st.st_uid,
			   st.st_mode & 07777);
	}
	return fd;
}

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

int identity_directory(char *path, size_t size)
{
	const char *dir = getenv("PINFOLD_RUNTIME_DIR");
	struct stat st;
	int fd;

	if (snprintf(path, size, "%s", dir && *dir ? dir : "/dev/shm") >= (int)size)
		return err(PF_ERUNDIR, "%s: longer than %zu bytes", dir, size - 1);
	fd = sys_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE
			       ? err_errno("%s", path)
			       : err(PF_ERUNDIR, "%s: %s", path, strerror(errno));
	if (sys_fstat(fd, &st) < 0) {
		int rc = err_errno("%s", path);

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

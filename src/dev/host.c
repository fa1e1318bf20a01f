/* What pages the host really gave a mapping, read from /proc/self/smaps. */
#include <stdio.h>
#include <string.h>

#include "dev/dev.h"

/* Lines of one mapping: "KernelPageSize: 4 kB", "ShmemPmdMapped: 2048 kB". */
static void read_line(const char *line, uint64_t *page_kb, uint64_t *huge_kb)
{
	static const char *const huge[] = {"ShmemPmdMapped:", "FilePmdMapped:"};
	unsigned long kb;

	if (sscanf(line, "KernelPageSize: %lu", &kb) == 1)
		*page_kb = kb;
	for (size_t i = 0; i < ARRAY_SIZE(huge); i++)
		if (!strncmp(line, huge[i], strlen(huge[i])) &&
		    sscanf(line + strlen(huge[i]), "%lu", &kb) == 1)
			*huge_kb += kb;
}

uint64_t dev_host_page_size(const void *address)
{
	unsigned long from, to, wanted = (unsigned long)(uintptr_t)address;
	uint64_t page_kb = 0, huge_kb = 0;
	bool inside = false;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "re");

	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2 && !strstr(line, "kB\n"))
			inside = wanted >= from && wanted < to;
		else if (inside)
			read_line(line, &page_kb, &huge_kb);
	}
	if (f)
		fclose(f);
	if (huge_kb)
		return BLOCK_BYTES;
	return page_kb ? page_kb * 1024 : PAGE_BYTES;
}

/* What pages the host really gave a mapping, read from /proc/self/smaps. */
#include <stdio.h>
#include <sys/mman.h>

#include "dev/dev.h"

struct mapping {
	uint64_t page_kb, touched_kb, huge_kb;
};

/* Lines of one mapping: "KernelPageSize: 4 kB", "Rss: 8192 kB", "ShmemPmdMapped: 2048 kB". */
static void read_line(const char *line, struct mapping *m)
{
	unsigned long kb;

	if (sscanf(line, "KernelPageSize: %lu", &kb) == 1)
		m->page_kb = kb;
	else if (sscanf(line, "Rss: %lu", &kb) == 1)
		m->touched_kb = kb;
	else if (sscanf(line, "ShmemPmdMapped: %lu", &kb) == 1 ||
		 sscanf(line, "FilePmdMapped: %lu", &kb) == 1)
		m->huge_kb += kb;
}

/* Fills m from the mapping that has the address; it stays 0 if there is none. */
static void find_mapping(FILE *smaps, uint64_t address, struct mapping *m)
{
	unsigned long from, to;
	bool inside = false;
	char line[512];

	while (fgets(line, sizeof line, smaps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) != 2) {
			if (inside)
				read_line(line, m);
		} else if (inside) {
			return;
		} else {
			inside = address >= from && address < to;
		}
	}
}

uint64_t dev_host_page_size(const void *address)
{
	uint64_t at = align_down((uint64_t)(uintptr_t)address, PAGE_BYTES);
	struct mapping m = {0, 0, 0};
	FILE *smaps = fopen("/proc/self/smaps", "re");

	/* What cannot be read is not touched, and counts as small. */
	madvise((void *)(uintptr_t)at, PAGE_BYTES, MADV_POPULATE_READ);
	if (smaps) {
		find_mapping(smaps, at, &m);
		fclose(smaps);
	}
	if (m.huge_kb && m.huge_kb * 2 >= m.touched_kb)
		return BLOCK_BYTES;
	return MAX(m.page_kb * 1024, PAGE_BYTES);
}

/* What the figures were measured on: processors, kernel, page sizes, where the pools are. For the table and for the JSON document. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define SHMEM_HUGE "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

/* What stands after `key` and a colon in the file; false: it is not there. */
static bool read_field(const char *path, const char *key, char *value, size_t size)
{
	FILE *file = fopen(path, "re");
	char line[512];
	bool found = false;

	while (file && !found && fgets(line, sizeof line, file)) {
		char *colon = strchr(line, ':');

		found = colon && !strncmp(line, key, strlen(key));
		if (found)
			snprintf(value, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
	}
	if (file)
		fclose(file);
	value[strcspn(value, "\n")] = 0;
	return found;
}

/* The setting that the kernel shows in brackets. */
static void read_choice(const char *path, char *value, size_t size)
{
	FILE *file = fopen(path, "re");
	char line[256], *open = NULL;

	if (file && fgets(line, sizeof line, file) && (open = strchr(line, '[')))
		snprintf(value, size, "%.*s", (int)strcspn(open + 1, "]"), open + 1);
	if (file)
		fclose(file);
}

static const char *file_system(const char *directory)
{
	static const struct {
		long magic;
		const char *name;
	} types[] = {{0x01021994, "tmpfs"}, {0x958458f6, "hugetlbfs"}, {0xef53, "ext4"},
		     {0x58465342, "xfs"},   {0x9123683e, "btrfs"},     {0x794c7630, "overlay"}};
	struct statfs fs;

	for (size_t i = 0; statfs(directory, &fs) == 0 && i < sizeof types / sizeof *types; i++)
		if ((long)fs.f_type == types[i].magic)
			return types[i].name;
	return "another file system";
}

json_t *describe_machine(const char *pool_directory)
{
	char cpu[256] = "unknown", memory[64] = "0", huge[64] = "none", huge_pages[64] = "0";
	char shmem[32] = "not built in", date[32];
	struct utsname kernel = {0};
	time_t now = time(NULL);
	struct tm utc;

	read_field("/proc/cpuinfo", "model name", cpu, sizeof cpu);
	read_field("/proc/meminfo", "MemTotal", memory, sizeof memory);
	read_field("/proc/meminfo", "Hugepagesize", huge, sizeof huge);
	read_field("/proc/meminfo", "HugePages_Total", huge_pages, sizeof huge_pages);
	read_choice(SHMEM_HUGE, shmem, sizeof shmem);
	uname(&kernel);
	strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&now, &utc));
	return json_pack("{s:s, s:s, s:I, s:I, s:s, s:I, s:s, s:s, s:I, s:s, s:s}", "date", date,
			 "cpu", cpu, "cpus", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN),
			 "memory_mib", (json_int_t)strtoll(memory, NULL, 10) / 1024, "kernel",
			 kernel.release, "page_size", (json_int_t)sysconf(_SC_PAGESIZE),
			 "shmem_huge", shmem, "hugetlb_size", huge, "hugetlb_pages",
			 (json_int_t)strtoll(huge_pages, NULL, 10), "pool_directory",
			 pool_directory, "pool_file_system", file_system(pool_directory));
}

void print_machine(json_t *m)
{
#define TEXT(key)   json_string_value(json_object_get(m, key))
#define NUMBER(key) (long)json_integer_value(json_object_get(m, key))
	printf("machine  %ld CPUs, %s, %ld MiB, Linux %s, %s\n", NUMBER("cpus"), TEXT("cpu"),
	       NUMBER("memory_mib"), TEXT("kernel"), TEXT("date"));
	printf("pages    %ld bytes; huge ones of tmpfs (shmem_enabled): %s; hugetlb: %s, %ld set aside\n",
	       NUMBER("page_size"), TEXT("shmem_huge"), TEXT("hugetlb_size"),
	       NUMBER("hugetlb_pages"));
	printf("pools    in %s (%s); peers beside them in /dev/shm\n", TEXT("pool_directory"),
	       TEXT("pool_file_system"));
	puts("figures  medians; +- is half of what the middle half of the rounds spreads over\n");
#undef TEXT
#undef NUMBER
}

/* docs/pgtable.md has each bit of each format once, and the bits that are software's where the format has them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pgtable/fmt.h"
#include "test.h"

static const struct section {
	const char *title;
	const struct pt_fmt *fmt;
	uint64_t saved_dirty;
} sections[] = {
	{"### x86-64\n", &pt_x86_64, 1ull << 58},
	{"### AArch64\n", &pt_aarch64, 1ull << 55},
	{"### RISC-V\n", &pt_sv39, 0},
	{"### LoongArch\n", &pt_loongarch, 1ull << 9},
};

struct found {
	uint64_t all, special, soft_dirty, uffd_wp, saved_dirty, unused, foreign, valid, protnone;
};

/* "12", "3, 4", "13-20" */
static uint64_t bits(const char *s)
{
	uint64_t mask = 0;
	char *end;

	for (;; s = end + 1) {
		unsigned long first = strtoul(s, &end, 10), last = first;

		must(end != s);
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		must(first <= last && last < 64);
		for (; first <= last; first++)
			mask |= 1ull << first;
		if (*end != ',')
			return mask;
	}
}

static void row(char *line, struct found *f)
{
	char *leaf = strchr(line + 1, '|'), *table = leaf ? strchr(leaf + 1, '|') : NULL;
	uint64_t mask = bits(line + 1);

	must(table);
	*table++ = 0;
	must(!(f->all & mask));
	f->all |= mask;
	f->special |= strstr(leaf, "**special**") ? mask : 0;
	f->soft_dirty |= strstr(leaf, "**soft-dirty**") ? mask : 0;
	f->uffd_wp |= strstr(leaf, "**uffd-wp**") ? mask : 0;
	f->saved_dirty |= strstr(leaf, "**saved-dirty**") ? mask : 0;
	f->unused |= strstr(leaf, "**unused**") ? mask : 0;
	f->valid |= strstr(leaf, "`valid`") ? mask : 0;
	f->protnone |= strstr(leaf, "`protnone`") ? mask : 0;
	f->foreign |= strstr(table, "**foreign**") ? mask : 0;
}

static void check(const struct section *s, const struct found *f)
{
	printf("%s", s->title);
	must(f->all == UINT64_MAX);
	must(f->special == s->fmt->special);
	must(f->soft_dirty == s->fmt->soft_dirty);
	must(f->uffd_wp == s->fmt->uffd_wp);
	must(f->saved_dirty == s->saved_dirty);
	must(f->unused == s->fmt->unused);
	must(f->valid == s->fmt->valid);
	must(f->protnone == s->fmt->protnone);
	must(f->foreign == s->fmt->foreign);
}

int main(void)
{
	const char *source = getenv("PF_SOURCE_DIR");
	struct found found[ARRAY_SIZE(sections)] = {0};
	struct found *in = NULL;
	char path[4096], line[4096];
	FILE *doc;

	snprintf(path, sizeof path, "%s/docs/pgtable.md", source ? source : ".");
	must((doc = fopen(path, "r")) != NULL);
	while (fgets(line, sizeof line, doc)) {
		if (line[0] == '#')
			in = NULL;
		for (unsigned i = 0; i < ARRAY_SIZE(sections); i++)
			if (!strcmp(line, sections[i].title))
				in = &found[i];
		if (in && line[0] == '|' && line[1] == ' ' && line[2] >= '0' && line[2] <= '9')
			row(line, in);
	}
	fclose(doc);
	for (unsigned i = 0; i < ARRAY_SIZE(sections); i++)
		check(&sections[i], &found[i]);
	return 0;
}

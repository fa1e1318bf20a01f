/*
 * Names are what a simple model says: create, rename, replace, unlink, with long chains and numbers that go round; a lookup without a lock
 * never says "not there" of a name that is there, whoever renames meanwhile.
 */
/* test: suite=short timeout=120 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>

#include "base/err.h"
#include "box.h"
#include "test.h"

#define NAMES 200u

static struct box box;
static struct test_random chance;
static uint32_t model[NAMES]; /* inode of each name; 0: none */
static unsigned files;

static const char *name_of(unsigned n)
{
	static _Thread_local char name[2][300];
	static _Thread_local unsigned turn;
	char *text = name[turn++ % 2];

	/* Some share a prefix of many words, some are of the longest length. */
	snprintf(
		text, 300, "%.*s%u", n % 7 == 0 ? 252 : (int)(n % 40),
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		n);
	return text;
}

static void one_step(void)
{
	unsigned a = (unsigned)test_below(&chance, NAMES), b = (unsigned)test_below(&chance, NAMES);

	if (!model[a]) {
		int64_t ino = fs_create(&box.fs, box.me, name_of(a), 0600, 5, 6);

		must(ino > 0);
		for (unsigned i = 0; i < NAMES; i++)
			must(model[i] != (uint32_t)ino);
		model[a] = (uint32_t)ino;
		files++;
	} else if (a == b || test_below(&chance, 3) == 0) {
		fs_unlink(&box.fs, box.me, model[a]);
		box_evict(&box, model[a]);
		model[a] = 0;
		files--;
	} else {
		fs_rename(&box.fs, box.me, model[a], name_of(b), model[b]);
		if (model[b]) {
			box_evict(&box, model[b]);
			files--;
		}
		model[b] = model[a];
		model[a] = 0;
	}
}

static int count_one(void *arg, uint32_t ino, const struct inode_attr *attr)
{
	unsigned *seen = arg;

	for (unsigned i = 0; i < NAMES; i++)
		if (model[i] == ino) {
			must(!strcmp(name_of(i), attr->name));
			++*seen;
			return 0;
		}
	test_fail(__FILE__, __LINE__, "inode %u is listed", ino);
}

static void compare(void)
{
	unsigned seen = 0;

	for (unsigned i = 0; i < NAMES; i++) {
		bool sure = false;

		must_be(fs_lookup(&box.fs, name_of(i), &sure), model[i]);
		must(sure);
	}
	must_be(fs_list(&box.fs, count_one, &seen), 0);
	must_be(seen, files);
	must_be(fs_inodes_free(&box.fs), box.super.inodes - 1 - files);
}

static void against_model(void)
{
	for (unsigned i = 0; i < 4000; i++) {
		one_step();
		if (i % 100 == 0)
			compare();
	}
	compare();
	/* Fewer than half of the numbers are in use, so none was added. */
	must_be(fs_inodes_high(&box.fs), 512);
	box_check(&box);
	box_close(&box);
	box_open(&box);
	compare();
}

/* A removed file's record keeps its name until many others were made. */
static void names_stay(void)
{
	struct inode_attr attr;
	int64_t ino = fs_create(&box.fs, box.me, "kept", 0, 0, 0);

	must(ino > 0);
	fs_unlink(&box.fs, box.me, (uint32_t)ino);
	box_evict(&box, (uint32_t)ino);
	for (unsigned i = 0; i < 100; i++) {
		char name[16];
		int64_t other;

		snprintf(name, sizeof name, "other%u", i);
		other = fs_create(&box.fs, box.me, name, 0, 0, 0);
		must(other > 0 && other != ino);
		fs_unlink(&box.fs, box.me, (uint32_t)other);
		box_evict(&box, (uint32_t)other);
	}
	must_be(fs_attr(&box.fs, (uint32_t)ino, &attr), 0);
	must(attr.state == INODE_FREE && !strcmp(attr.name, "kept"));
}

/* Until the last number, each once; then the error, and after one is free, that one. */
static void all_numbers(void)
{
	struct box old = box;
	uint32_t last = 0;
	unsigned n = 0;

	memset(&box, 0, sizeof box);
	box_make(&box, 16 << 20, 1500, 0);
	box_open(&box);
	for (;; n++) {
		char name[16];
		int64_t ino;

		snprintf(name, sizeof name, "n%u", n);
		ino = fs_create(&box.fs, box.me, name, 0, 0, 0);
		if (ino < 0) {
			must_be(ino, -PF_ENOINODES);
			break;
		}
		last = (uint32_t)ino;
	}
	must_be(n, box.super.inodes - 1);
	must_be(fs_inodes_free(&box.fs), 0);
	box_check(&box);
	fs_unlink(&box.fs, box.me, last - 700);
	box_evict(&box, last - 700);
	must_be(fs_create(&box.fs, box.me, "again", 0, 0, 0), last - 700);
	box_check(&box);
	box_end(&box);
	box = old;
}

/* ---- lookups meanwhile ------------------------------------------------------------------------------- */

static _Atomic bool stop;
static unsigned long unsure, looked;

/* "home" is always there; it only changes which inode has it. */
static void *look(void *arg)
{
	bool *wrong = arg;

	while (!load_relaxed(&stop)) {
		bool sure = false;
		uint32_t ino = fs_lookup(&box.fs, "home", &sure);

		if (!ino && sure)
			*wrong = true;
		unsure += !sure;
		looked++;
	}
	return NULL;
}

static void meanwhile(void)
{
	int64_t a = fs_create(&box.fs, box.me, "home", 0, 0, 0);
	bool wrong = false;
	pthread_t thread;

	must(a > 0);
	must(pthread_create(&thread, NULL, look, &wrong) == 0);
	for (unsigned n = 0; test_time_left(0.8) || n < 1000; n++) {
		int64_t b = fs_create(&box.fs, box.me, "other", 0, 0, 0);

		must(b > 0);
		fs_rename(&box.fs, box.me, (uint32_t)b, "home", (uint32_t)a);
		box_evict(&box, (uint32_t)a);
		a = b;
	}
	store_relaxed(&stop, true);
	pthread_join(thread, NULL);
	printf("%lu lookups, %lu unsure\n", looked, unsure);
	must(!wrong && looked);
}

static void checked_names(void)
{
	char name[300];

	memset(name, 'n', sizeof name);
	name[255] = 0;
	must_be(fs_name_check(name), 255);
	name[255] = 'n';
	name[256] = 0;
	must_be(fs_name_check(name), -PF_ENAME);
	must_be(fs_name_check(""), -PF_ENAME);
	must_be(fs_name_check("."), -PF_ENAME);
	must_be(fs_name_check(".."), -PF_ENAME);
	must_be(fs_name_check("a/b"), -PF_ENAME);
	must_be(fs_name_check("..."), 3);
	must_be(fs_name_check("\xff\n"), 2);
}

int main(void)
{
	test_dir();
	chance.state = test_seed();
	checked_names();
	box_make(&box, 16 << 20, 0, 0);
	must(box.super.names == 1024);
	box_open(&box);
	against_model();
	names_stay();
	all_numbers();
	meanwhile();
	box_check(&box);
	box_end(&box);
	return 0;
}

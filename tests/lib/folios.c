/* See folios.h. */
#include "folios.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "format/use_format.h"
#include "test.h"

static void open_pages(struct folios *f, struct rt *rt)
{
	page_open(&f->pages, rt, f->dev, BLOCK_PAGES, f->blocks * BLOCK_PAGES, NULL);
}

static int build(void *arg, struct rt *rt, struct rt_self *me)
{
	struct folios *f = arg;

	(void)me;
	open_pages(f, rt);
	page_build(&f->pages);
	page_build_end(&f->pages);
	return 0;
}

void folios_open(struct folios *f, uint64_t blocks)
{
	struct rt_plan plan = {.limit_ms = 5000, .build = build, .arg = f};
	int runtime_fd;

	*f = (struct folios){.blocks = blocks};
	must_be(dev_make_memfd((blocks + 1) * BLOCK_PAGES * PAGE_BYTES, true, &f->dev), 0);
	must_be(dev_map(f->dev, 0, USE_END, PROT_READ | PROT_WRITE, NULL, &f->head), 0);
	must_be(rt_make_memfd(&runtime_fd), 0);
	page_plan(blocks * BLOCK_PAGES, &plan);
	must_be(rt_attach(f->dev, f->head, true, runtime_fd, &plan, &f->rt), 0);
	close(runtime_fd);
	open_pages(f, f->rt);
	f->me = rt_self_get(f->rt);
	must(f->me);
}

static int finish(void *arg, struct rt_self *me)
{
	(void)arg;
	(void)me;
	return 0;
}

void folios_close(struct folios *f)
{
	rt_detach(f->rt, finish, NULL);
	munmap(f->head, USE_END);
	dev_close(f->dev);
}

static void complain(void *arg, const char *rule, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s: %s\n", rule, text);
}

void folios_check(struct folios *f)
{
	struct report report = {.each = complain};

	page_check(f->me, &f->pages, &report);
	must_be(report.violations, 0);
}

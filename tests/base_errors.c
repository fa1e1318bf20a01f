/* Every code has a name, an errno and a sentence of its own; pf_message() says what this thread's last failure was. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/err.h"
#include "test.h"

static const struct {
	int code;
	const char *name;
} codes[] = {
#define ROW(name, posix, text) {name, #name},
	PF_ERRORS(ROW)
#undef ROW
};

static void each_code(void)
{
	must_be(ARRAY_SIZE(codes), PF_ERROR_END - PF_ERROR_BASE - 1);
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		const char *text = pf_strerror(codes[i].code);

		must_be(codes[i].code, PF_ERROR_BASE + 1 + (int)i);
		must(pf_errno(codes[i].code) > 0 && pf_errno(codes[i].code) < 134);
		must_be(pf_errno(-codes[i].code), pf_errno(codes[i].code));
		must(strlen(text) > 10 && pf_strerror(-codes[i].code) == text);
		for (size_t j = 0; j < i; j++)
			must(strcmp(pf_strerror(codes[j].code), text));
	}
}

static void plain_errnos(void)
{
	must_be(pf_errno(0), 0);
	must_be(pf_errno(-ENOSPC), ENOSPC);
	must_be(pf_errno(PF_ERROR_BASE), PF_ERROR_BASE);
	must(pf_errno(INT32_MIN) > 0);
	must(!strcmp(pf_strerror(0), "success"));
	must(!strcmp(pf_strerror(-ENOENT), "No such file or directory"));
	must(strlen(pf_strerror(PF_ERROR_END)) > 0 && strlen(pf_strerror(INT32_MIN)) > 0);
}

static void *other_thread(void *arg)
{
	(void)arg;
	must(pf_message()[0] == 0);
	must_be(err(PF_ENAME, "b"), -PF_ENAME);
	return NULL;
}

static void messages(void)
{
	char expected[600], name[1000];
	pthread_t thread;

	errno = EINTR;
	must_be(err(PF_ENOFILE, "file %d", 7), -PF_ENOFILE);
	must_be(errno, EINTR);
	snprintf(expected, sizeof expected, "file 7: %s", pf_strerror(PF_ENOFILE));
	must(!strcmp(pf_message(), expected));
	must(pthread_create(&thread, NULL, other_thread, NULL) == 0);
	pthread_join(thread, NULL);
	must(!strcmp(pf_message(), expected));
	must_be(err(ENOMEM, NULL), -ENOMEM);
	must(!strcmp(pf_message(), pf_strerror(ENOMEM)));
	errno = ENOSPC;
	must_be(err_errno("%s", "x"), -ENOSPC);
	must_be(errno, ENOSPC);
	must(!strcmp(pf_message(), "x: No space left on device"));
	errno = 0;
	must_be(err_errno("x"), -EIO);
	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = 0;
	must_be(err(PF_ENAME, "%s", name), -PF_ENAME);
	must(strlen(pf_message()) < sizeof name);
}

int main(void)
{
	each_code();
	plain_errnos();
	messages();
	return 0;
}

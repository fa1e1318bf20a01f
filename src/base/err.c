/* Error codes, their sentences, and the last failure of each thread. */
#include "base/err.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
	int posix;
	const char *text;
} codes[] = {
#define ROW(name, posix, text) [name - PF_ERROR_BASE] = {posix, text},
	PF_ERRORS(ROW)
#undef ROW
};

static _Thread_local char message[512];

static int positive(int code)
{
	return code == INT_MIN ? INT_MAX : code < 0 ? -code : code;
}

static int is_code(int code)
{
	return code > PF_ERROR_BASE && code < PF_ERROR_END;
}

const char *pf_strerror(int code)
{
	static _Thread_local char text[128];

	code = positive(code);
	if (code == 0)
		return "success";
	if (is_code(code))
		return codes[code - PF_ERROR_BASE].text;
	return strerror_r(code, text, sizeof text);
}

int pf_errno(int code)
{
	code = positive(code);
	return is_code(code) ? codes[code - PF_ERROR_BASE].posix : code;
}

const char *pf_message(void)
{
	return message;
}

/* "particulars: sentence", or one of them. */
static void keep(int code, const char *format, va_list args)
{
	size_t n = 0;

	message[0] = 0;
	if (format) {
		vsnprintf(message, sizeof message, format, args);
		n = strlen(message);
	}
	snprintf(message + n, sizeof message - n, "%s%s", n ? ": " : "", pf_strerror(code));
}

int err(int code, const char *format, ...)
{
	int saved = errno;
	va_list args;

	va_start(args, format);
	keep(code, format, args);
	va_end(args);
	errno = saved;
	return -code;
}

int err_errno(const char *format, ...)
{
	int saved = errno ? errno : EIO;
	va_list args;

	va_start(args, format);
	keep(saved, format, args);
	va_end(args);
	errno = saved;
	return -saved;
}

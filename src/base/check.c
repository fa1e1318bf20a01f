/* Failed invariants, and reports of violations. */
#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "pinfold: check failed: %s (%s:%d)\n", what, file, line);
	abort();
}

void report_violation(struct report *report, const char *rule, const char *format, ...)
{
	char text[400];
	va_list args;

	report->violations++;
	if (!report->each)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	report->each(report->arg, rule, text);
}

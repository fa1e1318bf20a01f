/*
 * Errors. A function that fails returns err(CODE, "particulars", ...), which keeps the sentence for
 * pf_message() in this thread and is -CODE; callers pass it up unchanged. CODE is one of pf_error, or
 * an errno. One code and one text per failure site.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <errno.h>
#include <string.h>

#include "pinfold.h"

/* Keeps "sentence of code: particulars" and returns -code. `format` may be NULL. */
int err(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a failed system call: particulars say which and on what; errno's text is added. */
int err_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

/*
 * A program that is run under watch: before one of its system calls happens, the test may kill it there, or send it another signal, let the call fail, or
 * do something first. Calls are counted, so that a run stops at the same point whenever it is repeated. For system calls of the program
 * itself; those of the library in this process are sys.h's.
 */
#ifndef TEST_WATCH_H
#define TEST_WATCH_H

struct watch {
	int call; /* SYS_...; of SYS_read, SYS_write, SYS_io_uring_setup, SYS_io_uring_enter */
	const char *path;         /* only on this file, an absolute path; NULL: any */
	long nth;                 /* which of them, from 1; 0: none, they are only counted */
	int signal;               /* is sent to the program, if not 0 */
	int error;                /* else, if not 0: the call fails with it */
	void (*first)(void *arg); /* else: called before the call happens */
	void *arg;
	long seen; /* how many there were */
};

/* Runs the program with standard output and error into the files test_path("out") and test_path("err"); its status as of test_wait(). Skips the
 * test where the host does not let a program be watched. */
int watch_run(const char *const argv[], struct watch *watch);

#endif

/* Running a program under watch, see watch.h: a seccomp filter asks this process about each such call. */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"

enum { REFUSED = 125 };

struct child {
	const char *const *argv;
	int socket;
};

/* ---- the program's side ------------------------------------------------------------------------------ */

/* The listener's descriptor, or -1. */
static int install_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &program);
}

static void send_descriptor(int socket, int fd)
{
	char byte = 0;
	struct iovec iov = {&byte, 1};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {0};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof control};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	*c = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	must_be(sendmsg(socket, &message, 0), 1);
}

static int run_program(void *arg)
{
	const struct child *c = arg;
	int out = open(test_path("out"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int err = open(test_path("err"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int listener;

	must(out >= 0 && err >= 0);
	dup2(out, 1);
	dup2(err, 2);
	listener = install_filter();
	if (listener < 0)
		return REFUSED;
	send_descriptor(c->socket, listener);
	close(listener);
	execv(c->argv[0], (char *const *)c->argv);
	return REFUSED;
}

/* ---- the test's side --------------------------------------------------------------------------------- */

/* -1: there is none, the program has ended. */
static int receive_descriptor(int socket)
{
	char byte;
	struct iovec iov = {&byte, 1};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof control};
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
	return fd;
}

static bool is_it(const struct watch *w, const struct seccomp_notif *n)
{
	char link[64], path[4096] = "";

	if (n->data.nr != w->call)
		return false;
	if (!w->path)
		return true;
	snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)n->pid, (int)n->data.args[0]);
	return readlink(link, path, sizeof path - 1) > 0 && !strcmp(path, w->path);
}

static void answer(struct watch *w, int listener, const struct seccomp_notif *n)
{
	struct seccomp_notif_resp resp = {.id = n->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

	if (is_it(w, n) && ++w->seen == w->nth) {
		if (w->signal) {
			kill((pid_t)n->pid, w->signal);
		} else if (w->error) {
			resp.flags = 0;
			resp.error = -w->error;
		} else if (w->first) {
			w->first(w->arg);
		}
	}
	must(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) == 0 || errno == ENOENT);
}

static void serve(struct watch *w, int listener)
{
	struct pollfd poll_fd = {listener, POLLIN, 0};

	while (poll(&poll_fd, 1, (int)TEST_PATIENCE) == 1 && poll_fd.revents & POLLIN) {
		struct seccomp_notif n = {0};

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) == 0)
			answer(w, listener, &n);
		else
			must(errno == ENOENT || errno == EINTR);
	}
	must(poll_fd.revents & POLLHUP); /* it has ended */
}

int watch_run(const char *const argv[], struct watch *watch)
{
	int pair[2], listener, status;
	struct child child = {argv, -1};
	pid_t pid;

	test_path("out"); /* the directory is this process's */
	must_be(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	child.socket = pair[1];
	watch->seen = 0;
	pid = test_fork(run_program, &child);
	close(pair[1]);
	listener = receive_descriptor(pair[0]);
	close(pair[0]);
	if (listener >= 0) {
		serve(watch, listener);
		close(listener);
	}
	status = test_wait(pid, TEST_PATIENCE);
	if (listener < 0 || status == REFUSED)
		skip("this host does not let system calls be watched (seccomp)");
	return status;
}

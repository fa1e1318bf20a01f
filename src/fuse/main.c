/*
 * The program that "pinfold mount" and mount(8) run, and its life: options, the mount point, the pool, the session, its end.
 *
 * In the background the process that was called waits until the other one is up or has said why it is not, and ends with its
 * result. SIGTERM, SIGINT and SIGHUP write what the kernel has not written yet (mapped pages), and end it as an unmount does.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "fuse/mount.h"
#include "fuse/point.h"

struct mount mount_self = {.up = -1};

static bool to_log;

void mount_say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	if (to_log) {
		vsyslog(LOG_WARNING, format, list);
	} else {
		fputs("pinfold: mount: ", stderr);
		vfprintf(stderr, format, list);
		fputc('\n', stderr);
	}
	va_end(list);
}

uint64_t mount_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- in the background ----------------------------------------------------------------------------- */

/* Standard streams end here, so that whoever waits for their end (a pipe of the shell's) waits no longer. */
static void leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	openlog("pinfold-mount", LOG_PID, LOG_DAEMON);
	to_log = true;
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

void mount_is_up(void)
{
	char fine = 0;

	if (mount_self.up < 0)
		return;
	leave_terminal();
	if (write(mount_self.up, &fine, 1) != 1)
		mount_say("nobody waits for the mount");
	close(mount_self.up);
	mount_self.up = -1;
}

/* The child is up, or what it ended with. */
static int wait_for(pid_t child, int fd)
{
	char fine;
	int status;

	if (read(fd, &fine, 1) == 1)
		return 0;
	if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status)) {
		mount_say("the mount has ended before it was up");
		return 1;
	}
	return WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
}

/* Returns in the child; before the pool is opened, which no child inherits. */
static void go_background(void)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		mount_say("%s", strerror(errno));
		exit(1);
	}
	if (child) {
		close(ends[1]);
		exit(wait_for(child, ends[0]));
	}
	close(ends[0]);
	mount_self.up = ends[1];
	setsid();
	if (chdir("/") < 0)
		exit(1);
}

/* ---- the end --------------------------------------------------------------------------------------- */

static atomic_bool asked_to_end;
static pthread_t main_thread;

static void on_signal(int signal)
{
	(void)signal;
	atomic_store(&asked_to_end, true);
	watch_poke();
}

static void on_nudge(int signal)
{
	(void)signal; /* what waits is interrupted */
}

bool mount_ends(void)
{
	return atomic_load(&asked_to_end);
}

/* Nobody answers once the session has been told, so only before. The main thread may be about to wait when it is interrupted: it
 * is again, until it has heard. */
void mount_end(void)
{
	if (!fuse_session_exited(mount_self.session)) {
		point_sync(mount_self.options.directory);
		raw_drain(mount_self.session);
		fuse_session_exit(mount_self.session);
	}
	pthread_kill(main_thread, SIGUSR1);
}

static void handle_signals(void)
{
	static const int ends[] = {SIGTERM, SIGINT, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal};

	for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++)
		sigaction(ends[i], &action, NULL);
	action.sa_handler = on_nudge;
	sigaction(SIGUSR1, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	main_thread = pthread_self();
}

/* ---- the session ----------------------------------------------------------------------------------- */

static void want(struct fuse_conn_info *conn, unsigned capability, bool on)
{
	conn->want &= ~capability;
	if (on)
		conn->want |= conn->capable & capability;
}

/* Requests are read by read(), into memory that is there already: pages of a pipe would be copied as well. */
static void begin(void *arg, struct fuse_conn_info *conn)
{
	(void)arg;
	conn->max_write = conn->max_read = 1u << 20;
	conn->max_background = 64;
	conn->congestion_threshold = 48;
	want(conn, FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE, false);
	want(conn, FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_POSIX_ACL, false);
	want(conn, FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS, true);
	want(conn, FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_AUTO_INVAL_DATA, true);
	want(conn, FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_EXPIRE_ONLY | FUSE_CAP_HANDLE_KILLPRIV,
	     true);
	want(conn, FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS, true);
	want(conn, FUSE_CAP_IOCTL_DIR | FUSE_CAP_CACHE_SYMLINKS, true);
	mount_is_up();
}

static const struct fuse_lowlevel_ops operations = {
	.init = begin,
	.lookup = look_lookup,
	.forget = look_forget,
	.forget_multi = look_forget_multi,
	.getattr = look_getattr,
	.setattr = attr_setattr,
	.readlink = look_readlink,
	.mknod = names_mknod,
	.mkdir = names_mkdir,
	.unlink = names_unlink,
	.rmdir = names_rmdir,
	.symlink = names_symlink,
	.rename = names_rename,
	.link = names_link,
	.open = data_open,
	.create = data_create,
	.release = data_release,
	.flush = lock_flush,
	.fsync = data_fsync,
	.getlk = lock_get,
	.setlk = lock_set,
	.flock = lock_flock,
	.read = io_read,
	.write = io_write,
	.lseek = seek_find,
	.fallocate = io_fallocate,
	.copy_file_range = io_copy,
	.opendir = dir_open,
	.readdir = dir_read,
	.readdirplus = dir_read_plus,
	.releasedir = dir_release,
	.fsyncdir = dir_fsync,
	.statfs = attr_statfs,
	.access = attr_access,
	.setxattr = attr_setxattr,
	.getxattr = attr_getxattr,
	.listxattr = attr_listxattr,
	.removexattr = attr_removexattr,
	.ioctl = attr_ioctl,
};

/* `name` is the option, with its '=' if it has a value; commas in the value are no ends of it. */
static int add_option(struct fuse_args *args, const char *name, const char *value)
{
	char *list = NULL, *text = NULL;
	char option[PATH_MAX + 32];
	int rc = -1;

	snprintf(option, sizeof option, "%s%s", name, value);
	if (fuse_opt_add_opt_escaped(&list, option) == 0 && asprintf(&text, "-o%s", list) > 0)
		rc = fuse_opt_add_arg(args, text);
	free(list);
	free(text);
	return rc;
}

/* Shown by findmnt and df: the pool, and the type fuse.pinfold. */
static int name_mount(struct fuse_args *args)
{
	return add_option(args, "fsname=", mount_self.options.pool) ||
	       add_option(args, "subtype=", "pinfold") ||
	       add_option(args, "default_permissions", "") ||
	       add_option(args, "max_read=", "1048576") ||
	       (mount_self.options.readonly && add_option(args, "ro", ""));
}

static int serve(void)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int rc;

	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_clone_fd(config, 1);
	fuse_loop_cfg_set_max_threads(config, mount_self.options.threads);
	fuse_loop_cfg_set_idle_threads(config, mount_self.options.threads);
	rc = fuse_session_loop_mt(mount_self.session, config);
	fuse_loop_cfg_destroy(config);
	return rc;
}

/* ---- from the pool to its mount -------------------------------------------------------------------- */

/* For reading only it is opened so, if somebody has it open; else the kernel alone sees to it that nothing is written. */
static int open_pool(void)
{
	const struct mount_options *o = &mount_self.options;
	int rc = -PF_EREADONLY;

	if (o->readonly)
		rc = pf_pool_open(o->pool, PF_POOL_RDONLY, &mount_self.pool);
	if (rc == -PF_EREADONLY)
		rc = pf_pool_open(o->pool, 0, &mount_self.pool);
	if (rc < 0)
		mount_say("%s: %s", o->pool, pf_message());
	return rc;
}

static int run_session(void)
{
	int rc = raw_install(mount_self.session);

	if (rc == 0)
		rc = watch_start();
	if (rc == 0)
		rc = lock_start();
	if (rc == 0)
		rc = seek_start();
	if (rc == 0) {
		handle_signals();
		rc = serve();
	}
	lock_stop();
	fuse_session_unmount(
		mount_self
			.session); /* first: if the watching thread waits for the kernel, that ends here */
	seek_stop();
	watch_stop();
	return rc;
}

static int mount_session(struct fuse_args *args)
{
	int rc;

	if (name_mount(args))
		return -ENOMEM;
	mount_self.session = fuse_session_new(args, &operations, sizeof operations, NULL);
	if (!mount_self.session)
		return -EINVAL; /* libfuse has said why */
	if (fuse_session_mount(mount_self.session, mount_self.options.directory) != 0) {
		mount_say("%s cannot be mounted at %s", mount_self.options.pool,
			  mount_self.options.directory);
		fuse_session_destroy(mount_self.session);
		return -EIO;
	}
	rc = run_session();
	fuse_session_destroy(mount_self.session);
	return rc;
}

/* Signals go to the main thread; the threads of the library and the mount's own inherit that they do not get them. */
static int open_quietly(void)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = open_pool();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

static int mount_pool(struct fuse_args *args)
{
	int rc = open_quietly();

	if (rc < 0)
		return rc;
	caller_as_server();
	rc = node_table_make();
	if (rc < 0)
		mount_say("%s", pf_strerror(rc));
	else
		rc = mount_session(args);
	handle_drop_all();
	node_table_drop();
	pf_pool_close(mount_self.pool);
	return rc;
}

/* The exit code. */
static int run(struct fuse_args *args, int argc, char **argv)
{
	int rc = options_parse(&mount_self.options, args, argc, argv);

	if (rc == 0)
		rc = point_prepare(&mount_self.options);
	if (rc)
		return rc;
	if (!mount_self.options.foreground)
		go_background();
	return mount_pool(args) ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int rc = fuse_opt_add_arg(&args, "pinfold") < 0 ? 1 : run(&args, argc, argv);

	fuse_opt_free_args(&args);
	return rc;
}

/* How many files and directories are open: in all, and of one user, so that nobody can exhaust the mount for the others. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "fuse/mount.h"

/* Users that have something open. */
struct user {
	uid_t uid;
	unsigned open;
	struct user *next;
};

enum { USER_BUCKETS = 256, SAY_SECONDS = 10 };

static struct user *users[USER_BUCKETS];
static unsigned open_files;
static time_t said; /* in the log, last */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static struct user **find(uid_t uid)
{
	struct user **at = &users[uid % USER_BUCKETS];

	while (*at && (*at)->uid != uid)
		at = &(*at)->next;
	return at;
}

static int take_locked(uid_t uid)
{
	struct user **at = find(uid);

	if (open_files >= mount_self.options.max_open)
		return -ENFILE;
	if (!*at) {
		*at = calloc(1, sizeof **at);
		if (!*at)
			return -ENOMEM;
		(*at)->uid = uid;
	}
	if ((*at)->open >= mount_self.options.max_open_user)
		return -EMFILE;
	(*at)->open++;
	open_files++;
	return 0;
}

static void say_full(uid_t uid, int rc)
{
	if (rc == -EMFILE)
		mount_say("user %u has %u files open in %s, as many as max_open_user allows", uid,
			  mount_self.options.max_open_user, mount_self.options.directory);
	else
		mount_say("%u files are open in %s, as many as max_open allows",
			  mount_self.options.max_open, mount_self.options.directory);
}

int limit_take(uid_t uid)
{
	time_t now = time(NULL);
	bool say;
	int rc;

	pthread_mutex_lock(&mutex);
	rc = take_locked(uid);
	say = (rc == -EMFILE || rc == -ENFILE) && now - said >= SAY_SECONDS;
	if (say)
		said = now;
	pthread_mutex_unlock(&mutex);
	if (say)
		say_full(uid, rc);
	return rc;
}

void limit_give(uid_t uid)
{
	struct user **at, *user;

	pthread_mutex_lock(&mutex);
	at = find(uid);
	user = *at;
	open_files--;
	if (--user->open == 0) {
		*at = user->next;
		free(user);
	}
	pthread_mutex_unlock(&mutex);
}

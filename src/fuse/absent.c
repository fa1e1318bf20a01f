/*
 * Names that the kernel was told are not there, and may believe for a while: a directory's node has them in the order in
 * which that ends, with the stamp that the directory had when none of them was there. When others have changed the directory
 * the kernel is told to ask for these names again. The watching thread looks at directories that have any more often than at
 * all the others.
 *
 * A name is noted first, looked up once more, and then told to the kernel with the node's mutex held, if it is still noted:
 * so a change that the thread sees after it has taken the names away is seen by the lookup, or the kernel has the answer
 * before it is told to forget it.
 */
#include <stdlib.h>
#include <string.h>

#include "fuse/mount.h"

enum {
	NAMES_MAX =
		256, /* of one directory; there may be no more, so that the kernel can be told of each */
	DIRECTORIES_MAX = 4096 /* that are looked at more often */
};

struct absent {
	uint64_t until_ns; /* the kernel believes it no longer */
	struct absent *next;
	char name[];
};

/* Inodes of the directories that have such names. */
static uint64_t directories[DIRECTORIES_MAX];
static unsigned directory_count;
static bool looked_at_closely; /* the thread comes again soon */
static pthread_mutex_t directories_mutex = PTHREAD_MUTEX_INITIALIZER;

static void add_directory(const struct node *dir)
{
	bool first;

	pthread_mutex_lock(&directories_mutex);
	if (directory_count < DIRECTORIES_MAX)
		directories[directory_count++] = dir->inode;
	first = !looked_at_closely;
	looked_at_closely = true;
	pthread_mutex_unlock(&directories_mutex);
	if (first)
		watch_poke();
}

/* ---- the names of a directory ---------------------------------------------------------------------- */

static void free_all(struct absent *absent)
{
	while (absent) {
		struct absent *next = absent->next;

		free(absent);
		absent = next;
	}
}

/* Node's mutex. */
static void drop_old(struct absents *absents)
{
	struct absent *first;
	uint64_t now = mount_now();

	while ((first = absents->first) && first->until_ns < now) {
		absents->first = first->next;
		absents->count--;
		free(first);
	}
}

static struct absent *new_name(const char *name)
{
	size_t length = strlen(name) + 1;
	struct absent *absent = malloc(sizeof *absent + length);

	if (!absent)
		return NULL;
	absent->next = NULL;
	absent->until_ns = mount_now() + (uint64_t)(mount_self.options.negative_timeout * 1e9) +
			   ABSENT_LOOK_NS;
	memcpy(absent->name, name, length);
	return absent;
}

bool absent_note(struct node *dir, const char *name, uint64_t *turn)
{
	struct absents *absents = &dir->absents;
	struct absent *absent = new_name(name);
	struct pf_stat stat;
	bool room, first = false;

	if (!absent || pf_stat(dir->file, &stat) < 0) {
		free(absent);
		return false;
	}
	pthread_mutex_lock(&dir->mutex);
	drop_old(absents);
	room = absents->count < NAMES_MAX;
	if (room) {
		if (!absents->first) {
			absents->dir = stamp_of(&stat);
			absents->last = &absents->first;
		}
		*absents->last = absent;
		absents->last = &absent->next;
		absents->count++;
		first = !absents->listed;
		absents->listed = true;
		*turn = absents->turn;
	}
	pthread_mutex_unlock(&dir->mutex);
	if (first)
		add_directory(dir);
	if (!room)
		free(absent);
	return room;
}

void absent_answer(fuse_req_t req, struct node *dir, uint64_t turn)
{
	struct fuse_entry_param e = {.entry_timeout = mount_self.options.negative_timeout};

	pthread_mutex_lock(&dir->mutex);
	if (dir->absents.turn == turn)
		fuse_reply_entry(req, &e);
	else
		answer_error(req, -PF_ENOFILE);
	pthread_mutex_unlock(&dir->mutex);
}

struct absent *absent_take(struct node *dir, const struct stamp *now)
{
	struct absents *absents = &dir->absents;
	struct absent *taken = NULL;

	drop_old(absents);
	if (absents->first && !stamp_same(&absents->dir, now)) {
		taken = absents->first;
		absents->first = NULL;
		absents->count = 0;
		absents->turn++;
	}
	if (!absents->first)
		absents->listed = false;
	return taken;
}

void absent_tell(uint64_t dir, struct absent *taken)
{
	for (struct absent *absent = taken; absent; absent = absent->next)
		watch_forget_name(dir, absent->name);
	free_all(taken);
}

void absent_drop(struct node *dir)
{
	free_all(dir->absents.first);
}

/* ---- the directories ------------------------------------------------------------------------------- */

static bool is_listed(struct node *dir)
{
	bool listed;

	pthread_mutex_lock(&dir->mutex);
	listed = dir->absents.listed;
	pthread_mutex_unlock(&dir->mutex);
	return listed;
}

bool absent_directories(void (*each)(struct node *dir))
{
	static uint64_t looked_at[DIRECTORIES_MAX];
	unsigned count;

	pthread_mutex_lock(&directories_mutex);
	count = directory_count;
	memcpy(looked_at, directories, count * sizeof *looked_at);
	directory_count = 0;
	looked_at_closely = count > 0;
	pthread_mutex_unlock(&directories_mutex);
	for (unsigned i = 0; i < count; i++) {
		struct node *dir = node_keep(looked_at[i]);

		if (!dir)
			continue;
		each(dir);
		if (is_listed(dir))
			add_directory(dir);
		node_forget(dir->inode, 1);
	}
	return count;
}

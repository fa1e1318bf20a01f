/*
 * The table of nodes: buckets by inode number, which are consecutive, so a bucket has few. The lock of a bucket is one of
 * some (its stripe's). A node goes when the kernel has forgotten it as often as it was told of it; whoever has a request
 * for it in hand knows that the kernel has not.
 */
#include "fuse/mount.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { STRIPES = 64, BUCKETS_MAX = 1 << 20 };

static struct node **buckets;
static uint64_t bucket_mask;
static pthread_mutex_t stripes[STRIPES];

static struct node **bucket_of(uint64_t inode)
{
	return &buckets[inode & bucket_mask];
}

static pthread_mutex_t *stripe_of(uint64_t inode)
{
	return &stripes[inode & bucket_mask & (STRIPES - 1)];
}

/* The first of a bucket is also looked at without the lock. */
static void set_next(struct node **at, struct node *node)
{
	__atomic_store_n(at, node, __ATOMIC_RELAXED);
}

static bool is_empty(uint64_t bucket)
{
	return !__atomic_load_n(&buckets[bucket], __ATOMIC_RELAXED);
}

/* ---- closing --------------------------------------------------------------------------------------- */

/* Files whose lock a stopped process has. */
struct left {
	pf_file *file;
	struct left *next;
};
static struct left *left;
static pthread_mutex_t left_mutex = PTHREAD_MUTEX_INITIALIZER;

static void leave(pf_file *file)
{
	struct left *l = malloc(sizeof *l);

	if (!l)
		return; /* it stays open until the mount ends */
	l->file = file;
	pthread_mutex_lock(&left_mutex);
	l->next = left;
	left = l;
	pthread_mutex_unlock(&left_mutex);
}

void node_close(pf_file *file)
{
	int rc = pf_close(file);

	if (rc == -PF_ESTOPPED || rc == -PF_ELOCKTIME)
		leave(file);
}

void node_close_left(void)
{
	struct left *l;

	pthread_mutex_lock(&left_mutex);
	l = left;
	left = NULL;
	pthread_mutex_unlock(&left_mutex);
	while (l) {
		struct left *next = l->next;

		node_close(l->file);
		free(l);
		l = next;
	}
}

/* ---- nodes ----------------------------------------------------------------------------------------- */

static void drop(struct node *node)
{
	node_close(node->file);
	absent_drop(node);
	pthread_mutex_destroy(&node->mutex);
	free(node->name);
	free(node);
}

static struct node *new_node(pf_file *file, const struct pf_stat *stat)
{
	struct node *node = calloc(1, sizeof *node);

	if (!node)
		return NULL;
	node->inode = stat->inode;
	node->generation = stat->generation;
	node->type = stat->mode & S_IFMT;
	node->file = file;
	pthread_mutex_init(&node->mutex, NULL);
	return node;
}

/* Stripe locked. */
static struct node *find(uint64_t inode)
{
	struct node *node = *bucket_of(inode);

	while (node && node->inode != inode)
		node = node->next;
	return node;
}

struct node *node_of(fuse_ino_t number)
{
	struct node *node;

	if (number == FUSE_ROOT_ID)
		return mount_self.root;
	pthread_mutex_lock(stripe_of(number));
	node = find(number);
	pthread_mutex_unlock(stripe_of(number));
	return node;
}

struct node *node_known(const struct pf_stat *stat)
{
	struct node *node;

	pthread_mutex_lock(stripe_of(stat->inode));
	node = find(stat->inode);
	if (node && node->generation == stat->generation)
		node->lookups++;
	else
		node = NULL;
	pthread_mutex_unlock(stripe_of(stat->inode));
	return node;
}

struct node *node_keep(uint64_t inode)
{
	struct node *node;

	pthread_mutex_lock(stripe_of(inode));
	node = find(inode);
	if (node)
		node->lookups++;
	pthread_mutex_unlock(stripe_of(inode));
	return node;
}

void node_found_at(struct node *node, const struct node *dir, const char *name)
{
	char *copy = NULL, *old;

	pthread_mutex_lock(&node->mutex);
	if (dir && node->name && node->parent == dir->inode && !strcmp(node->name, name)) {
		pthread_mutex_unlock(&node->mutex);
		return;
	}
	copy = dir ? strdup(name) : NULL;
	old = node->name;
	node->name = copy;
	node->parent = copy ? dir->inode : 0;
	pthread_mutex_unlock(&node->mutex);
	free(old);
}

/* In the table, one lookup counted: `node`, or one that somebody else has put there meanwhile. */
static struct node *insert(struct node *node)
{
	struct node *other;

	pthread_mutex_lock(stripe_of(node->inode));
	other = find(node->inode);
	if (other) {
		other->lookups++;
	} else {
		node->lookups = 1;
		node->next = *bucket_of(node->inode);
		set_next(bucket_of(node->inode), node);
	}
	pthread_mutex_unlock(stripe_of(node->inode));
	if (!other)
		return node;
	drop(node);
	return other;
}

struct node *node_for(pf_file *file, const struct pf_stat *stat, struct node *dir, const char *name)
{
	struct node *node = node_known(stat);

	if (node) {
		node_close(file);
	} else {
		node = new_node(file, stat);
		if (!node) {
			node_close(file);
			return NULL;
		}
		node = insert(node);
	}
	node_found_at(node, dir, name);
	return node;
}

int node_lookup(struct node *dir, const char *name, struct node **node, struct pf_stat *stat)
{
	pf_file *file;
	int rc = pf_statat(dir->file, name, PF_O_NOFOLLOW, stat);

	if (rc < 0)
		return rc;
	*node = node_known(stat);
	if (*node) {
		node_found_at(*node, dir, name);
		return 0;
	}
	rc = pf_openat(dir->file, name, PF_O_PATH | PF_O_NOFOLLOW, 0, &file);
	if (rc < 0)
		return rc;
	rc = pf_stat(file, stat);
	if (rc < 0) {
		node_close(file);
		return rc;
	}
	*node = node_for(file, stat, dir, name);
	return *node ? 0 : -ENOMEM;
}

void node_forget(fuse_ino_t number, uint64_t lookups)
{
	struct node **at, *node = NULL;

	pthread_mutex_lock(stripe_of(number));
	for (at = bucket_of(number); *at && (*at)->inode != number; at = &(*at)->next)
		;
	if (*at && *at != mount_self.root) {
		(*at)->lookups -= lookups < (*at)->lookups ? lookups : (*at)->lookups;
		if (!(*at)->lookups) {
			node = *at;
			set_next(at, node->next);
		}
	}
	pthread_mutex_unlock(stripe_of(number));
	if (node)
		drop(node);
}

/* ---- the table ------------------------------------------------------------------------------------- */

/* The nodes of a bucket, up to `max`, each with a lookup of ours so that it stays. */
static unsigned keep(uint64_t bucket, struct node **kept, unsigned max)
{
	unsigned n = 0;

	pthread_mutex_lock(&stripes[bucket & (STRIPES - 1)]);
	for (struct node *node = buckets[bucket]; node && n < max; node = node->next) {
		node->lookups++;
		kept[n++] = node;
	}
	pthread_mutex_unlock(&stripes[bucket & (STRIPES - 1)]);
	return n;
}

bool node_some(uint64_t *cursor, unsigned max, void (*each)(struct node *node))
{
	struct node *kept[256];
	unsigned seen = 0;

	for (; *cursor <= bucket_mask && seen < max; ++*cursor) {
		unsigned n;

		if (is_empty(*cursor)) /* what comes meanwhile is seen the next time */
			continue;
		n = keep(*cursor, kept, 256);
		for (unsigned i = 0; i < n; i++) {
			each(kept[i]);
			node_forget(kept[i]->inode, 1);
		}
		seen += n;
	}
	if (*cursor <= bucket_mask)
		return true;
	*cursor = 0;
	return false;
}

static int make_root(void)
{
	struct pf_stat stat;
	pf_file *file;
	int rc = pf_open(mount_self.pool, "/", PF_O_PATH, 0, &file);

	if (rc < 0)
		return rc;
	rc = pf_stat(file, &stat);
	mount_self.root = rc < 0 ? NULL : node_for(file, &stat, NULL, NULL);
	return rc < 0 ? rc : mount_self.root ? 0 : -ENOMEM;
}

int node_table_make(void)
{
	struct pf_statfs statfs;
	uint64_t count = STRIPES;
	int rc = pf_statfs(mount_self.pool, &statfs);

	if (rc < 0)
		return rc;
	while (count < statfs.inodes_total && count < BUCKETS_MAX)
		count *= 2;
	buckets = calloc(count, sizeof *buckets);
	if (!buckets)
		return -ENOMEM;
	bucket_mask = count - 1;
	for (unsigned i = 0; i < STRIPES; i++)
		pthread_mutex_init(&stripes[i], NULL);
	return make_root();
}

void node_table_drop(void)
{
	for (uint64_t i = 0; buckets && i <= bucket_mask; i++)
		while (buckets[i]) {
			struct node *node = buckets[i];

			buckets[i] = node->next;
			drop(node);
		}
	free(buckets);
	buckets = NULL;
}

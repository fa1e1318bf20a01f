/* Files that windows show. */
#include "mm/inner.h"

static struct vma_file *find(struct space *s, uint32_t ino)
{
	struct range *r = range_find(&s->files, ino);

	return r && r->start == ino ? (struct vma_file *)r : NULL;
}

struct vma_file *mm_file_get(struct space *s, uint32_t ino)
{
	struct vma_file *file;

	pthread_mutex_lock(&s->lock);
	file = find(s, ino);
	if (file)
		file->users++;
	pthread_mutex_unlock(&s->lock);
	return file;
}

void mm_file_add(struct space *s, struct vma_file *file)
{
	pthread_mutex_lock(&s->lock);
	file->users = 1;
	file->at.start = file->ino;
	file->at.end = file->ino + 1ull;
	range_insert(&s->files, &file->at);
	pthread_mutex_unlock(&s->lock);
}

void file_put(struct space *s, struct vma_file *file)
{
	if (--file->users || file->listed)
		return;
	file->listed = true;
	file->next_unused = s->unused;
	s->unused = file;
}

void mm_file_put(struct space *s, struct vma_file *file)
{
	pthread_mutex_lock(&s->lock);
	file_put(s, file);
	pthread_mutex_unlock(&s->lock);
}

uint32_t mm_file_unused(struct space *s)
{
	struct vma_file *file;
	uint32_t ino = 0;

	pthread_mutex_lock(&s->lock);
	while (!ino && (file = s->unused)) {
		s->unused = file->next_unused;
		file->listed = false;
		if (!file->users)
			ino = file->ino;
	}
	pthread_mutex_unlock(&s->lock);
	return ino;
}

struct vma_file *mm_file_take(struct space *s, uint32_t ino)
{
	struct vma_file *file;

	pthread_mutex_lock(&s->lock);
	file = find(s, ino);
	if (file && (file->users || file->listed))
		file = NULL; /* or somebody else will be given it */
	if (file)
		range_remove(&s->files, &file->at);
	pthread_mutex_unlock(&s->lock);
	return file;
}

/*
 * The one place through which every store to the media goes, every write-back of its cache lines and every fence that waits for those.
 *
 * A store may reach a persistent device at any time after it was made; it is there for certain once its cache line was written back (dev_persist) and a fence came after
 * (dev_drain). A line reaches the device with what it had at some moment: of the words in one line, never a later store without an earlier one.
 *
 * A recorder sees all of it, in order: from a recording a test builds what a power cut can leave. Without one, a call costs a predicted branch more.
 *
 * A guard keeps this process's mapping of the metadata read-only but between media_begin() and media_end(): a stray store through it ends the process.
 */
#ifndef DEV_MEDIA_H
#define DEV_MEDIA_H

#include <string.h>

#include "base/atomic.h"
#include "dev/dev.h"

/* What tests install; each is called after the store, or the instruction. flush and fence: on devices that have something to write back only. */
struct media_recorder {
	void (*store)(const void *at, size_t length);
	void (*flush)(const void *at, size_t length);
	void (*fence)(void);
};
/* NULL: nobody records. Set it while no other thread uses the library. */
extern const struct media_recorder *media_recorder;

/* Keeps `zone` (bytes of `dev` that this process has mapped writable at this address) read-only between media_end() and media_begin(), from now on: if
 * PINFOLD_STRAY is 1, and always in builds with checks. -ENOMEM. Not thread-safe, as the next. */
int media_guard(struct dev *dev, void *zone, uint64_t length);
/* The zone stays as it is: for who unmaps it. */
void media_unguard(struct dev *dev);
void media_guard_open(struct media_guard *guard);
void media_guard_shut(struct media_guard *guard);

/* Around every store to the metadata zone. They may be nested; any threads may be between them. */
static inline void media_begin(const struct dev *dev)
{
	if (unlikely(dev->guard))
		media_guard_open(dev->guard);
}

static inline void media_end(const struct dev *dev)
{
	if (unlikely(dev->guard))
		media_guard_shut(dev->guard);
}

/* Appears at once, after all earlier stores: lock-free readers may be waiting for it. */
static inline void media_word(const struct dev *dev, _Atomic uint64_t *at, uint64_t value)
{
	(void)dev;
	store_release(at, value);
	if (unlikely(media_recorder))
		media_recorder->store((const void *)at, sizeof value);
}

static inline void media_bytes(const struct dev *dev, void *to, const void *from, size_t length)
{
	(void)dev;
	memcpy(to, from, length);
	if (unlikely(media_recorder))
		media_recorder->store(to, length);
}

/* The same for words that somebody may be reading, in any order: each is whole. (Word by word also because they were just stored as words: wider loads would wait for that.) */
static inline void media_words(const struct dev *dev, _Atomic uint64_t *to, const uint64_t *from,
			       size_t count)
{
	(void)dev;
	for (size_t i = 0; i < count; i++)
		store_relaxed(&to[i], from[i]);
	if (unlikely(media_recorder))
		media_recorder->store((const void *)to, count * sizeof *to);
}

static inline void media_zero(const struct dev *dev, void *to, size_t length)
{
	(void)dev;
	memset(to, 0, length);
	if (unlikely(media_recorder))
		media_recorder->store(to, length);
}

/* Writes the cache lines of a range back. Nothing to do on volatile devices, here and below. */
static inline void dev_persist(const struct dev *dev, const void *address, size_t length)
{
	if (!dev->persist)
		return;
	dev->persist(address, length);
	if (unlikely(media_recorder))
		media_recorder->flush(address, length);
}

/* Copies bytes of files, and writes them back. */
#define MEDIA_STREAM      (256u << 10)
#define MEDIA_STREAM_BACK 1024u /* the same when every line would have to be written back */
void media_stream(const struct dev *dev, void *to, const void *from, size_t length);
/* Copies bytes of files from the media. */
void media_load(void *to, const void *from, size_t length);
static inline void media_copy(const struct dev *dev, void *to, const void *from, size_t length)
{
	if (length >= (dev->persist ? MEDIA_STREAM_BACK : MEDIA_STREAM)) {
		media_stream(dev, to, from, length);
		return;
	}
	media_bytes(dev, to, from, length);
	dev_persist(dev, to, length);
}

/* What was written back before is on the device when this returns. */
static inline void dev_drain(const struct dev *dev)
{
	if (!dev->drain)
		return;
	dev->drain();
	if (unlikely(media_recorder))
		media_recorder->fence();
}

/* Stores `value` to a word of the runtime as dev_drain() and store_release() would, with one instruction where a locked one waits for write-backs as a fence does. */
static inline void dev_drain_and_store(const struct dev *dev, _Atomic uint64_t *at, uint64_t value)
{
	if (!dev->drain) {
		store_release(at, value);
		return;
	}
#if defined __x86_64__
	if (unlikely(media_recorder))
		media_recorder->fence();
	swap(at, value);
#else
	dev_drain(dev);
	store_release(at, value);
#endif
}

#endif

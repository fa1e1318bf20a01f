/*
 * Large copies to the media go past the caches: that saves reading what is written over, and writing it back afterwards. What is
 * copied in pieces smaller than MEDIA_STREAM may be wanted in the cache soon; but where lines would have to be written back, a page is large already (MEDIA_STREAM_BACK). Large copies from the media are left to the processor's own loop, which does not read
 * what it writes over either.
 */
#include "dev/media.h"

#if defined __x86_64__
#include <emmintrin.h>

/* `to` is aligned to a cache line, `length` a multiple of one. Ordered before later stores by the fence. */
static void stream(uint8_t *to, const uint8_t *from, size_t length)
{
	for (size_t i = 0; i < length; i += 64) {
		const __m128i *f = (const __m128i *)(from + i);
		__m128i *t = (__m128i *)(to + i);
		__m128i a = _mm_loadu_si128(f), b = _mm_loadu_si128(f + 1),
			c = _mm_loadu_si128(f + 2), d = _mm_loadu_si128(f + 3);

		_mm_stream_si128(t, a);
		_mm_stream_si128(t + 1, b);
		_mm_stream_si128(t + 2, c);
		_mm_stream_si128(t + 3, d);
	}
	_mm_sfence();
}
#endif

static void copy_through(const struct dev *dev, uint8_t *to, const uint8_t *from, size_t length)
{
	media_bytes(dev, to, from, length);
	dev_persist(dev, to, length);
}

void media_stream(const struct dev *dev, void *to, const void *from, size_t length)
{
#if defined __x86_64__
	size_t head = -(uintptr_t)to & 63, lines = (length - head) & ~63ull;
	uint8_t *t = to;
	const uint8_t *f = from;

	copy_through(dev, t, f, head);
	stream(t + head, f + head, lines);
	if (unlikely(media_recorder)) {
		media_recorder->store(t + head, lines);
		if (dev->persist)
			media_recorder->flush(t + head, lines);
	}
	copy_through(dev, t + head + lines, f + head + lines, length - head - lines);
#else
	copy_through(dev, to, from, length);
#endif
}

void media_load(void *to, const void *from, size_t length)
{
#if defined __x86_64__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
	if (length >= MEDIA_STREAM) {
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length)::"memory");
		return;
	}
#endif
	memcpy(to, from, length);
}

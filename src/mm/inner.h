/* Between the files of module mm: what the owner of a space keeps of its windows. All of it under the space's lock. */
#ifndef MM_INNER_H
#define MM_INNER_H

#include "mm/mm.h"

/* ---- ranges (range.c) ---- */

/* The first that ends after `at`; NULL: none. */
struct range *range_find(const struct ranges *r, uint64_t at);
/* The last that begins before `at`. */
struct range *range_before(const struct ranges *r, uint64_t at);
void range_insert(struct ranges *r, struct range *new);
void range_remove(struct ranges *r, struct range *old);

/* ---- vmas (vma.c) ---- */

/* A window, or a part of one that differs from what is beside it. */
struct vma {
	struct range at; /* addresses; first, so that a range is its vma */
	uint64_t index;  /* page of the file at its start */
	unsigned flags;  /* PF_MAP_READ, PF_MAP_WRITE, PF_MAP_EXEC */
	bool may_write;  /* the file was opened for writing */
	struct vma_file *file;
	struct rt_vma *record;
};

static inline uint64_t vma_index(const struct vma *v, uint64_t va)
{
	return v->index + (va - v->at.start) / PAGE_BYTES;
}

static inline bool vma_evicted(const struct vma *v)
{
	return load_relaxed(&v->record->flags) & MM_VMA_EVICT;
}

/* The first vma that ends after va; those behind it. */
static inline struct vma *vma_find(const struct space *s, uint64_t va)
{
	return (struct vma *)range_find(&s->vmas, va);
}

static inline struct vma *vma_next(const struct vma *v)
{
	return (struct vma *)v->at.next;
}

/* One that is not in the space yet, with an unused record. NULL: *rc says why. */
struct vma *vma_new(struct rt_self *me, int *rc);
void vma_free(struct rt_self *me, struct vma *v);
/* It is in the space, and everybody sees it. Takes a use of its file. */
void vma_insert(struct space *s, struct vma *v);
/* It is not any more, and is freed. */
void vma_remove(struct rt_self *me, struct space *s, struct vma *v);
/* Two vmas from va on, which is inside it; *behind, made by vma_new(), is the second. */
void vma_split(struct space *s, struct vma *v, uint64_t va, struct vma *behind);
/* Vmas that touch each other, from the one that begins before `va` to those that begin at `last` or before, are one where they can be. */
void vma_merge_range(struct rt_self *me, struct space *s, uint64_t va, uint64_t last);
/* `v` is evicted, if `from` is. */
void vma_inherit(struct vma *v, const struct vma *from);
void vma_set_flags(struct vma *v, unsigned flags);
/* It ends there now. */
void vma_resize(struct space *s, struct vma *v, uint64_t end);
/* Blocks of the file, rt_stale(), are to be looked at again. */
void vma_mark_stale(struct rt_vma *record, uint64_t stale);
/* A user less. */
void file_put(struct space *s, struct vma_file *file);

/* It may be cut at va, if va is inside: -PF_EALIGN where its file has larger pieces. */
int vma_check_cut(const struct vma *v, uint64_t va);
/* It is not any more; `heir` has taken over what it showed, and gets what was told of it. */
void vma_remove_to(struct rt_self *me, struct space *s, struct vma *v, struct vma *heir);

/* ---- ranges of addresses (map.c) ---- */

/* Each vma and each piece is in [va, end) or is not. When it fails, vmas are as they were. */
int space_carve(struct rt_self *me, struct space *s, uint64_t va, uint64_t end);
/* What the range shows goes, in the tree and as references. The host shows it no more. */
void space_clear(struct rt_self *me, struct space *s, uint64_t va, uint64_t end);
/* The same, and the vmas there, which are inside. */
void space_forget(struct rt_self *me, struct space *s, uint64_t va, uint64_t end);
/* Addresses for what `place` says. */
int space_reserve(struct space *s, const struct mm_place *place, uint64_t *va);
/* mm_unmap(). */
int space_unmap(struct rt_self *me, struct space *s, uint64_t va, uint64_t end);
/* Ends a window, and its addresses. */
int vma_end(struct rt_self *me, struct space *s, struct vma *v);

/* ---- making windows what their files are (sync.c) ---- */

/* mm_sync() of all of it. */
int vma_sync(struct rt_self *me, struct space *s, struct vma *v, struct mm_need *need);
/* What the pieces in [va, end) are, the host shows at addresses that are `by` higher, as `flags` say. *done: how far it came. */
int pieces_show(struct space *s, uint64_t va, uint64_t end, uint64_t by, unsigned flags,
		uint64_t *done);

/* ---- pieces (piece.c) ---- */

enum piece_kind { PIECE_PAGES, PIECE_ZEROS, PIECE_BUS };

/* What is at some addresses of windows; a piece may be part of several vmas. */
struct piece {
	struct range at; /* first, so that a range is its piece */
	enum piece_kind kind;
	uint64_t pfn;           /* PAGES */
	struct rt_hold *record; /* PAGES: the reference */
};

static inline struct piece *piece_find(const struct space *s, uint64_t va)
{
	return (struct piece *)range_find(&s->pieces, va);
}

static inline struct piece *piece_next(const struct piece *p)
{
	return (struct piece *)p->at.next;
}

/* Of `kind`; PAGES: with a record whose labels are the vma's. In no tree. NULL: *rc says why. */
struct piece *piece_new(struct rt_self *me, const struct vma *v, enum piece_kind kind, int *rc);
/* Gives back what it holds. In no tree. */
void piece_free(struct rt_self *me, struct space *s, struct piece *p);
/* No piece and no leaf has pages on both sides of va. -ENOMEM, -PF_EHOLDS, -PF_ERUNSPACE: they are as they were, for who reads. */
int piece_cut(struct rt_self *me, struct space *s, uint64_t va);
/* No leaf has. */
int leaf_cut(struct space *s, uint64_t va);
/* Takes the pieces in [va, end), which are cut there, out of the tree: a list by at.next. */
struct piece *piece_take(struct space *s, uint64_t va, uint64_t end);
void piece_free_list(struct rt_self *me, struct space *s, struct piece *list);

/* ---- leaves (insert.c) ---- */

/* What the flags of a vma are to the host, and to the tree. */
int vma_prot(unsigned flags);
unsigned vma_permissions(unsigned flags);
/* One leaf at `level` of a page that a piece holds, as for a fault; `write`: for a store. If something is mapped there already, nothing changes, but that a store makes the same page young, dirty and, if
 * the vma is, writable; another page meets -EFAULT at level 0, and is counted as a warning unless it was the zero page.
 * Errors: -EFAULT (not in the vma), -EINVAL (not held, or of a folio that is smaller than the leaf), -PF_EPTLEAF, those of pt_insert(). */
int mm_insert(struct space *s, const struct vma *v, uint64_t va, unsigned level, uint64_t pfn,
	      bool write);
/* The same of the zero page, which no writable vma has: level 0 or 1. */
int mm_insert_zero(struct space *s, const struct vma *v, uint64_t va, unsigned level);
/* Maps pages that a piece holds at va, where nothing is, with the largest leaves there can be. */
int insert_pages(struct space *s, const struct vma *v, uint64_t va, uint64_t pfn, uint64_t pages);
/* The zero page at [va, end), where nothing is. */
int insert_zeros(struct space *s, const struct vma *v, uint64_t va, uint64_t end);

#endif

/*
 * index: the free index under a robust lock, repaired by doing it again. A block has a bit per
 * page, in words; its class, the largest free aligned order + 1; and each class has a bitmap of
 * blocks with two levels. A change is several stores: the words of one block, its class, the
 * bitmaps, each made from what stands before it. A dead owner's change is finished: index_repair()
 * makes class and bitmaps of pending's block follow from its bits, then finish() makes the bits
 * follow from the folio word. The repair may be killed as well.
 *
 * Two blocks of 4 pages, a block is two words of two bits, a block has a word of its own in level
 * 0 of each bitmap. While the class is TOP the bits say nothing: all pages are free.
 * Worker 0 takes a folio of order 0, worker 1 one of order 1 or 2 (ALL: both any), and pushes it;
 * the closer, who cannot be killed, locks once at the end.
 */
#ifndef KILLS
#define KILLS 2
#endif
#define NB 2
#define NP 8
#define TOP 3
#define NONE 15
#define FREE 0
#define INFILE 1
#define ORPHAN 2

byte st[NP], ord[NP];		/* folio words */
byte bits[4];			/* words: 2 * block, 2 * block + 1 */
byte class[NB] = TOP;
bit l0[8];			/* level 0 of the bitmap of a class: 2 * class + block */
byte l1[4];			/* level 1: a bit per block */
mtype = { NOTHING, PUSH, TAKE };
mtype pk = NOTHING;
byte phead, porder;
byte alock;
bit alive[3] = 1, done[3];
byte kills = KILLS;

#define DEAD(k) (!alive[k])
#define BITS(b, i) (class[b] == TOP -> 3 : bits[2 * (b) + (i)])
#define CLASS(x, y) (((x) & (y)) == 3 -> 3 : ((x) == 3 || (y) == 3 -> 2 : ((x) | (y) -> 1 : 0)))
/* of a folio of order k at p, in word i of its block */
#define MASK(p, k, i) ((k) == 2 -> 3 : ((p) % 4 / 2 != (i) -> 0 : ((k) == 1 -> 3 : 1 << ((p) % 2))))

inline hbitmap_set(c, b)	/* code: hbitmap_set */
{
	if
	:: l0[2 * (c) + b] -> skip	/* the word was not 0: the level above has its bit */
	:: else -> l0[2 * (c) + b] = 1; l1[c] = l1[c] | (1 << b)
	fi
}

inline hbitmap_clear(c, b)	/* code: hbitmap_clear */
{
	l0[2 * (c) + b] = 0;
	l1[c] = l1[c] & ~(1 << b)
}

inline store_bits(b)		/* code: store_bits, reclass; x and y are the new words */
{
#ifdef M_CLASS_FIRST		/* mutation: the class before the bits that it is made from */
	d_step { o = class[b]; c = CLASS(x, y) }
	class[b] = c;
	bits[2 * b] = x;
	bits[2 * b + 1] = y;
	if
	:: o != c && c -> hbitmap_set(c, b)
	:: else
	fi;
#else
	bits[2 * b] = x;
	bits[2 * b + 1] = y;
	d_step { o = class[b]; c = CLASS(x, y) }
	if
	:: o != c && c -> hbitmap_set(c, b)
	:: else
	fi;
	class[b] = c;
#endif
	if
	:: o != c && o -> hbitmap_clear(o, b)
	:: else
	fi;
	d_step { x = 0; y = 0; o = 0; c = 0 }
}

inline index_put(b, p, k)	/* code: index_put */
{
	d_step { x = BITS(b, 0) | MASK(p, k, 0); y = BITS(b, 1) | MASK(p, k, 1) }
	store_bits(b)
}

inline index_take(b, p, k)	/* code: index_take */
{
	d_step { x = BITS(b, 0) & ~MASK(p, k, 0); y = BITS(b, 1) & ~MASK(p, k, 1) }
	store_bits(b)
}

inline index_repair(b)		/* code: index_repair */
{
	d_step { x = BITS(b, 0); y = BITS(b, 1) }
	store_bits(b);
	r = 1;
	do
	:: r <= TOP ->
		if
		:: r == class[b] -> hbitmap_set(r, b)
		:: else -> hbitmap_clear(r, b)
		fi;
#ifndef M_ONE_LEVEL		/* mutation: the level above is taken to follow */
		l1[r] = (l0[2 * r + b] -> l1[r] | (1 << b) : l1[r] & ~(1 << b));
#endif
		r++
	:: else -> break
	od;
	r = 0
}

inline finish()			/* code: finish_push, finish_take */
{
	d_step { p = phead; k = porder; q = p / 4 }
#ifdef M_PENDING_FIRST		/* mutation: pending is cleared before the index is complete */
	d_step { old = pk; pk = NOTHING }
#endif
	if
	:: st[p] == ORPHAN -> st[p] = FREE
	:: else
	fi;
	if
	:: st[p] == FREE -> index_put(q, p, k)
	:: else -> index_take(q, p, k)
	fi;
#ifdef TWICE			/* any number of times */
	if
	:: st[p] == FREE -> index_put(q, p, k)
	:: else -> index_take(q, p, k)
	fi;
#endif
	d_step { p = 0; k = 0; q = 0; pk = NOTHING }
}

inline repair()			/* code: repair in page/alloc.c */
{
#ifdef M_REPAIR_FORGETS		/* mutation: pending is cleared before it is done again */
	d_step { redo = (pk != NOTHING); pk = NOTHING }
#else
	redo = (pk != NOTHING);
#endif
#ifndef M_NO_INDEX_REPAIR	/* mutation: doing it again finds the lists half changed */
	q = phead / 4;
	index_repair(q);
#endif
#ifndef M_NO_FINISH		/* mutation: the bits do not follow the word */
	if
	:: redo -> finish()
	:: else
	fi;
#endif
	d_step { redo = 0; q = 0; pk = NOTHING }
}

inline lock_alloc()
{
	atomic {
		(alock == 0 || DEAD(alock - 1));
		died = (alock != 0);
		alock = me + 1
	}
	if
	:: died -> repair(); died = 0
	:: else
	fi
}

#define USED(i) (st[i] != FREE || \
		 (st[(i) & ~1] != FREE && ord[(i) & ~1] >= 1) || (st[(i) & ~3] != FREE && ord[(i) & ~3] == 2))

/* P6: the bits say what the words say, the class what the bits say, the lists what the class says */
inline check()
{
	atomic {
		p = 0;
		do
		:: p < NP -> assert(USED(p) == !(BITS(p / 4, p % 4 / 2) >> (p % 2) & 1)); p++
		:: else -> break
		od;
		p = 0;
		do
		:: p < NB ->
			assert(class[p] == CLASS(BITS(p, 0), BITS(p, 1)));
			k = 1;
			do
			:: k <= TOP ->
				assert(l0[2 * k + p] == (class[p] == k));
				assert((l1[k] >> p & 1) == l0[2 * k + p]);
				k++
			:: else -> break
			od;
			p++
		:: else -> break
		od;
		p = 0; k = 0
	}
}

inline unlock_alloc()
{
	check();
	alock = 0
}

/* the smallest class that has room, by the upper level, then the first aligned place in the block */
inline index_search(want)
{
	atomic {
		p = NONE;
		c = want + 1;
		do
		:: c <= TOP && l1[c] == 0 -> c++
		:: else -> break
		od;
		if
		:: c <= TOP ->
			q = (l1[c] & 1 -> 0 : 1);
			p = 4 * q;
			do
			:: want == 2 || p == 4 * q + 4 -> break
			:: else ->
				if
				:: (MASK(p, want, p % 4 / 2) & ~BITS(q, p % 4 / 2)) == 0 -> break
				:: else -> p = p + (1 << want)
				fi
			od;
			assert(p < 4 * q + 4)	/* the class promised it */
		:: else
		fi;
		c = 0; q = 0
	}
}

inline page_take(want)
{
	lock_alloc();
	index_search(want);
	if
	:: p != NONE ->
		d_step { phead = p; porder = want; mine = p; pk = TAKE; p = 0 }
		d_step { assert(st[mine] == FREE); st[mine] = INFILE; ord[mine] = want }
		finish()
	:: else -> p = 0
	fi;
	unlock_alloc()
}

inline page_push()
{
	st[mine] = ORPHAN;
	lock_alloc();
	d_step { phead = mine; porder = ord[mine]; pk = PUSH }
	finish();
	unlock_alloc();
	mine = NONE
}

proctype worker(byte me)
{
	byte p, k, q, x, y, o, c, r, mine;
#ifdef M_PENDING_FIRST
	mtype old;
#endif
	bit died, redo;
	{
	mine = NONE;
	if
#ifdef ALL
	:: page_take(0)
	:: page_take(1)
	:: page_take(2)
#else
	:: me == 0 -> page_take(0)
	:: me == 1 -> page_take(1)
	:: me == 1 -> page_take(2)
#endif
	fi;
	if
	:: mine != NONE -> page_push()
	:: else
	fi;
	done[me] = 1
	} unless { !alive[me] }
}

proctype closer(byte me)
{
	byte p, k, q, x, y, o, c, r;
#ifdef M_PENDING_FIRST
	mtype old;
#endif
	bit died, redo;
	((done[0] || DEAD(0)) && (done[1] || DEAD(1)));
	lock_alloc();
	unlock_alloc();
	assert(pk == NOTHING);
	kills = 0
}

proctype killer()
{
end:	do
	:: atomic { kills > 0 && !done[0] -> alive[0] = 0; kills-- }
	:: atomic { kills > 0 && !done[1] -> alive[1] = 0; kills-- }
	od
}

init
{
	atomic {
		l0[2 * TOP] = 1; l0[2 * TOP + 1] = 1; l1[TOP] = 3;
		run worker(0); run worker(1); run closer(2); run killer()
	}
}

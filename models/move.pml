/*
 * move: compaction gives the one page of file A another place. The mover may be killed
 * anywhere, and so may the first who settles what it left; the second may not. Process U
 * gets the page, reads and writes it, puts it, twice; it takes a dead mover's range away.
 * File B takes free pages and gives them back. Three pages.
 */
#ifndef KILLS
#define KILLS 1
#endif
#ifndef NU
#define NU 2		/* times that the user gets the page */
#endif
#ifndef NB
#define NB 2		/* pages that B takes, one after another */
#endif
#define FREE 0
#define INFILE 1
#define ORPHAN 2
#define NP 3
#define M 0			/* the mover */
#define S 1			/* who settles first */
#define L 2			/* who settles last */

byte st[NP], cnt[NP], gen[NP], val[NP];
byte entry = 0;			/* A's page */
byte latest = 1;		/* ghost: what A's page says */
bit range;			/* A's entries are locked, by the mover */
bit nset, oset;			/* the row's records: new page, old page */
byte npg, opg, ngen, ogen;
bit lane;			/* committed, not applied: lval becomes the entry */
byte lval;
bit alive[3] = 1, done[5];
byte kills = KILLS;

inline push(p)			/* code: page_finish */
{
	d_step {
		if
		:: st[p] == ORPHAN && cnt[p] == 0 ->
			assert(p != entry);
			st[p] = FREE
		:: else
		fi
	}
}

inline release(p, g)		/* code: page_release */
{
#ifdef M_NO_GENERATION
	d_step { if :: st[p] == INFILE -> st[p] = ORPHAN :: else fi };
	push(p)
#else
	d_step { if :: st[p] == INFILE && gen[p] == g -> st[p] = ORPHAN :: else fi };
	if
	:: gen[p] == g -> push(p)
	:: else
	fi
#endif
}

inline replay()			/* code: journal_settle; the lanes' own races are in lane.pml */
{
	d_step { if :: lane -> entry = lval; lane = 0 :: else fi }
}

inline copy()			/* code: copy */
{
	v = val[o]; val[n] = v; v = 0
}

proctype mover()		/* code: move_folio */
{
	byte o, n, v;
	bit busy;
	{
	o = entry;
#ifdef M_BUSY_FIRST		/* mutation: looks, then locks the range */
	busy = (cnt[o] > 0);
	range = 1;
#else
#ifndef M_NO_RANGE
	range = 1;
#endif
	busy = (cnt[o] > 0);	/* a read-modify-write: fence.pml */
#endif
	if
	:: busy -> goto out
	:: else
	fi;
	/* code: page_take, with its record */
	atomic {
		if
		:: st[1] == FREE -> n = 1
		:: st[2] == FREE -> n = 2
		:: else -> goto out
		fi;
		npg = n; ngen = gen[n] + 1; nset = 1;
		st[n] = INFILE; gen[n]++
	}
	copy();
#ifdef M_NEW_CLEARED		/* mutation: the record of the new page goes before the commit */
	nset = 0;
#endif
#if !defined(M_NO_OLD) && !defined(M_OLD_LATE)
	d_step { opg = o; ogen = gen[o]; oset = 1 }
#endif
#ifdef M_RELEASE_FIRST
	release(o, gen[o]);
#endif
#ifdef M_RANGE_EARLY		/* mutation: unlocked when it is copied */
	range = 0;
#endif
	d_step { lval = n; lane = 1 }
	replay();
#ifdef M_OLD_LATE		/* mutation: the record of the old page comes after the commit */
	d_step { opg = o; ogen = gen[o]; oset = 1 }
#endif
#ifndef M_RELEASE_FIRST
	release(o, gen[o]);
#endif
	oset = 0;
	nset = 0;
out:	range = 0;
	done[M] = 1
	} unless { !alive[M] }
}

inline resolve(set, p, g)	/* code: resolve_page */
{
	if
	:: set && entry != p -> release(p, g)
	:: else
	fi;
	set = 0
}

inline settle()			/* code: repair of layout/lock.c */
{
#ifdef M_LANE_LAST
	resolve(nset, npg, ngen);
	resolve(oset, opg, ogen);
	replay();
#else
	replay();
	resolve(nset, npg, ngen);
	resolve(oset, opg, ogen);
#endif
	range = 0
}

proctype first()
{
	{
	(!alive[M] || done[M]);
	if
	:: !alive[M] -> settle()
	:: else
	fi;
	done[S] = 1
	} unless { !alive[S] }
}

proctype last()
{
	(!alive[S] || done[S]);
	if
	:: !alive[S] && !alive[M] -> settle()
	:: else
	fi;
	done[L] = 1
}

inline down(p)			/* code: page_down */
{
	d_step { assert(cnt[p] > 0); cnt[p]-- }
	push(p)
}

proctype user()			/* code: dax_hold, dax_drop */
{
	byte e, i;
	bit ok;
	do
	:: i == NU -> break
	:: i < NU ->
		if
		:: range && !alive[M] -> replay(); range = 0	/* code: steal */
		:: range && alive[M] -> (!range || !alive[M])
		:: !range
		fi;
		e = entry;
		atomic { ok = (st[e] == INFILE); if :: ok -> cnt[e]++ :: else fi }
		if
		:: ok ->
			ok = !range;
			ok = ok && entry == e;
			if
			:: ok ->
				assert(st[e] == INFILE && val[e] == latest);
				d_step { latest = latest + 1; val[e] = latest };
				assert(val[e] == latest);
				i++
			:: else
			fi;
			down(e)
		:: else
		fi;
		ok = 0
	od;
	e = 0;
	done[3] = 1
}

proctype other()		/* file B: allocates and releases, twice */
{
	byte p, i;
	do
	:: i == NB -> break
	:: i < NB ->
		atomic {
			if
			:: st[0] == FREE -> p = 0
			:: st[1] == FREE -> p = 1
			:: st[2] == FREE -> p = 2
			:: else -> p = NP
			fi;
			if
			:: p < NP -> assert(p != entry && cnt[p] == 0); st[p] = INFILE; gen[p]++; val[p] = 100
			:: else
			fi
		}
		if
		:: p < NP ->
			assert(st[p] == INFILE && val[p] == 100);
			if
			:: release(p, gen[p])
			:: i == NB - 1	/* keeps it */
			fi
		:: else
		fi;
		i++
	od;
	done[4] = 1
}

proctype killer()
{
end:	do
	:: atomic { kills > 0 && alive[M] && !done[M] -> alive[M] = 0; kills-- }
	:: atomic { kills > 0 && alive[S] && !done[S] && !alive[M] -> alive[S] = 0; kills-- }
	od
}

proctype fin()
{
	byte k, used;
	atomic {
		((done[M] || !alive[M]) && (done[S] || !alive[S]) && done[L] && done[3] && done[4]);
		assert(!lane && !range && !nset && !oset);
		assert(st[entry] == INFILE && val[entry] == latest);
		/* every other page is free, or B's last one */
		do
		:: k == NP -> break
		:: k < NP ->
			if
			:: k != entry && st[k] != FREE -> assert(st[k] == INFILE && val[k] == 100); used++
			:: else
			fi;
			k++
		od;
		assert(used <= 1);
		kills = 0
	}
}

init
{
	atomic {
		st[0] = INFILE; val[0] = 1;
		run mover(); run first(); run last(); run user(); run other(); run killer(); run fin()
	}
}

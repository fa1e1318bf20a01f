/*
 * core: get, put, truncate, allocate, reap and recount on one or more folios,
 * with every process killable at every step.
 *
 * Slots: 0..NU-1 users, then NT layout processes, then NR reapers; the last reaper
 * cannot be killed (somebody must be left to reap).
 * Files: 0 and 1, one index each. User 0 reads file 0, user 1 file U1FILE.
 */
#ifndef NF
#define NF 1		/* folios */
#endif
#ifndef NU
#define NU 1		/* users */
#endif
#ifndef NT
#define NT 1		/* layout processes: the first truncates and allocates */
#endif
#ifndef NR
#define NR 2		/* reapers */
#endif
#ifndef KILLS
#define KILLS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2	/* truncate file r%2, allocate into file (r+1)%2 */
#endif
#ifndef UROUNDS
#define UROUNDS 1
#endif
#ifndef U1FILE
#define U1FILE 0
#endif
#define NS (NU + NT + NR)
#define NONE 255

#define FREE 0
#define INFILE 1
#define ORPHAN 2

/* the folio word; a CAS loop that re-evaluates its condition is one RMW step */
byte st[NF], cnt[NF], gen[NF];
byte owner[NF];			/* ghost: file this generation was taken for */
/* the files */
byte ent[2];
byte ilock[2];			/* robust inode locks: holder's slot + 1 */
/* the allocator */
bit inlist[NF];
byte alock, pend;
/* slots */
bit alive[NS], done[NS], gone[NS];
byte acct[NS * NF];
byte intent[NS];		/* folio + 1 */
bit lop[NS];			/* layout record armed */
byte lf[NS], lg[NS], lfile[NS];
byte reaplk[NS];
byte flag;			/* recounter's slot + 1 */
byte kills = KILLS;

#define A(s, f) acct[(s) * NF + (f)]
#if NU + NT + NR == 3
#define SUM(f) (A(0,f) + A(1,f) + A(2,f))
#elif NU + NT + NR == 4
#define SUM(f) (A(0,f) + A(1,f) + A(2,f) + A(3,f))
#elif NU + NT + NR == 5
#define SUM(f) (A(0,f) + A(1,f) + A(2,f) + A(3,f) + A(4,f))
#endif
#define DEAD(k) (!alive[k])

#define INV(f) assert(cnt[f] >= SUM(f))

/* ---- sections ---- */
inline rt_enter(f)		/* code: rt_enter */
{
	do
	::
#ifdef M_FLAG_FIRST		/* mutation: the flag is looked at before the intent is stored */
	   (flag == 0 || DEAD(flag - 1));
	   intent[me] = f + 1;
	   break
#else
	   intent[me] = f + 1;	/* then a full fence */
	   if
	   :: flag == 0 -> break
#ifdef M_IGNORE_FLAG
	   :: flag != 0 -> break
#endif
	   :: else ->
		intent[me] = 0;
#ifdef M_FLAG_ORPHANED		/* mutation: nobody clears a dead recounter's flag */
		flag == 0
#else
		atomic {
			(flag == 0 || DEAD(flag - 1));
			flag = 0
		}
#endif
	   fi
#endif
	od
}

/* code: rt_leave */
inline rt_leave() { intent[me] = 0 }

/* ---- allocator ---- */
inline page_lock()		/* code: alloc_lock, repair */
{
	atomic {
		(alock == 0 || DEAD(alock - 1));
		died = (alock != 0);
		alock = me + 1
	}
	if
	:: died && pend != NONE ->
#ifndef M_NO_REPAIR
		atomic {
			inlist[pend] = (st[pend] == FREE);
#ifndef M_REPAIR_NO_BUMP
			if		/* a dead taker may have recorded gen + 1: never give it out */
			:: st[pend] == FREE -> gen[pend]++
			:: else
			fi
#endif
		}
		pend = NONE
#else
		pend = NONE
#endif
	:: else
	fi
}

#ifdef COARSE			/* the allocator is not the subject */
inline page_push(f)
{
	d_step {
		if
		:: st[f] == ORPHAN && cnt[f] == 0 ->
			assert(SUM(f) == 0);	/* P1 */
			assert(!inlist[f]);
			st[f] = FREE; owner[f] = NONE; inlist[f] = 1
		:: else
		fi
	}
}
#else
inline page_push(f)		/* code: page_finish */
{
	page_lock();
	pend = f;
	if
#ifdef M_BLIND_PUSH		/* mutation: the pusher trusts that it is the only one */
	:: 1 ->
		d_step { assert(SUM(f) == 0); st[f] = FREE; owner[f] = NONE }
		d_step { assert(!inlist[f]); inlist[f] = 1 }
#else
	:: atomic { st[f] == ORPHAN && cnt[f] == 0 ->
		assert(SUM(f) == 0);	/* P1 */
		st[f] = FREE; owner[f] = NONE }
		d_step { assert(!inlist[f]); inlist[f] = 1 }	/* P4 */
	:: else
#endif
	fi;
	pend = NONE;
	alock = 0
}
#endif

/* count - 1, and whoever makes it (0, ORPHAN) pushes */
inline page_down(f)		/* code: page_down */
{
	d_step { assert(cnt[f] > 0); cnt[f]--; INV(f); last = (cnt[f] == 0 && st[f] == ORPHAN) }
	if
	:: last -> page_push(f)
	:: else
	fi
}

/* ---- release: the extent map no longer contains f ---- */
inline layout_release(f, g)	/* code: page_release */
{
	d_step {
#ifdef M_REL_NO_GEN
		if
		:: st[f] == INFILE -> st[f] = ORPHAN
		:: else
		fi;
		last = (cnt[f] == 0 && st[f] == ORPHAN)
#else
		if
		:: st[f] == INFILE && gen[f] == g -> st[f] = ORPHAN
		:: else
		fi;
		last = (cnt[f] == 0 && st[f] == ORPHAN && gen[f] == g)
#endif
	}
	if
	:: last -> page_push(f)
	:: else
	fi
}

/* a dead slot's layout record; under the inode lock */
inline layout_resolve(d)	/* code: resolve_page */
{
	if
	:: lop[d] && ent[lfile[d]] != lf[d] -> layout_release(lf[d], lg[d])
	:: else
	fi;
	lop[d] = 0
}

inline fs_lock(i)		/* code: layout_lock, resolve_rows */
{
	atomic {
		(ilock[i] == 0 || DEAD(ilock[i] - 1));
		prev = ilock[i];
		ilock[i] = me + 1
	}
	if
	:: prev != 0 ->		/* owner died: finish what any dead slot left on this inode */
		q = 0;
		do
#ifdef M_RESOLVE_OWNER_ONLY
		:: q < NS && q == prev - 1 && lop[q] && lfile[q] == i -> layout_resolve(q); q++
		:: q < NS && !(q == prev - 1 && lop[q] && lfile[q] == i) -> q++
#else
		:: q < NS && DEAD(q) && lop[q] && lfile[q] == i -> layout_resolve(q); q++
		:: q < NS && !(DEAD(q) && lop[q] && lfile[q] == i) -> q++
#endif
		:: q == NS -> break
		od;
		q = 0
	:: else
	fi;
	prev = 0
}

/* ---- the processes ---- */
proctype user(byte me; byte file)
{
	byte f, g, n;
	bit last, died, ok;
	{
	do
	:: n < UROUNDS ->
		n++;
		/* code: dax_hold */
		f = ent[file];
		if
		:: f == NONE -> goto idle
		:: else
		fi;
#ifndef M_NO_INTENT
		rt_enter(f);
#endif
#ifdef M_ACCT_FIRST
		A(me, f)++;
#endif
		atomic {
			if
			:: st[f] == INFILE -> cnt[f]++; g = gen[f]; ok = 1
			:: else -> ok = 0
			fi
		}
		if
		:: !ok ->
#ifdef M_ACCT_FIRST
			A(me, f)--;
#endif
			rt_leave(); goto idle
		:: else
		fi;
#ifndef M_NO_REVALIDATE
		/* the second look at the entry */
		if
		:: ent[file] == f
		:: else ->
#ifdef M_ACCT_FIRST
			A(me, f)--;
#endif
			page_down(f); rt_leave(); goto idle
		fi;
#endif
#ifdef M_LEAVE_EARLY
		rt_leave();
#endif
#ifndef M_ACCT_FIRST
		d_step { A(me, f)++; INV(f) }
#endif
		rt_leave();
		/* the hold is ours: right file, same generation (P5, P1) */
		d_step { assert(gen[f] == g && owner[f] == file && st[f] != FREE); }
		if
		:: goto idle		/* keeps it */
		:: skip
		fi;
		d_step { assert(gen[f] == g && owner[f] == file && st[f] != FREE); }
		/* code: dax_drop */
#ifndef M_NO_INTENT
		rt_enter(f);
#endif
#ifdef M_COUNT_FIRST
		page_down(f);
		A(me, f)--;
#else
		A(me, f)--;
		page_down(f);
#endif
		rt_leave()
	:: n >= UROUNDS -> break
	od;
idle:	atomic { f = 0; g = 0; ok = 0; last = 0; died = 0; done[me] = 1 }
	} unless { !alive[me] }
}

#ifdef COARSE
proctype truncater(byte me)
{
	byte f, r;
	do
	:: atomic { r < ROUNDS && ent[r % 2] != NONE ->
		f = ent[r % 2];
		ent[r % 2] = NONE;
		st[f] = ORPHAN;
		if
		:: cnt[f] == 0 -> assert(SUM(f) == 0); assert(!inlist[f]); st[f] = FREE; owner[f] = NONE; inlist[f] = 1
		:: else
		fi;
		f = 0 }
	:: atomic { r < ROUNDS && ent[r % 2] == NONE && inlist[0] && ent[1 - r % 2] == NONE ->
		assert(st[0] == FREE && cnt[0] == 0 && SUM(0) == 0);
		st[0] = INFILE; gen[0]++; owner[0] = 1 - r % 2; inlist[0] = 0;
		ent[1 - r % 2] = 0;
		r++ }
	:: break
	od;
	atomic { r = 0; done[me] = 1 }
}
#else
inline layout_allocate(i)
{
	if
	:: ent[i] == NONE ->
		page_lock();
		f = 0;
		do
		:: f < NF && inlist[f] -> break
		:: f < NF && !inlist[f] -> f++
		:: f == NF -> break
		od;
		if
		:: f < NF ->
			pend = f;	/* code: page_take */
#ifndef M_NO_ALLOC_RECORD
			d_step { lf[me] = f; lg[me] = gen[f] + 1; lfile[me] = i; lop[me] = 1 }
#endif
			d_step {
				assert(st[f] == FREE && cnt[f] == 0 && SUM(f) == 0);
				st[f] = INFILE; gen[f]++; owner[f] = i
			}
			inlist[f] = 0;
			pend = NONE;
			alock = 0;
			ent[i] = f;	/* commits */
			lop[me] = 0
		:: else -> alock = 0
		fi
	:: else
	fi
}

proctype truncater(byte me)
{
	byte f, g, r, i, q, prev;
	bit last, died;
	{
	do
	:: r < ROUNDS ->
		i = r % 2;
		/* code: layout_remove */
		fs_lock(i);
		f = ent[i];
		if
		:: f != NONE ->
			g = gen[f];
			d_step { lf[me] = f; lg[me] = g; lfile[me] = i; lop[me] = 1 }
#ifdef M_STATE_FIRST
			layout_release(f, g);
			ent[i] = NONE;
#else
			ent[i] = NONE;		/* the journal transaction commits */
			layout_release(f, g);
#endif
			lop[me] = 0
		:: else
		fi;
		ilock[i] = 0;
		/* allocates into the other file */
		i = 1 - i;
		fs_lock(i);
		layout_allocate(i);
		ilock[i] = 0;
		r++
	:: r >= ROUNDS -> break
	od;
	atomic { f = 0; g = 0; i = 0; died = 0; last = 0; done[me] = 1 }
	} unless { !alive[me] }
}


#ifdef T1_MOVE
/* moves the page of file 0 to file 1 without a new generation (collapse, exchange) */
proctype layout1(byte me)
{
	byte i, q, prev;
	bit last, died;
	{
	fs_lock(0);
	fs_lock(1);
	if
	:: ent[0] != NONE && ent[1] == NONE -> atomic { ent[1] = ent[0]; owner[ent[0]] = 1; ent[0] = NONE }
	:: else
	fi;
	ilock[1] = 0;
	ilock[0] = 0;
	atomic { q = 0; last = 0; died = 0; done[me] = 1 }
	} unless { !alive[me] }
}
#elif NT > 1
/* allocates into file 1 */
proctype layout1(byte me)
{
	byte f, i, q, prev;
	bit last, died;
	{
	i = 1;
	fs_lock(i);
	layout_allocate(i);
	ilock[i] = 0;
	atomic { f = 0; i = 0; q = 0; died = 0; last = 0; done[me] = 1 }
	} unless { !alive[me] }
}
#endif
#endif

#define REAPABLE(d) (!alive[d] && !gone[d] && (reaplk[d] == 0 || DEAD(reaplk[d] - 1)))

inline page_recount(d)		/* code: page_recount */
{
	f = intent[d] - 1;
	atomic { (flag == 0 || DEAD(flag - 1)); flag = me + 1 }
	intent[me] = f + 1;	/* announced: see stopped */
	k = 0;
	do
	:: k < NS ->
		if
		:: (k == me || DEAD(k) || intent[k] != f + 1) -> k++
#ifdef M_NO_WAIT
		:: else -> k++
#elif !defined(NO_DEFER)	/* somebody is inside: wait, or come back later */
		:: else -> intent[me] = 0; flag = 0; k = 0; goto deferred
#endif
		fi
	:: k == NS -> break
	od;
	k = 0; sum = 0;
	do
	:: k < NS ->
#ifdef M_SUM_LIVE
		if
		:: !DEAD(k) -> sum = sum + A(k, f)
		:: else
		fi;
#else
		sum = sum + A(k, f);
#endif
		k++
	:: k == NS -> break
	od;
	atomic { cnt[f] = sum; INV(f); last = (cnt[f] == 0 && st[f] == ORPHAN); k = 0; sum = 0 }
	if
	:: last -> page_push(f)
	:: else
	fi;
	intent[d] = 0;
	intent[me] = 0;
	flag = 0
}

proctype reaper(byte me)	/* code: reap_slot */
{
	byte d, f, k, sum, q, prev;
	bit last, died, got;
	{
end:	do
	:: atomic {
		if
		:: REAPABLE(0) -> d = 0
		:: REAPABLE(1) -> d = 1
		:: REAPABLE(2) -> d = 2
#if NU + NT + NR > 3
		:: REAPABLE(3) -> d = 3
#endif
#if NU + NT + NR > 4
		:: REAPABLE(4) -> d = 4
#endif
		fi;
		reaplk[d] = me + 1; done[me] = 0 }
		/* the allocator lock, if the dead slot had it */
		if
		:: alock == d + 1 -> page_lock(); alock = 0
		:: else
		fi;
		/* its layout record, under the inode lock */
		if
		:: lop[d] ->
			q = lfile[d];
			atomic { (ilock[q] == 0 || DEAD(ilock[q] - 1)); ilock[q] = me + 1 }
			layout_resolve(d);
			ilock[q] = 0; q = 0
		:: else
		fi;
		/* accounted holds */
		f = 0;
		do
		:: f < NF ->
			do
			:: A(d, f) > 0 ->
#ifndef M_REAP_NO_INTENT
				rt_enter(f);
#endif
				A(d, f)--;	/* one reaper at a time has the slot */
				page_down(f);
				rt_leave()
			:: else -> break
			od;
			f++
		:: f == NF -> break
		od;
		/* what was in flight */
		if
		:: intent[d] != 0 ->
#ifdef M_NO_RECOUNT
			intent[d] = 0
#else
			page_recount(d)
#endif
		:: else
		fi;
		gone[d] = 1;
deferred:	atomic { reaplk[d] = 0; d = 0; f = 0; last = 0; died = 0; done[me] = 1 }
	od
	} unless { !alive[me] }
}

proctype killer()
{
end:	do
	:: atomic { kills > 0 ->
		if
		:: alive[0] -> alive[0] = 0
#if NS > 2
		:: alive[1] -> alive[1] = 0
#endif
#if NU + NT + NR > 3
		:: alive[2] -> alive[2] = 0
#endif
#if NU + NT + NR > 4
		:: alive[3] -> alive[3] = 0
#endif
		fi;
		kills-- }
	od
}

#define QUIET(k) ((alive[k] && done[k]) || gone[k])
#define PLACED(f) ((st[f] == FREE && inlist[f] && cnt[f] == 0 && ent[0] != f && ent[1] != f) \
	|| (st[f] == INFILE && !inlist[f] && (ent[0] == f && ent[1] != f || ent[1] == f && ent[0] != f)) \
	|| (st[f] == ORPHAN && !inlist[f] && cnt[f] > 0 && ent[0] != f && ent[1] != f))

#if NU + NT + NR == 3
#define ALLQUIET (QUIET(0) && QUIET(1) && QUIET(2))
#elif NU + NT + NR == 4
#define ALLQUIET (QUIET(0) && QUIET(1) && QUIET(2) && QUIET(3))
#else
#define ALLQUIET (QUIET(0) && QUIET(1) && QUIET(2) && QUIET(3) && QUIET(4))
#endif

bit finished;
proctype fin()
{
	byte k;
	atomic {
		ALLQUIET;
		k = 0;
		do
		:: k < NF -> assert(cnt[k] == SUM(k)); assert(PLACED(k)); k++	/* P2 */
		:: else -> break
		od;
		kills = 0;
		finished = 1
	}
}

init
{
	byte k;
	atomic {
		ent[0] = 0; ent[1] = NONE; st[0] = INFILE; owner[0] = 0; pend = NONE;
#if NF > 1
		st[1] = FREE; inlist[1] = 1; owner[1] = NONE;
#endif
		k = 0;
		do
		:: k < NS -> alive[k] = 1; k++
		:: else -> break
		od;
		done[NS - 1] = 1;
#if NR > 1
		done[NS - 2] = 1;
#endif
#if NU > 0
		run user(0, 0);
#endif
#if NU > 1
		run user(1, U1FILE);
#endif
		#if NT > 0
		run truncater(NU);
#endif
#if NT > 1
		run layout1(NU + 1);
#endif
#if NR > 1
		run reaper(NS - 2);
#endif
		run reaper(NS - 1);
		run killer();
		run fin()
	}
}

#ifdef LTL_END
ltl ends { <> finished }
#endif

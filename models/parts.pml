/*
 * parts: some pages of a held folio leave their file. The folio stays whole; the last put
 * splits it: the pages that left are freed, the others become idle folios. Four pages, one
 * folio of order 2 at the start, one holder, a getter, a layout process that takes page 3, then
 * page 2 (and with -DALL the rest) out of the file, a taker that reuses what is free, a reaper.
 * All but the last two may be killed at every step.
 *
 * -DLIMBO: the allocator lock may be out of reach (a stopped process has it): who should push or
 * split leaves the folio as it is and counts it in limbo; a later locker scans. With -DLOCKER
 * slot 1 is such a locker and not the getter.
 *
 * -DQUAR: what a dead slot held goes to the quarantine list; a discarder moves it on. dirty is a ghost: the
 * dead's kernel may still write there.
 *
 * The free index is one bit per page here (its classes and lists: see index).
 */
#ifndef KILLS
#define KILLS 1
#endif
#ifndef PAGE
#define PAGE 1		/* what the getter wants */
#endif
#define FREE 0
#define INFILE 1
#define ORPHAN 2
#define NP 4
/* slots */
#define HOLDER 0
#define GETTER 1
#define LAYOUT 2
#define REAPER 3
#define NS 4

/* the words and the other fields of the descriptors */
byte st[NP], cnt[NP], ord[NP], gen[NP];
bit P[NP], left[NP];
/* the allocator */
bit infree[NP];
byte alock;			/* robust lock: slot + 1 */
mtype = { NOTHING, PUSH, SPLIT, CLEAR };
mtype pk = NOTHING;		/* pending: kind, head, order, generation */
byte pfirst, porder, pgen;
byte limbo;
/* the file: page i at index i */
bit ent[NP];
bit other[NP];			/* ghost: in another file by now */
byte ilock;
/* slots */
bit alive[NS], done[NS], gone[NS], intent[NS];
byte hold[NS], hord[NS];	/* accounting: head + 1; ghost: the order it had */
bit lop;			/* layout record: pages la..lb of the folio lh */
byte la, lb, lh;
byte kills = KILLS;
#ifdef QUAR
bit Q[NP], inquar[NP], dirty[NP];
#ifdef M_Q_IN_PENDING
bit pq;
#define PQ pq
#else
#define PQ Q[pfirst]		/* stays in the head's word, whatever its state, until pending is done */
#endif
#endif

#define DEAD(k) (!alive[k])
#define COVERS(h, p) (st[h] != FREE && (h) <= (p) && (p) < (h) + (1 << ord[h]))
#define HEADOF(p) (COVERS(0, p) -> 0 : (COVERS(((p) & 2), p) -> ((p) & 2) : (p)))
#define SUM(h) ((hold[0] == (h) + 1) + (hold[1] == (h) + 1) + (hold[2] == (h) + 1))
#define HELD1(s, p) (hold[s] && hold[s] - 1 <= (p) && (p) < hold[s] - 1 + (1 << hord[s]))
#define HELD(p) (HELD1(0, p) || HELD1(1, p) || HELD1(2, p))

/* ---- allocator ---- */
inline insert(p)
{
	d_step {
		if
		:: !infree[p] ->
			assert(!HELD(p));	/* never under a hold */
			assert(!ent[p]);	/* never a member */
			assert(!other[p]);	/* never twice */
#ifdef QUAR
			if
#ifndef M_SPLIT_FORGETS_Q
			:: inquar[p]
			:: !inquar[p] && PQ -> inquar[p] = 1
			:: !inquar[p] && !PQ -> assert(!dirty[p]); infree[p] = 1
#else
			:: 1 -> assert(!dirty[p]); infree[p] = 1
#endif
			fi
#else
			infree[p] = 1
#endif
		:: else
		fi
	}
}

#ifdef M_CLEAR_FIRST
#define LEFT(p) ((m >> (p)) & 1)
#else
#define LEFT(p) left[p]
#endif

inline publish(p)		/* the block of members that starts here becomes an idle folio */
{
	d_step {
		if
		:: p % 2 == 0 && p + 1 < pfirst + (1 << porder) && !LEFT(p) && !LEFT(p + 1) -> ord[p] = 1
		:: else -> ord[p] = 0
		fi;
		assert(!infree[p]);
#ifdef QUAR
#ifdef M_MEMBER_DROPS_Q
		Q[p] = 0;
#else
		Q[p] = PQ;
#endif
#endif
		st[p] = INFILE; cnt[p] = 0; P[p] = 0; gen[p]++;
		p = p + (1 << ord[p])
	}
}

/* What pending says, from whatever point it was left at: the operation and its repair in one. */
inline finish()			/* code: finish */
{
	if
	:: pk == PUSH ->
		atomic {
			if
			:: st[pfirst] == ORPHAN && cnt[pfirst] == 0 && gen[pfirst] == pgen -> st[pfirst] = FREE; P[pfirst] = 0
			:: else
			fi
		}
		w = pfirst;
		do
		:: st[pfirst] == FREE && w < pfirst + (1 << porder) ->
			insert(w);
#ifndef M_STALE_LEFT
			left[w] = 0;
#endif
			w++
		:: else -> break
		od
	:: pk == SPLIT ->
		atomic {
			if
			:: st[pfirst] == INFILE && cnt[pfirst] == 0 && P[pfirst] && gen[pfirst] == pgen -> st[pfirst] = FREE; P[pfirst] = 0
			:: else
			fi
		}
		if
		:: st[pfirst] != FREE && gen[pfirst] == pgen	/* somebody got it: nothing to do */
		:: else ->
#ifdef M_CLEAR_FIRST		/* mutation: the marks are taken away before the split is done */
			byte m;
			atomic { m = left[0] + 2 * left[1] + 4 * left[2] + 8 * left[3] }
			atomic { left[0] = 0; left[1] = 0; left[2] = 0; left[3] = 0 }
#endif
			w = pfirst;
			do
			:: w < pfirst + (1 << porder) ->
				if
				:: st[w] != FREE -> w = w + (1 << ord[w])	/* published before a kill */
				:: st[w] == FREE && LEFT(w) -> insert(w); w++
				:: st[w] == FREE && !LEFT(w) -> publish(w)
				fi
			:: else -> break
			od;
#ifndef M_NO_CLEAR_PHASE
			pk = CLEAR
#endif
		fi
	:: else
	fi;
	if
#ifdef M_NO_CLEAR_PHASE		/* mutation: one pending for both passes */
	:: pk == SPLIT && (st[pfirst] == FREE || gen[pfirst] != pgen) ->
#else
	:: pk == CLEAR ->
#endif
		w = pfirst;
		do
		:: w < pfirst + (1 << porder) ->
#ifndef M_CLEAR_ALL		/* mutation: clears the new marks of published blocks too */
			if
			:: st[w] != FREE -> w = w + (1 << ord[w])
			:: else -> left[w] = 0; w++
			fi
#else
			left[w] = 0; w++
#endif
		:: else -> break
		od
	:: else
	fi;
	atomic { pk = NOTHING; pfirst = 0; porder = 0; pgen = 0; w = 0 }
}

#define WANTS(h) (cnt[h] == 0 && (st[h] == ORPHAN || st[h] == INFILE && P[h]))
inline settle_locked(h)
{
	if
	:: WANTS(h) ->
#ifdef M_NO_PENDING		/* mutation: a split does not say what it does */
		atomic {
#ifdef M_Q_IN_PENDING
			pq = Q[h];
#endif
			pfirst = h; porder = ord[h]; pgen = gen[h]; pk = (st[h] == ORPHAN -> PUSH : SPLIT) }
		nosplit = (pk == SPLIT);
#else
		atomic {
#ifdef M_Q_IN_PENDING
			pq = Q[h];
#endif
			pfirst = h; porder = ord[h]; pgen = gen[h]; pk = (st[h] == ORPHAN -> PUSH : SPLIT) }
#endif
		finish()
	:: else
	fi
}

#ifdef M_NO_PENDING
bit nosplit;
#endif
inline lock_alloc()		/* code: alloc_lock */
{
	atomic {
		(alock == 0 || DEAD(alock - 1));
		died = (alock != 0);
		alock = me + 1
	}
	if
	:: died ->
#ifdef M_NO_PENDING
		if
		:: nosplit -> pk = NOTHING; nosplit = 0
		:: else
		fi;
#endif
		finish()
	:: else
	fi;
	died = 0;
#ifdef LIMBO
#ifndef M_SCAN_FORGETS
	if
	:: limbo > 0 ->			/* code: look_after_limbo */
		seen = limbo;
#ifdef M_LIMBO_EARLY		/* mutation: cleared, then scanned */
		limbo = 0;
#endif
		sp = 0;
		do
		:: sp < NP -> settle_locked(sp); sp++
		:: sp == NP -> break
		od;
#ifdef M_LIMBO_FLAG		/* mutation: a flag, cleared after the scan whatever came since */
		limbo = 0;
#elif !defined(M_LIMBO_EARLY)
		atomic {
			if
			:: limbo == seen -> limbo = 0
			:: else
			fi
		};
#endif
		seen = 0; sp = 0
	:: else
	fi
#else
	limbo = 0
#endif
#endif
}

/* code: page_finish, finish_split */
inline settle(h)
{
	if
	:: lock_alloc();
	   settle_locked(h);
	   alock = 0
#ifdef LIMBO
	:: limbo++		/* the lock is out of reach: code: page_finish */
#endif
	fi
}

inline down(h)			/* code: page_down */
{
	d_step {
		assert(cnt[h] > 0); cnt[h]--; assert(cnt[h] >= SUM(h)); last = WANTS(h);
#ifdef QUAR
		if
		:: me == REAPER -> Q[h] = 1
		:: else
		fi
#endif
	}
	if
	:: last -> settle(h)
	:: else
	fi
}

inline put()			/* code: dax_drop */
{
	intent[me] = 1;
	h = hold[me] - 1;
	hold[me] = 0;
	down(h);
	intent[me] = 0
}

/* ---- the processes ---- */
proctype holder(byte me)
{
	byte h, w, seen, sp;
	bit last, died;
	{
	put();
	done[me] = 1
	} unless { !alive[me] }
}

proctype getter(byte me; byte p)	/* code: dax_hold */
{
	byte h, w, seen, sp;
	bit last, died, ok;
	{
	skip;
again:	if
	:: !ent[p] -> goto out
	:: else
	fi;
	intent[me] = 1;
#ifdef M_TRUST_HINT		/* mutation: the entry's order is taken for the truth */
	h = 0;
	atomic {
		if
		:: st[h] == INFILE -> cnt[h]++; ok = 1
#else
	h = HEADOF(p);
	atomic {
		if
		:: st[h] == INFILE && COVERS(h, p) -> cnt[h]++; ok = 1
#endif
		:: else -> ok = 0
		fi
	}
	if
	:: !ok ->		/* a split is under way, or the entry is old */
		intent[me] = 0;
		(COVERS(HEADOF(p), p) || !ent[p]);
		goto again
	:: else
	fi;
	if
	:: ent[p]
	:: else -> down(h); intent[me] = 0; goto again
	fi;
	atomic { hold[me] = h + 1; hord[me] = ord[h]; assert(cnt[h] >= SUM(h)) }
	intent[me] = 0;
	assert(HELD(p) && COVERS(h, p) && !other[p] && !infree[p]);
	if
	:: goto out		/* keeps it */
	:: skip
	fi;
	assert(COVERS(h, p) && !other[p] && !infree[p]);
	put();
out:	atomic { ok = 0; done[me] = 1 }
	} unless { !alive[me] }
}

/* locks and unlocks outside of any section, as a take does */
proctype locker(byte me)
{
	byte w, seen, sp;
	bit died;
	{
	lock_alloc();
	alock = 0;
	done[me] = 1
	} unless { !alive[me] }
}

/* Marks what has left, under the inode lock and with a hold on the folio: it may be done again. */
inline mark(h, a, b)		/* code: page_release, resolve_page */
{
	w = a;
#ifdef M_P_FIRST
	P[h] = 1;
#endif
	do
	:: w <= b -> left[w] = 1; w++
	:: else -> break
	od;
	w = 0;
	atomic {		/* no member remains: ORPHAN */
		if
		:: st[h] == INFILE && lgen == gen[h] && COVERS(h, a) ->
			P[h] = 1;
			if
			:: (left[h] && (ord[h] == 0 || left[h + 1] && (ord[h] == 1 || left[h + 2] && left[h + 3]))) -> st[h] = ORPHAN
			:: else
			fi
		:: else
		fi;
		last = WANTS(h)
	}
}

inline get_for_release(p)	/* code: dax_hold, under the inode lock */
{
	do
	::	intent[me] = 1;
		h = HEADOF(p);
		atomic {
			if
			:: st[h] == INFILE && COVERS(h, p) -> cnt[h]++; ok = 1
			:: else -> ok = 0
			fi
		}
		if
		:: ok -> break
		:: else -> intent[me] = 0; COVERS(HEADOF(p), p)	/* waits for a split */
		fi
	od;
	atomic { hold[me] = h + 1; hord[me] = ord[h] }
	intent[me] = 0
}

byte lgen;
proctype layout(byte me)	/* code: layout_remove */
{
	byte h, w, seen, sp, a, b, r;
	bit last, died, ok;
	{
	atomic { (ilock == 0) -> ilock = me + 1 }
	do
#ifdef ALL
	:: r < 3 ->
#else
	:: r < 2 ->
#endif
		d_step {
			if
			:: r == 0 -> a = 3; b = 3
			:: r == 1 -> a = 2; b = 2
			:: r == 2 -> a = 0; b = 1
			fi;
			r++
		}
#ifdef M_NO_HOLD		/* mutation: marks without a hold */
		h = HEADOF(a);
		COVERS(h, a);
#else
		get_for_release(a);
#endif
		d_step { la = a; lb = b; lh = h; lgen = gen[h]; lop = 1 }
		d_step { ent[a] = 0; ent[b] = 0 }	/* the journal commits */
		mark(h, a, b);
#ifdef M_NO_HOLD
		if
		:: last -> settle(h)
		:: else
		fi;
		lop = 0
#else
		lop = 0;
		put()
#endif
	:: else -> break
	od;
	ilock = 0;
	atomic { a = 0; b = 0; h = 0; ok = 0; done[me] = 1 }
	} unless { !alive[me] }
}

/* another file takes a page that is free */
proctype taker()		/* code: page_take */
{
	byte p;
end:	atomic { (alock == 0 && pk == NOTHING && (infree[2] || infree[3])) ->
		p = (infree[3] -> 3 : 2);
		assert(st[p] == FREE && !left[p] && !HELD(p) && !ent[p]);
		infree[p] = 0; other[p] = 1; st[p] = INFILE; ord[p] = 0; gen[p]++; p = 0 }
}

#define REAPABLE(d) (!alive[d] && !gone[d])
#define ANYLEFT (left[0] || left[1] || left[2] || left[3])
#ifdef QUAR
proctype discarder()		/* code: page_discard */
{
	byte p;
end:	do
	:: atomic { (alock == 0 && pk == NOTHING && (inquar[0] || inquar[1] || inquar[2] || inquar[3])) ->
		p = (inquar[0] -> 0 : (inquar[1] -> 1 : (inquar[2] -> 2 : 3)));
		inquar[p] = 0; dirty[p] = 0; Q[p] = 0; infree[p] = 1; p = 0 }
	od
}
#define NOQUAR (!inquar[0] && !inquar[1] && !inquar[2] && !inquar[3])
#define SOIL(s, p) dirty[p] = dirty[p] | (HELD1(s, p))
#define SOILED(s) SOIL(s, 0); SOIL(s, 1); SOIL(s, 2); SOIL(s, 3)
#else
#define NOQUAR 1
#define SOILED(s)
#endif

proctype reaper(byte me)	/* code: reap_slot */
{
	byte d, h, w, seen, sp;
	bit last, died;
end:	do
	:: atomic {
		if
		:: REAPABLE(0) -> d = 0
		:: REAPABLE(1) -> d = 1
		:: REAPABLE(2) -> d = 2
		fi;
		done[me] = 0 }
		if
		:: alock == d + 1 -> lock_alloc(); alock = 0
		:: else
		fi;
		/* the record before the holds: the folio it names stays whole until then */
#ifndef M_HOLDS_FIRST
		if
		:: d == LAYOUT && lop ->
			if
			:: !ent[la] ->
				mark(lh, la, lb);
#ifdef M_NO_HOLD
				if
				:: last -> settle(lh)
				:: else
				fi
#endif
			:: else
			fi;
			lop = 0
		:: else
		fi;
#endif
		if
		:: hold[d] ->
			intent[me] = 1; h = hold[d] - 1; hold[d] = 0; down(h); intent[me] = 0
		:: else
		fi;
#ifdef M_HOLDS_FIRST
		if
		:: d == LAYOUT && lop ->
			if
			:: !ent[la] -> mark(lh, la, lb)
			:: else
			fi;
			lop = 0
		:: else
		fi;
#endif
		if
		:: intent[d] ->		/* the recount; its bracket is core's subject */
			atomic {
				(!(alive[0] && intent[0]) && !(alive[1] && intent[1]) && !(alive[2] && intent[2]));
				w = 0;
				do
				:: w < NP && st[w] != FREE && !other[w] -> assert(cnt[w] >= SUM(w)); cnt[w] = SUM(w); w++
				:: w < NP && !(st[w] != FREE && !other[w]) -> w++
				:: w == NP -> break
				od;
				w = 0
			}
			h = 0;
			do
			:: h < NP && !other[h] && WANTS(h) -> settle(h); h++
			:: h < NP && !(!other[h] && WANTS(h)) -> h++
			:: h == NP -> break
			od;
			intent[d] = 0
		:: else
		fi;
		if
		:: d == LAYOUT -> ilock = 0
		:: else
		fi;
		atomic { gone[d] = 1; d = 0; h = 0; last = 0; died = 0; done[me] = 1 }
#ifdef LIMBO
	/* the next locker, whoever it is; when everybody is quiet one still comes */
	:: atomic { limbo > 0 && done[0] + gone[0] > 0 && done[1] + gone[1] > 0 && done[2] + gone[2] > 0 -> done[me] = 0 }
		lock_alloc(); alock = 0; done[me] = 1
#endif
	od
}

proctype killer()
{
end:	do
	:: atomic { kills > 0 && !done[0] -> alive[0] = 0; kills--; SOILED(0) }
	:: atomic { kills > 0 && !done[1] -> alive[1] = 0; kills--; SOILED(1) }
	:: atomic { kills > 0 && !done[2] -> alive[2] = 0; kills--; SOILED(2) }
	od
}

#define QUIET(k) ((alive[k] && done[k]) || gone[k])
/* where each page is: free, in the other file, in its file, or left with a held folio */
#define ISFREE(p) (infree[p] && !ent[p] && st[p] == FREE && !left[p] && !other[p] && !COVERS(HEADOF(p), p))
#define ISOTHER(p) (other[p] && !infree[p] && !ent[p])
#define FOLIOOF(p) (COVERS(HEADOF(p), p) && cnt[HEADOF(p)] == SUM(HEADOF(p)))
#define ISMEMBER(p) (ent[p] && !infree[p] && !left[p] && FOLIOOF(p) && st[HEADOF(p)] == INFILE)
#define ISLEFT(p) (!ent[p] && !infree[p] && left[p] && FOLIOOF(p) && cnt[HEADOF(p)] > 0 && P[HEADOF(p)])
#define PLACED(p) (ISFREE(p) || ISOTHER(p) || ISMEMBER(p) || ISLEFT(p))
proctype fin()
{
	atomic {
		(QUIET(0) && QUIET(1) && QUIET(2) && done[3] && limbo == 0 && NOQUAR);
		assert(PLACED(0)); assert(PLACED(1)); assert(PLACED(2)); assert(PLACED(3));
		kills = 0
	}
}

init
{
	atomic {
		st[0] = INFILE; ord[0] = 2; cnt[0] = 1;
		ent[0] = 1; ent[1] = 1; ent[2] = 1; ent[3] = 1;
		hold[0] = 1; hord[0] = 2;
		alive[0] = 1; alive[1] = 1; alive[2] = 1; alive[3] = 1; done[3] = 1;
		run holder(0);
#ifdef LOCKER
		run locker(1);
#else
		run getter(1, PAGE);
#endif
		run layout(2); run taker(); run reaper(3);
#ifdef QUAR
		run discarder();
#endif
		 run killer(); run fin()
	}
}

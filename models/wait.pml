/*
 * wait: a truncater with policy WAIT, holders whose last put wakes it, a reader
 * that races to get, a reaper. Every process but the reaper may be killed.
 * The sleep has no timeout here: a lost wakeup shows as an invalid end state.
 */
#ifndef NH
#define NH 2		/* holders, each with one accounted hold at the start */
#endif
#ifndef KILLS
#define KILLS 2
#endif
#define FREE 0
#define INFILE 1
#define ORPHAN 2
/* slots: 0..NH-1 holders, NH the reader, NH+1 the waiter, NH+2 the reaper */
#define RD NH
#define WT (NH + 1)
#define RP (NH + 2)
#define NS (NH + 3)

byte st = INFILE, cnt;
bit W;				/* waiter bit, in the folio word */
bit mapped = 1, blocked;	/* the file's entry, and its lock bit */
byte entowner;			/* whoever blocked the entry, + 1 */
bit sleeping;			/* the waiter is in futex_wait */
bit alive[NS], done[NS], gone[NS], intent[NS];
byte acct[NS];
bit lop;			/* the waiter's layout record */
byte kills = KILLS;

/* code: the futex wake in page_down and page_recount */
inline wake() { sleeping = 0 }
inline free_it()	/* code: page_finish: idempotent, see core */
{
	d_step {
		if
		:: st == ORPHAN && cnt == 0 -> assert(acct[0] + acct[1] + acct[2] + acct[3] == 0); st = FREE
		:: else
		fi
	}
}

/* count - 1; the last one takes W away in the same CAS, then wakes */
inline dec()		/* code: page_down */
{
	d_step {
		assert(cnt > 0); cnt--;
		last = (cnt == 0 && st == ORPHAN);
#ifdef M_STALE_W
		w = wseen && cnt == 0;
#else
		w = (W && cnt == 0);
#endif
		if
		:: w -> W = 0
		:: else
		fi
	}
	if
	:: w ->
#ifndef M_NO_WAKE
		wake()
#else
		skip
#endif
	:: else
	fi;
	if
	:: last -> free_it()
	:: else
	fi
}

proctype holder(byte me)	/* code: dax_drop */
{
	bit last, w, wseen;
	{
	intent[me] = 1;
	acct[me]--;
#ifdef M_STALE_W
	wseen = W;
#endif
	dec();
	intent[me] = 0;
	done[me] = 1
	} unless { !alive[me] }
}

proctype reader(byte me)	/* code: dax_hold, dax_drop */
{
	bit last, w, ok, wseen;
	{
	if
	:: !mapped || blocked -> goto out	/* would wait for the entry's lock */
	:: else
	fi;
	intent[me] = 1;
	atomic {
		if
		:: st == INFILE -> cnt++; ok = 1
		:: else
		fi
	}
	if
	:: ok ->
		if
		:: mapped && !blocked ->
			acct[me]++;
			intent[me] = 0;
			assert(st == INFILE || st == ORPHAN);
			intent[me] = 1;
			acct[me]--;
			dec()
		:: else -> dec()
		fi
	:: else
	fi;
	intent[me] = 0;
out:	done[me] = 1
	} unless { !alive[me] }
}

proctype waiter(byte me)	/* code: inner_break, page_release */
{
	bit last;
	byte seen;
	{
	/* phase 1: the entry is locked: no get can be validated from here on */
#ifdef M_NO_BLOCK
	entowner = me + 1;
#else
	atomic { blocked = 1; entowner = me + 1 }
#endif
	/* phase 2: until the count is 0. Always by CAS: a set W bit or an unchanged word */
again:	skip;
#ifdef M_SLEEP_UNCHECKED
	if
	:: cnt == 0 -> goto zero
	:: else -> W = 1
	fi;
	sleeping = 1;
	!sleeping;
	goto again;
#else
	atomic {
		if
		:: cnt == 0 -> goto zero
#ifndef M_NO_WBIT
		:: else -> W = 1; seen = cnt
#else
		:: else -> seen = cnt
#endif
		fi
	}
	/* futex_wait(word, seen): sleeps only if the word still is what was seen */
	atomic {
		if
#ifdef M_NO_WBIT
		:: cnt == seen -> sleeping = 1
		:: else
#else
		:: cnt == seen && W -> sleeping = 1
		:: else
#endif
		fi
	}
	!sleeping;
	goto again;
#endif
zero:	skip;
	/* phase 3: the extents change; phase 4: release */
	lop = 1;
	atomic { mapped = 0; assert(acct[0] + acct[1] + acct[2] + acct[3] == 0) }	/* the promise of WAIT */
	d_step { st = ORPHAN; last = (cnt == 0) }
	if
	:: last -> free_it()
	:: else
	fi;
	lop = 0;
	blocked = 0;
	entowner = 0;
	atomic { seen = 0; last = 0; done[me] = 1 }
	} unless { !alive[me] }
}

#define REAPABLE(d) (!alive[d] && !gone[d])

proctype reaper(byte me)	/* code: reap_slot, page_recount */
{
	byte d, k, sum;
	bit last, w, wseen;
end:	do
	:: atomic {
		if
		:: REAPABLE(0) -> d = 0
		:: REAPABLE(1) -> d = 1
		:: REAPABLE(2) -> d = 2
		:: REAPABLE(3) -> d = 3
		fi;
		done[me] = 0 }
		/* an entry it had locked, a truncate it had begun */
		if
		:: entowner == d + 1 ->
			if
			:: lop && !mapped ->
				d_step {
					if
					:: st == INFILE -> st = ORPHAN
					:: else
					fi;
					last = (st == ORPHAN && cnt == 0) }
				if
				:: last -> free_it()
				:: else
				fi
			:: else
			fi;
			lop = 0; blocked = 0; entowner = 0
		:: else
		fi;
		/* its holds */
		do
		:: acct[d] > 0 -> intent[me] = 1; acct[d]--; wseen = W; dec(); intent[me] = 0
		:: else -> break
		od;
		/* in flight: recount (the bracket itself is checked in core) */
		if
		:: intent[d] ->
			atomic {
				(!(intent[0] && alive[0]) && !(intent[1] && alive[1]) && !(intent[RD] && alive[RD]) && !(intent[WT] && alive[WT]));
				sum = 0; k = 0;
				do
				:: k < NS -> sum = sum + acct[k]; k++
				:: else -> break
				od;
				assert(cnt >= sum);
				cnt = sum; w = (W && cnt == 0);
				if
				:: w -> W = 0
				:: else
				fi;
				last = (cnt == 0 && st == ORPHAN)
			}
			if
			:: last -> free_it()
			:: else
			fi;
#ifndef M_REAP_NO_WAKE
			wake();		/* always: the dead may have cleared W and not woken */
#else
			if
			:: w -> wake()
			:: else
			fi;
#endif
			intent[d] = 0
		:: else
		fi;
		atomic { gone[d] = 1; d = 0; k = 0; sum = 0; last = 0; w = 0; wseen = 0; done[me] = 1 }
	od
}

proctype killer()
{
end:	do
	:: atomic { kills > 0 ->
		if
		:: alive[0] -> alive[0] = 0
		:: alive[1] -> alive[1] = 0
		:: alive[2] -> alive[2] = 0
		:: alive[3] -> alive[3] = 0
		fi;
		kills-- }
	od
}

#define QUIET(k) ((alive[k] && done[k]) || gone[k])
bit finished;
proctype fin()
{
	atomic {
		(QUIET(0) && QUIET(1) && QUIET(2) && QUIET(3) && done[RP]);
		assert(cnt == acct[0] + acct[1] + acct[2] + acct[3]);
		assert((st == FREE && !mapped) || (st == INFILE && mapped && !blocked));
		kills = 0;
		finished = 1
	}
}

init
{
	byte k;
	atomic {
		k = 0;
		do
		:: k < NS -> alive[k] = 1; k++
		:: else -> break
		od;
		k = 0;
		do
		:: k < NH -> acct[k] = 1; cnt++; k++
		:: else -> break
		od;
		done[RP] = 1;
		run holder(0); run holder(1); run reader(RD); run waiter(WT); run reaper(RP); run killer(); run fin()
	}
}
#ifdef LTL_END
/* under weak fairness the waiter always ends, and so does everybody */
ltl ends { <> finished }
#endif

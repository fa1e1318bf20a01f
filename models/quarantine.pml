/*
 * quarantine: the kernel may go on writing to memory that a dead process held. One page of
 * file A, held by user 0 who may be killed with its I/O under way; user 1 gets and puts; a layout
 * process truncates A; then file B takes the page as soon as it is free and truncates
 * itself again. Two reapers, the second cannot be killed. Two discarders, the second cannot be
 * killed.
 *
 * Ghosts: phys is which physical page is behind the pfn (a punch gives it a new one), the dead
 * process's I/O goes to the physical page it began with.
 */
#ifndef KILLS
#define KILLS 2
#endif
#define FREE 0
#define INFILE 1
#define ORPHAN 2
#define QUARANTINE 3
/* slots */
#define U0 0
#define U1 1
#define R0 2
#define R1 3
#define D0 4
#define D1 5
#define NS 6

byte st = INFILE, cnt = 1;
bit Q;
bit infree, inquar;		/* free index, quarantine list */
byte file;			/* 0: A, 1: B, 2: none */
byte phys, iophys;
bit io;				/* I/O of the dead is still under way, to iophys */
byte phase;			/* ghost: what the layout process has done */
bit acct[2];
bit intent[NS], alive[NS] = 1, done[NS], gone[NS], claimed[NS];
byte dlock;			/* discard lock, robust: slot + 1 */
byte kills = KILLS;

#define DEAD(k) (!alive[k])
#define SUM (acct[0] + acct[1])

/* under the allocator lock; its repair is the subject of core, parts and index */
inline push()			/* code: page_finish */
{
	d_step {
		if
		:: st == ORPHAN && cnt == 0 ->
			assert(SUM == 0 && !infree && !inquar);
			if
#ifndef M_PUSH_IGNORES
			:: Q -> st = QUARANTINE; inquar = 1
			:: !Q -> st = FREE; infree = 1
#else
			:: 1 -> st = FREE; infree = 1; Q = 0
#endif
			fi
		:: else
		fi
	}
}

inline down(mark)		/* code: page_down */
{
	d_step {
		assert(cnt > 0); cnt--; assert(cnt >= SUM);
		Q = Q | (mark);
#ifdef M_IDLE_CLEARS		/* mutation: an idle member page needs no mark */
		if
		:: cnt == 0 && st == INFILE -> Q = 0
		:: else
		fi;
#endif
		last = (cnt == 0 && st == ORPHAN)
	}
	if
	:: last -> push()
	:: else
	fi
}

inline release()		/* code: page_release */
{
	d_step {
		st = ORPHAN;
#ifdef M_RELEASE_CLEARS
		Q = 0;
#endif
		last = (cnt == 0)
	}
	if
	:: last -> push()
	:: else
	fi
}

proctype user0()		/* code: dax_drop. Has a hold, its I/O runs until it gives it back */
{
	bit last;
	{
	if
	:: intent[U0] = 1; acct[0] = 0; down(0); intent[U0] = 0
	:: skip
	fi;
	done[U0] = 1
	} unless { !alive[U0] }
}

proctype user1()		/* code: dax_hold, dax_drop */
{
	bit last;
	if
	:: atomic { file == 0 && st == INFILE -> cnt++; intent[U1] = 1 }
		acct[1] = 1; intent[U1] = 0;
		intent[U1] = 1; acct[1] = 0; down(0); intent[U1] = 0
	:: skip
	fi;
	done[U1] = 1
}

proctype layout()
{
	bit last;
	file = 2;
	release();
	phase = 1;
end:	atomic { infree ->		/* code: page_take, for file B */
		assert(st == FREE && cnt == 0 && !Q);
		assert(!(io && iophys == phys));	/* nothing of the dead reaches B */
		st = INFILE; file = 1; infree = 0; phase = 2 }
	/* and gives it back: nobody dead held it here */
	file = 2;
	release();
	atomic { assert(st == FREE); phase = 3 }
}

#define REAPABLE(d) (!alive[d] && !gone[d] && (claimed[d] == 0 || claimed[d] == 1 && DEAD(R0)))
proctype reaper(byte me)	/* code: reap_slot */
{
	byte d;
	bit last, was;
	{
end:	do
	:: atomic {
		if
		:: REAPABLE(U0) -> d = U0
		:: me == R1 && REAPABLE(R0) -> d = R0
		fi;
		claimed[d] = 1 + (me == R1); done[me] = 0 }
		if
		:: d == U0 && acct[0] ->	/* its put, in the reaper's section */
			intent[me] = 1;
			acct[0] = 0;
#ifdef M_REAP_FORGETS
			down(0);
#else
			down(1);		/* Q in the same CAS */
#endif
			intent[me] = 0
		:: else
		fi;
		if
		:: intent[d] ->			/* code: page_recount; its bracket is core's subject */
			atomic { !intent[U1] && !(intent[U0] && alive[U0]) ->
				assert(cnt >= SUM);
#ifndef M_RECOUNT_FORGETS
				Q = Q | (cnt > SUM);
#endif
				cnt = SUM; last = (cnt == 0 && st == ORPHAN) }
			if
			:: last -> push()
			:: else
			fi;
			intent[d] = 0
		:: else
		fi;
		atomic { gone[d] = 1; d = 0; last = 0; done[me] = 1 }
	od
	} unless { !alive[me] }
}

inline punch()			/* code: dev_discard */
{
	atomic { assert(st == QUARANTINE); phys++ }
}
inline discarded()		/* code: alloc_discard, under the allocator lock */
{
	d_step {
		if
		:: st == QUARANTINE ->
			assert(inquar && !infree);
			st = FREE; Q = 0; inquar = 0; infree = 1
		:: else
		fi
	}
}

proctype discarder(byte me)	/* code: page_discard */
{
	{
#ifdef M_NO_DISCARD_LOCK
end:	do
	:: atomic { st == QUARANTINE -> done[me] = 0 }
		punch();
#else
end:	do
	:: atomic { st == QUARANTINE && (dlock == 0 || DEAD(dlock - 1)) -> done[me] = 0 }
		atomic { (dlock == 0 || DEAD(dlock - 1)) -> dlock = me + 1 }
#ifdef M_LOOK_BEFORE_LOCK
		punch();
		discarded();
#else
		if
		:: st == QUARANTINE ->
#ifdef M_FREE_FIRST
			discarded();
			phys++
#else
			punch();
			discarded()
#endif
		:: else
		fi;
#endif
		dlock = 0;
#endif
#ifdef M_NO_DISCARD_LOCK
		discarded();
#endif
		done[me] = 1
	od
	} unless { !alive[me] }
}

proctype killer()
{
end:	do
	:: atomic { kills > 0 && !done[U0] && alive[U0] -> alive[U0] = 0; kills--;
		if
		:: acct[0] -> io = 1; iophys = phys
		:: else
		fi }
	:: atomic { kills > 0 && alive[R0] -> alive[R0] = 0; kills-- }
	:: atomic { kills > 0 && alive[D0] -> alive[D0] = 0; kills-- }
	od
}

#define QUIET(k) ((alive[k] && done[k]) || gone[k])
proctype fin()
{
	/* user 0 keeps its hold when it is alive; otherwise B had the page and gave it back */
	atomic {
		(QUIET(U0) && done[U1] && QUIET(R0) && done[R1] && (DEAD(D0) || done[D0]) && done[D1] && (phase == 3 || phase == 1 && acct[0] && alive[U0]));
		assert(cnt == SUM);
		assert(phase == 3 && st == FREE && infree && !inquar || phase == 1 && st == ORPHAN);
		kills = 0
	}
}

init
{
	atomic {
		acct[0] = 1;
		done[R0] = 1; done[R1] = 1; done[D0] = 1; done[D1] = 1;
		run user0(); run user1(); run layout(); run reaper(R0); run reaper(R1);
		run discarder(D0); run discarder(D1); run killer(); run fin()
	}
}

/*
 * stopped: a recounter may be stopped between any two instructions for any time. Who waits
 * for its flag takes the flag away, other recounters repair the same folio meanwhile, and
 * then the stopped one goes on as if nothing had happened.
 *
 * Rows 0 and 1 died inside a section on the one folio, left one count too many each. Rows
 * 2.. are users that get and put; KILLS of them may die. Then two recounters, which are
 * stopped (not killed: that is core's subject) by not being scheduled. A layout process changes the state of the folio at any time.
 *
 * Two guards, each enough for what is modelled, and both built:
 *   announced	the recounter's own row says what it recounts: others step back from it
 *   version	R in the word, + 1 by each recount's CAS: a late CAS fails. It has few bits:
 *		-DM_NO_ANNOUNCE -DRMOD=2 shows what happens when it comes round
 */
#ifndef NU
#define NU 1		/* living users */
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef UROUNDS
#define UROUNDS 2
#endif
#ifndef RMOD
#define RMOD 16
#endif
#ifndef ND
#define ND 2		/* rows that are dead at the start */
#endif
#ifndef LEAKS
#define LEAKS 2	/* counts too many that the dead rows left */
#endif
#ifndef STEALS
#define STEALS 2	/* how often the flag is taken from a living owner */
#endif
#define NW (ND + NU)	/* rows that get and put, the dead ones first */
#define NS (NW + 2)	/* and the two recounters */

byte cnt, R;
bit st;				/* the state, as far as it matters: one bit that changes once */
byte acct[NW];
bit intent[NS], alive[NS], done[NS], gone[NW], claimed[NW];
byte flag;			/* 0, or whose it is */
byte kills = KILLS, steals = STEALS;

#if ND + NU == 3
#define SUM (acct[0] + acct[1] + acct[2])
#else
#define SUM (acct[0] + acct[1] + acct[2] + acct[3])
#endif
#define INV assert(cnt >= SUM)

inline rt_enter()		/* code: rt_enter */
{
	do
	::	intent[me] = 1;
		seen = flag;
		if
		:: seen == 0 -> break
		:: else -> intent[me] = 0
		fi;
		if
		:: flag == 0
		:: atomic { steals > 0 && flag != 0 -> steals-- };	/* same value for 10 ms */
			atomic {
				if
				:: flag == seen -> flag = 0
				:: else
				fi
			}
		fi
	od
}

proctype user(byte me)
{
	byte seen, n;
	{
	do
	:: n < UROUNDS ->
		n++;
		rt_enter();
		cnt++;				/* code: dax_hold */
		d_step { acct[me]++; INV }
		intent[me] = 0;			/* code: rt_leave */
		if
		:: skip				/* keeps it */
		:: rt_enter();
		   acct[me]--;			/* code: dax_drop */
		   d_step { assert(cnt > 0); cnt--; INV }
		   intent[me] = 0
		fi
	:: n == UROUNDS -> break
	od;
	atomic { n = 0; seen = 0; done[me] = 1 }
	} unless { !alive[me] }
}

proctype layout()
{
	st = 1				/* code: page_release */
}

/*
 * The flag's value {slot, epoch, sequence} differs each time the flag is taken. Here a recounter
 * compares it with its latest own value only, so one value for each recounter is enough; the
 * mutation gives two threads of one slot the same.
 */
#ifdef M_NO_SEQUENCE
#define FLAGVALUE 1
#else
#define FLAGVALUE (me + 1)
#endif

proctype recounter(byte me)	/* code: page_recount */
{
	byte d, k, sum, own, wc, wr, c1;
	bit ws, ok, again;
end:	do
	:: atomic {
		if
		:: !alive[0] && !gone[0] && !claimed[0] -> d = 0
		:: !alive[1] && !gone[1] && !claimed[1] -> d = 1
		:: !alive[2] && !gone[2] && !claimed[2] -> d = 2
#if NW > 3
		:: !alive[3] && !gone[3] && !claimed[3] -> d = 3
#endif
		fi;
		claimed[d] = 1; done[me] = 0 }
		if
		:: !intent[d] -> goto cleared
		:: else
		fi;
		/* code: page_recount */
		atomic { flag == 0 -> own = FLAGVALUE; flag = own }
#ifndef M_NO_ANNOUNCE
		intent[me] = 1;
#endif
		/* nobody who lives may be inside: else come back later */
		k = 0;
		do
		:: k < NS && k != me && alive[k] && intent[k] -> break
		:: k < NS && !(k != me && alive[k] && intent[k]) -> k++
		:: k == NS -> break
		od;
		if
		:: k < NS -> goto release
		:: else -> k = 0
		fi;
		again = 0;
#ifndef M_LOAD_LATE
reload:		atomic { wc = cnt; wr = R; ws = st }
#endif
		if
		:: again	/* the sum still holds if the flag is still ours */
		:: else ->
			sum = 0;
			do
			:: k < NW -> sum = sum + acct[k]; k++
			:: k == NW -> break
			od;
			k = 0
		fi;
#ifndef M_NO_FLAG_CHECK
		if
		:: flag == own
		:: else -> goto release
		fi;
#endif
#ifdef M_LOAD_LATE		/* mutation: the word is loaded after the flag was looked at */
reload:		atomic { wc = cnt; wr = R; ws = st }
#endif
		atomic {
#ifdef M_NO_R
			ok = (cnt == wc && st == ws);
#else
			ok = (cnt == wc && R == wr && st == ws);
#endif
			if
			:: ok ->
#ifndef M_NO_R
				R = (R + 1) % RMOD;
#endif
#ifdef M_DIFF
				if
				:: again -> cnt = cnt - (c1 - sum)
				:: else -> cnt = sum
				fi;
#else
				cnt = sum;
#endif
				INV
			:: else
			fi
		}
		if
		:: ok
#ifdef M_GIVEN_UP_DONE	/* mutation: R has moved, so somebody else did it */
		:: !ok && R != wr
#endif
		:: else ->
#ifdef M_DIFF			/* mutation: a failed CAS is done again with the difference */
			if
			:: !again -> c1 = wc
			:: else
			fi;
#endif
			again = 1; goto reload
		fi;
		intent[d] = 0;
cleared:	gone[d] = 1;
release:
#ifndef M_NO_ANNOUNCE
		intent[me] = 0;
#endif
		atomic {
			if
			:: own != 0 && flag == own -> flag = 0
			:: else
			fi
		}
		atomic { claimed[d] = 0; d = 0; k = 0; sum = 0; own = 0; wc = 0; wr = 0; ws = 0; c1 = 0; ok = 0; again = 0; done[me] = 1 }
	od
}

proctype killer()
{
end:	do
	:: atomic { kills > 0 && !done[ND] -> alive[ND] = 0; kills-- }
	od
}

#define QUIET(k) ((alive[k] && done[k]) || gone[k])
proctype fin()
{
	atomic {
		(QUIET(0) && QUIET(1) && QUIET(2) && QUIET(NW - 1) && done[NW] && done[NW + 1]);
		assert(cnt == SUM);
		assert(flag == 0);
		kills = 0
	}
}

init
{
	byte k;
	atomic {
		cnt = LEAKS;
		do
		:: k < ND -> intent[k] = 1; k++
		:: k >= ND && k < NS -> alive[k] = 1; k++
		:: k == NS -> break
		od;
		done[NW] = 1; done[NW + 1] = 1;
		run user(ND);
#if NU > 1
		run user(ND + 1);
#endif
		run layout();
		run recounter(NW); run recounter(NW + 1);
		run killer(); run fin()
	}
}

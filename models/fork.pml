/*
 * fork: the parent takes the child's holds into a new slot before it forks. The child's
 * liveness is a lock on an open file description that the parent makes before fork and
 * both have after it. Fork may fail, either may be killed at any step; a reaper.
 */
#ifndef KILLS
#define KILLS 2
#endif
byte cnt = 1;			/* one folio, in a file: the parent's hold */
byte acct[2];			/* parent, child */
bit intentP, intentR;
bit palive = 1, calive, cborn;
bit cfdP, cfdC, pfdC;		/* who has the child's description; the child's copy of the parent's */
bit slotC;			/* 0 free, 1 taken */
bit goneP, goneC = 1;
bit pdone, cdone, ruse;
byte kills = KILLS;
bit chost;			/* the child's host mapping reaches the page */

#define SUM (acct[0] + acct[1])
#ifdef M_OWN_LOCK		/* mutation: the child locks its own description once it runs */
#define CSLOTALIVE (cfdC)
#else
#define CSLOTALIVE (cfdP || cfdC)
#endif
#define PSLOTALIVE (palive || pfdC)

/* code: page_down */
inline drop() { assert(cnt > 0); cnt-- ; assert(cnt >= SUM) }

proctype child()
{
	{
#ifdef M_OWN_LOCK
	cfdC = 1;
#endif
	pfdC = 0;		/* close the parent's liveness description */
	/* runs: reaches the page through the inherited mapping */
	assert(acct[1] == 1 && cnt >= 1);
	if
	:: skip
	:: chost = 0; atomic { acct[1] = 0; cnt--; assert(cnt >= SUM) }
	fi;
	cdone = 1
	} unless { !calive }
}

proctype parent()
{
	{
#ifndef M_OWN_LOCK
	atomic { slotC = 1; goneC = 0; cfdP = 1 }
#else
	atomic { slotC = 1; goneC = 0 }
#endif
#ifdef M_FORK_FIRST
	goto dofork;
back:
#endif
	intentP = 1;
	cnt++;
	acct[1]++;
	intentP = 0;
#ifdef M_FORK_FIRST
	goto closing;
dofork:
#endif
	if
	:: atomic { skip -> cborn = 1; calive = 1; pfdC = 1; chost = 1;
#ifndef M_OWN_LOCK
		cfdC = 1;
#endif
		run child() }
	:: skip			/* fork failed */
	fi;
#ifdef M_FORK_FIRST
	goto back;
closing:
#endif
	cfdP = 0;		/* close our copy */
	pdone = 1
	} unless { !palive }
	/* death closes descriptors */
end:	atomic { !palive -> cfdP = 0 }
}

proctype reaper()		/* code: reap_slot */
{
end:	do
	:: atomic { slotC && !CSLOTALIVE && !goneC -> ruse = 1 }
		do
		:: acct[1] > 0 -> intentR = 1; acct[1]--; drop(); intentR = 0
		:: else -> break
		od;
		atomic { goneC = 1; slotC = 0; ruse = 0 }
	:: atomic { !PSLOTALIVE && !goneP -> ruse = 1 }
		do
		:: acct[0] > 0 -> intentR = 1; acct[0]--; drop(); intentR = 0
		:: else -> break
		od;
		if
		:: intentP -> atomic { assert(cnt >= SUM); cnt = SUM }; intentP = 0
		:: else
		fi;
		atomic { goneP = 1; ruse = 0 }
	od
}

proctype killer()
{
end:	do
	:: atomic { kills > 0 && palive -> palive = 0; kills-- }
	:: atomic { kills > 0 && calive -> calive = 0; cfdC = 0; pfdC = 0; chost = 0; kills-- }
	od
}

proctype watch()	/* P1: a living child that reaches the page has its hold accounted */
{
end:	atomic { calive && chost && !pfdC && acct[1] == 0 -> assert(0) }
}

proctype fin()
{
	atomic {
		((palive && pdone || goneP) && (calive && cdone || !slotC || goneC) && !ruse && !(cborn && !calive && slotC)
			&& !(slotC && !CSLOTALIVE) && !cfdP);
		assert(cnt == SUM);
		assert(!slotC || calive);
		kills = 0
	}
}

init { atomic { acct[0] = 1; run parent(); run reaper(); run killer(); run watch(); run fin() } }

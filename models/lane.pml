/*
 * lane: the journal lanes of dead rows. A transaction on an inode: borrow a lane, write it,
 * commit (one store, after the records), apply to the media, clear the lane, unlock the
 * inode. Slots 0 and 1 do one transaction each and may be killed, slot 2 does one and may not;
 * one reaper who may not, with -DNR=2 a second who may. The media are two words that must always be
 * written together. One inode, two lanes.
 */
#ifndef KILLS
#define KILLS 2
#endif
#define NS 5
#define NL 2
#ifndef NR
#define NR 1		/* reapers */
#endif
byte m[2];			/* the media: every transaction adds one to both */
byte committed;			/* ghost: the value of the last committed transaction */
byte ilock;			/* robust: slot + 1 */
byte lo[NL];			/* lane: owner, slot + 1 */
bit lc[NL];			/* committed, not yet applied */
byte lv[NL];			/* what is to be written */
bit alive[NS] = 1, done[NS];
byte kills = KILLS;

#define DEAD(k) (!alive[k])

inline replay(l)		/* code: journal.c replay */
{
	if
	:: lc[l] ->
		v = lv[l];
#ifdef M_CLEAR_FIRST
		lc[l] = 0;
#endif
		m[0] = v;
		m[1] = v;
#ifndef M_CLEAR_FIRST
		lc[l] = 0
#endif
	:: else
	fi;
	v = 0
}

/* Settles one lane of a dead row. A locker waits for a living replayer, a reaper leaves it to it. */
inline settle(l, waits)		/* code: journal_settle */
{
	do
	:: lo[l] == 0 -> break
	:: else ->
		o = lo[l];
		if
		:: o == 0 -> break
		:: o != 0 && DEAD(o - 1) ->
#ifdef M_NO_TAKEOVER		/* mutation: replays without making the lane its own */
			replay(l);
			lo[l] = 0;
			break
#else
			atomic {
				ok = (lo[l] == o);
				if
				:: ok -> lo[l] = me + 1
				:: else
				fi
			}
			if
			:: ok -> replay(l); lo[l] = 0; break
			:: else
			fi
#endif
		:: o != 0 && !DEAD(o - 1) && waits ->
#ifdef M_NO_WAIT
			break
#else
			/* it is a replayer: under our inode lock nobody else commits to this inode */
			if
			:: lc[l] -> (lo[l] != o || DEAD(o - 1))
			:: else -> break
			fi
#endif
		:: o != 0 && !DEAD(o - 1) && !waits -> break
		fi
	od;
	o = 0; ok = 0
}

inline lock_inode()		/* code: layout_lock */
{
	atomic { (ilock == 0 || DEAD(ilock - 1)) -> prev = ilock; ilock = me + 1 }
	if
	:: prev != 0 ->
		i = 0;
		do
#ifdef M_OWNER_ONLY		/* mutation: only what the last owner left */
		:: i < NL && lo[i] == prev -> settle(i, 1); i++
		:: i < NL && lo[i] != prev -> i++
#else
		:: i < NL -> settle(i, 1); i++
#endif
		:: i == NL -> break
		od;
		i = 0
	:: else
	fi;
	prev = 0
}

proctype locker(byte me)
{
	byte i, o, v, l, prev;
	bit ok;
	{
	lock_inode();
	assert(m[0] == m[1] && m[0] == committed);
	/* code: journal.c borrow */
	atomic {
		(lo[0] == 0 || lo[1] == 0);
		l = (lo[0] == 0 -> 0 : 1);
		lo[l] = me + 1
	}
	lv[l] = m[0] + 1;
	d_step { lc[l] = 1; committed = lv[l] }		/* code: journal_commit */
#ifdef M_UNLOCK_EARLY		/* mutation: the lock is given back before the lane is clear */
	ilock = 0;
#endif
	m[0] = lv[l];					/* code: journal.c apply */
	m[1] = lv[l];
	lc[l] = 0;
	lo[l] = 0;
#ifndef M_UNLOCK_EARLY
	assert(m[0] == committed && m[1] == committed);
	ilock = 0;
#endif
	atomic { l = 0; done[me] = 1 }
	} unless { !alive[me] }
}

#define LEFTOVER (lo[0] && DEAD(lo[0] - 1) || lo[1] && DEAD(lo[1] - 1))
proctype reaper(byte me)	/* code: pf_reap */
{
	byte i, o, v;
	bit ok;
	{
end:	do
	:: atomic { LEFTOVER -> done[me] = 0 }
		i = 0;
		do
		:: i < NL -> settle(i, 0); i++
		:: else -> break
		od;
		atomic { i = 0; done[me] = 1 }
	od
	} unless { !alive[me] }
}

proctype killer()
{
end:	do
	:: atomic { kills > 0 && alive[0] && !done[0] -> alive[0] = 0; kills-- }
	:: atomic { kills > 0 && alive[1] && !done[1] -> alive[1] = 0; kills-- }
#if NR > 1
	:: atomic { kills > 0 && alive[3] -> alive[3] = 0; kills-- }
#endif
	od
}

proctype fin()
{
	atomic {
		((done[0] || DEAD(0)) && (done[1] || DEAD(1)) && done[2] && (done[3] || DEAD(3)) && done[4] && !LEFTOVER);
		assert(m[0] == m[1] && m[0] == committed);
		kills = 0
	}
}

init
{
	atomic {
		done[3] = 1; done[4] = 1;
		run locker(0); run locker(1); run locker(2);
		
#if NR > 1
		run reaper(3);
#endif
		run reaper(4); run killer(); run fin()
	}
}

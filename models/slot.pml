/*
 * slot: two reapers find the same dead slot, one of them may be killed at any step, and
 * a new process attaches to the slot as soon as it is free. One folio, in a file.
 */
#define SFREE 0
#define SLIVE 1
#define SDEAD 2
byte sst = SLIVE, epoch;	/* the slot's word, changed by CAS as one */
bit old_alive = 0;		/* the process of epoch 0 is dead already */
byte cnt = 1, acct = 1;		/* its hold */
byte lk;			/* reap lock: reaper + 1 */
bit ralive[2] = 1;
bit ndone, attached;
byte kills = 1;
byte idle;

#define PROCALIVE(e) (e > 0)	/* the new process (epoch 1) lives on */

proctype reaper(byte me)	/* code: reap_slot */
{
	byte e;
	bit got;
	{
	do
	::	/* look: LIVE or DEAD, and which epoch */
		atomic { sst != SFREE -> e = epoch };
		/* probe the liveness lock of whoever has the slot now */
#ifdef M_NO_EPOCH
		if
		:: PROCALIVE(epoch) -> break
		:: else
		fi;
		/* LIVE -> DEAD */
		sst = SDEAD;
#else
		if
		:: PROCALIVE(epoch) -> break
		:: else
		fi;
		atomic {
			if
			:: sst != SFREE && epoch == e -> sst = SDEAD
			:: else -> goto over
			fi
		}
#endif
#ifndef M_NO_REAP_LOCK
		atomic { (lk == 0 || !ralive[lk - 1]) -> lk = me + 1 }
#ifndef M_NO_RECHECK
		if
		:: sst == SDEAD && epoch == e
		:: else -> lk = 0; break
		fi;
#endif
#endif
		do
		:: acct > 0 ->
			atomic { got = (acct > 0); acct = acct - got }
			if
			:: got -> assert(cnt > 0); cnt--
			:: else
			fi
		:: else -> break
		od;
#ifdef M_NO_REAP_LOCK
		sst = SFREE;
#else
		sst = SFREE;
		lk = 0;
#endif
		break
	od;
over:	skip
	} unless { !ralive[me] }
}

proctype newproc()		/* code: rt_attach */
{
	if
	:: atomic { sst == SFREE -> sst = SLIVE; epoch = 1; attached = 1 }
		cnt++;
		acct++;
		assert(cnt >= 1 && acct == 1 && sst == SLIVE);
		acct--; assert(cnt >= 1);
		cnt--
	fi;
	ndone = 1
}

proctype killer()
{
end:	do
	:: atomic { kills > 0 -> ralive[0] = 0; kills-- }
	od
}

init
{
	atomic { run reaper(0); run reaper(1); run newproc(); run killer() }
	/* one reaper alone may be killed between acct and cnt: that is core's subject, so cnt may stay high */
	ndone;
	assert(acct == 0 && sst == SLIVE)
}

/*
 * fence: the two places where a store must be seen before a later load (TSO: each
 * process has a one-entry store buffer that the memory drains at any time).
 * Default: the row's intent against the recounter's flag.
 * -DENTRY: the truncater's entry lock against a getter's count (WAIT and TRY).
 * -DWINDOW: a window's record and the count of windows against what a teller changed in the file.
 * -DGRACE: the locked range against the intent of a getter, where windows are not waited for.
 */
bit buf[3], mem[3];		/* 0: intent, entry lock, record; 1: flag, entry, locked range; 2: count of windows */
#ifndef WINDOW
byte cnt, acct;
#endif
#if defined(WINDOW) || defined(GRACE)
bit done[2];
#endif
#ifndef GRACE
bit fin[2];
#endif

#define STORE(x) buf[x] = 1
#define FENCE(x) (!buf[x])	/* waits until the buffer is empty */

active proctype memory()
{
end:	do
	:: atomic { buf[0] -> buf[0] = 0; mem[0] = 1 }
	:: atomic { buf[1] -> buf[1] = 0; mem[1] = 1 }
	:: atomic { buf[2] && !buf[0] -> buf[2] = 0; mem[2] = 1 }	/* in the order of the stores */
	od
}

#ifdef WINDOW
active proctype mapper()	/* code: count_up */
{
	STORE(0);			/* the record */
	STORE(2);			/* the count: its store may be seen late, too, on other machines than x86 */
#ifndef M_NO_FENCE_MAP
	FENCE(0) && FENCE(2);
#endif
	fin[0] = mem[1];		/* sees what has changed */
	done[0] = 1
}
active proctype teller()	/* code: mm_tell */
{
	STORE(1);			/* the entry */
#ifndef M_NO_FENCE_TELL
	FENCE(1);
#endif
	fin[1] = mem[2];
	if
	:: fin[1] -> fin[1] = mem[0]	/* sees the record */
	:: else
	fi;
	done[1] = 1
}
init { (done[0] && done[1]); assert(fin[0] || fin[1]) }
#elif defined(GRACE)
active proctype getter()	/* code: try_hold */
{
	STORE(0);			/* rt_enter() */
#ifndef M_NO_FENCE_ROW
	FENCE(0);
#endif
	if
	:: mem[1]			/* locked: not validated */
	:: else -> acct = 1		/* stays */
	fi;
	atomic { FENCE(0); mem[0] = 0 }
	done[0] = 1
}
active proctype breaker()	/* code: inner_break */
{
	STORE(1);
#ifndef M_NO_FENCE_RANGE
	FENCE(1);
#endif
	!mem[0];			/* the row is not inside */
	cnt = acct;			/* the scan */
	done[1] = 1
}
init { (done[0] && done[1]); assert(cnt == acct) }
#elif !defined(ENTRY)
active proctype row()		/* code: rt_enter. A get: one leaked count was there before */
{
	STORE(0);
#ifndef M_NO_FENCE_ROW
	FENCE(0);
#endif
	if
	:: mem[1] -> goto out	/* flag seen: steps back */
	:: else
	fi;
	atomic { FENCE(0); cnt++ }	/* a locked instruction drains the buffer */
	acct++;
	assert(cnt >= acct);
out:	atomic { FENCE(0); mem[0] = 0 }	/* leave, or step back */
	fin[0] = 1
}
active proctype recounter()	/* code: page_recount */
{
	byte sum;
	STORE(1);
#ifndef M_NO_FENCE_RECOUNT
	FENCE(1);
#endif
	!mem[0];			/* no live row inside */
	sum = acct;
	atomic { FENCE(1); cnt = sum; assert(cnt >= acct) }
	fin[1] = 1
}
init { cnt = 1; (fin[0] && fin[1]); assert(cnt >= acct) }
#else
active proctype getter()	/* code: dax_hold */
{
	cnt++;				/* locked: nothing of ours is in a buffer */
	if
	:: mem[0] -> cnt--		/* entry locked: not validated */
	:: else -> acct++; acct--; cnt--	/* held, put */
	fi;
	fin[0] = 1
}
active proctype truncater()	/* code: inner_break */
{
	STORE(0);			/* lock the entry */
#ifdef M_PLAIN_LOAD
	cnt == 0;
#else
	atomic { FENCE(0); cnt == 0 }	/* a CAS that changes nothing drains the buffer */
#endif
	assert(acct == 0);		/* WAIT promised: no hold, now and later */
	FENCE(0);
	assert(acct == 0);
	fin[1] = 1
}
#endif

/*
 * window: process V shows folio 0 of file 0 in a window: the host's mapping, the leaf of its page
 * table, and the record, which is the accounting, and goes last.
 * V's own thread pins by address and unmaps; V's service thread answers a zap; a
 * truncater gives the page to file 1, where process X maps it. V may be killed: both its
 * threads stop at once. One reaper.
 */
#ifndef KILLS
#define KILLS 1
#endif
#define FREE 0
#define INFILE 1
#define ORPHAN 2
#define V 0	/* slot of V: rows 0 (owner thread) and 1 (service thread) */
#define X 1	/* slot of X: row 2 */
#define R 2	/* the reaper: row 3 */

byte st = INFILE, cnt = 1, gen, owner = 0;
bit recV = 1, leafV = 1, hostV = 1, pinV;
byte genV;			/* ghost: generation V mapped */
byte pinown;			/* ghost: file of the page when V's pin was taken */
bit acctX;
byte fileof = 0;		/* which file contains the page; 2: none */
bit mail;
bit aliveV = 1, gone;
bit intent[4];
byte kills = KILLS;
bit done[4];
byte mutex;			/* V's space lock: row + 1, for M_ variants */

#define SUM (recV + pinV + acctX)

inline push()			/* code: page_finish */
{
	d_step {
		if
		:: st == ORPHAN && cnt == 0 ->
			assert(SUM == 0);
			assert(!aliveV || !hostV);	/* nobody alive still reaches the page */
			st = FREE
		:: else
		fi
	}
}
inline dec()			/* code: page_down */
{
	d_step { assert(cnt > 0); cnt--; assert(cnt >= SUM); last = (cnt == 0 && st == ORPHAN) }
	if
	:: last -> push()
	:: else
	fi
}

/* Access goes first, then the leaf, then the accounting: who gets it counts down. */
inline unmap(l)			/* code: dax_drop */
{
#ifdef M_PLAIN_TAKE		/* mutation: look, then clear */
	if
	:: recV ->
		hostV = 0; leafV = 0; intent[l] = 1; recV = 0; dec(); intent[l] = 0
	:: else
	fi
#elif defined(M_HOST_LAST)	/* mutation: the host mapping goes after the count */
	intent[l] = 1;
	atomic { got = recV; recV = 0 }
	if
	:: got -> dec(); intent[l] = 0; hostV = 0; leafV = 0
	:: else -> intent[l] = 0
	fi
#else
	if
	:: recV ->
		hostV = 0;		/* host mmap over the range: outside the section */
#ifndef M_LEAF_LAST
		leafV = 0;
#endif
		intent[l] = 1;
		atomic { got = recV; recV = 0 }	/* exchange */
		if
		:: got -> dec()
		:: else
		fi;
#ifdef M_LEAF_LAST		/* mutation: the leaf goes after the count */
		leafV = 0;
#endif
		intent[l] = 0
	:: else
	fi
#endif
}

proctype vowner()
{
	bit last, got, ok;
	{
	/* a pin by address */
	if
	:: !leafV -> goto unm
	:: else
	fi;
	intent[0] = 1;
	atomic {
		if
		:: cnt > 0 -> cnt++; ok = 1
		:: else -> ok = 0
		fi
	}
	if
	:: ok ->
#ifndef M_NO_LEAF_RECHECK
		if
		:: leafV -> skip
		:: else -> dec(); intent[0] = 0; goto unm
		fi;
#endif
		d_step { pinV = 1; assert(cnt >= SUM) }
		intent[0] = 0;
		assert(gen == genV && st != FREE);	/* the page V mapped, and not another file's */
		if
		:: goto unm
		:: skip
		fi;
		assert(gen == genV && st != FREE);
		intent[0] = 1; pinV = 0; dec(); intent[0] = 0
	:: else -> intent[0] = 0
	fi;
unm:	if
	:: unmap(0)
	:: skip
	fi;
	done[0] = 1
	} unless { !aliveV }
}

proctype vservice()
{
	bit last, got;
	{
	do
	:: mail -> unmap(1); mail = 0; break
	:: done[0] && done[2] && !mail -> break
	od;
	done[1] = 1
	} unless { !aliveV }
}

/* truncates file 0, posts the zap, gives the page to file 1 once it is free, maps it for X */
proctype trunc()
{
	bit last;
	fileof = 2;
	d_step { st = ORPHAN; last = (cnt == 0) }
	if
	:: last -> push()
	:: else
	fi;
	mail = 1;
	if
	:: atomic { st == FREE -> assert(cnt == 0 && SUM == 0); st = INFILE; gen++; owner = 1; fileof = 1 }
		/* X: get from file 1 and map */
		atomic { st == INFILE -> cnt++; intent[2] = 1 }
		d_step { acctX = 1; assert(cnt >= SUM) }
		intent[2] = 0
	:: skip		/* does not wait for it */
	fi;
	done[2] = 1
}

proctype reaper()		/* code: reap_slot */
{
	bit last, got;
	byte d;
	bit w;
end:	atomic { !aliveV && !gone -> done[3] = 0 }
	/* V is dead: its host mappings are gone with it */
	hostV = 0;
	if
	:: recV -> intent[3] = 1; atomic { got = recV; recV = 0 } if :: got -> dec() :: else fi; intent[3] = 0
	:: else
	fi;
	if
	:: pinV -> intent[3] = 1; pinV = 0; dec(); intent[3] = 0
	:: else
	fi;
	if
	:: intent[0] || intent[1] ->
		atomic { !intent[2] -> assert(cnt >= SUM); cnt = SUM; last = (cnt == 0 && st == ORPHAN) }
		if
		:: last -> push()
		:: else
		fi;
		intent[0] = 0; intent[1] = 0
	:: else
	fi;
	mail = 0;
	atomic { gone = 1; done[3] = 1 }
}

proctype killer()
{
end:	do
	:: atomic { kills > 0 && aliveV -> aliveV = 0; kills-- }
	od
}

proctype fin()
{
	atomic {
		((aliveV && done[0] && done[1] || gone) && done[2] && done[3]);
		assert(cnt == SUM);
		assert(fileof != 2 && st == INFILE || fileof == 2 && st == ORPHAN && cnt > 0 || fileof == 2 && st == FREE);
		kills = 0
	}
}

init { atomic { done[3] = 1; run vowner(); run vservice(); run trunc(); run reaper(); run killer(); run fin() } }

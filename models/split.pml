/*
 * split: process V divides a hold of four pages, two folios of two, at page 1, 2 or 3; another of its
 * threads may give the hold back meanwhile. Process X gets and puts the second folio. Both
 * folios leave their file at some time. V may be killed at every step; the reaper not.
 */
#ifndef KILLS
#define KILLS 1
#endif
#define FREE 0
#define INFILE 1
#define ORPHAN 2
/* rows; 0 and 1 are V's */
#define X 2
#define R 3

byte st[2] = INFILE, cnt[2] = 1;
byte whole = 4;			/* the hold: pages [0, whole); 0: given back */
byte rest;			/* what is divided from it: pages [rest, 4); 0: none */
bit acctX;			/* X's hold of folio 1 */
bit intent[4], done[4];
bit alive = 1, gone;
byte kills = KILLS;

#define SUM(f) ((whole > 2 * (f)) + (rest && rest < 2 * (f) + 2) + (acctX && (f) == 1))
#define RIGHT(f) assert(cnt[f] >= SUM(f))

inline push(f)			/* code: page_finish */
{
	d_step {
		if
		:: st[f] == ORPHAN && cnt[f] == 0 -> assert(SUM(f) == 0); st[f] = FREE
		:: else
		fi
	}
}
inline down(f)			/* code: page_down */
{
	d_step { assert(cnt[f] > 0); cnt[f]--; RIGHT(f); last = (cnt[f] == 0 && st[f] == ORPHAN) }
	if
	:: last -> push(f)
	:: else
	fi
}
inline down_from(p, end)	/* code: page_down_range */
{
	if
	:: p < 2 && end > 0 && p < end -> down(0)
	:: else
	fi;
	if
	:: p < 4 && end > 2 -> down(1)
	:: else
	fi
}
inline drop(l, hold, p, end)	/* code: dax_drop */
{
	intent[l] = 1;
	atomic { got = hold; hold = 0 }
	if
	:: got -> down_from(p, end)
	:: else
	fi;
	intent[l] = 0;
	got = 0
}
inline count_rest()		/* code: count_held */
{
#ifdef M_BOUNDARY_ONLY		/* mutation: once more only the folio on both sides of the cut */
	if
	:: cut == 1 -> cnt[0]++
	:: cut == 3 -> cnt[1]++
	:: else
	fi
#else
	if
	:: cut < 2 -> cnt[0]++
	:: else
	fi;
	cnt[1]++
#endif
}

proctype divider()		/* code: dax_split */
{
	byte cut, got;
	bit last, ok;
	{
	if
	:: cut = 1
	:: cut = 2
	:: cut = 3
	fi;
	if
	:: whole == 0 -> goto out
	:: else
	fi;
#ifndef M_NO_INTENT		/* mutation */
	intent[0] = 1;
#endif
#ifdef M_ACCT_FIRST		/* mutation */
	d_step { rest = cut; RIGHT(0); RIGHT(1) }
	count_rest();
#else
	atomic {			/* code: page_up_held: not what nobody holds any more */
		if
		:: cnt[1] && (cut >= 2 || cnt[0]) -> count_rest(); ok = 1
		:: else -> ok = 0
		fi
	}
	if
	:: !ok -> intent[0] = 0; goto out
	:: else
	fi;
	ok = 0;
#ifndef M_SHORTEN_FIRST
	d_step { rest = cut; RIGHT(0); RIGHT(1) }
#endif
#endif
#ifdef M_DOWN_FIRST		/* mutation: counts down what is still accounted for twice */
	down_from((cut + 1) / 2 * 2, 4);
#endif
#ifdef M_PLAIN_SHORTEN		/* mutation: a store */
	d_step { whole = cut; ok = 1; RIGHT(0); RIGHT(1) }
#else
	atomic {
		if
		:: whole == 4 -> whole = cut; ok = 1
		:: else -> ok = 0
		fi
	}
#endif
	if
	:: ok ->
#ifdef M_SHORTEN_FIRST		/* without harm: in between less is accounted for than counted */
		d_step { rest = cut; RIGHT(0); RIGHT(1) }
#endif
#ifdef M_BOUNDARY_DOWN		/* mutation: counts down the folio on both sides, too */
		down_from(cut, 4);
#elif !defined(M_DOWN_FIRST) && !defined(M_BOUNDARY_ONLY)
		down_from((cut + 1) / 2 * 2, 4);
#endif
		intent[0] = 0;
		assert(st[1] != FREE);
		drop(0, rest, cut, 4)
	:: else ->			/* it was given back meanwhile */
#ifdef M_SHORTEN_FIRST
		down_from(cut, 4);
#else
		atomic { got = rest; rest = 0 }
		down_from(cut, 4);
#endif
		intent[0] = 0
	fi;
out:	atomic { ok = 0; got = 0; cut = 0; done[0] = 1 }
	} unless { !alive }
}

proctype dropper()		/* code: dax_drop */
{
	byte got, n;
	bit last;
	{
	if
	:: intent[1] = 1;
		atomic { got = whole; whole = 0 }
		down_from(0, got);
		intent[1] = 0
	:: skip
	fi;
	done[1] = 1
	} unless { !alive }
}

proctype other()
{
	bit last, ok;
	byte got;
	intent[X] = 1;
	atomic {
		if
		:: st[1] == INFILE -> cnt[1]++; ok = 1
		:: else
		fi
	}
	if
	:: ok && st[1] == INFILE ->
		acctX = 1; intent[X] = 0;
		assert(st[1] != FREE);
		intent[X] = 1; acctX = 0; down(1)
	:: ok && st[1] != INFILE -> down(1)
	:: else
	fi;
	intent[X] = 0;
	done[X] = 1
}

proctype layout()		/* code: page_release */
{
	st[0] = ORPHAN;
	push(0);
	st[1] = ORPHAN;
	push(1)
}

proctype reaper()		/* code: reap_slot */
{
	bit last;
	byte got, f;
end:	atomic { !alive && !gone -> done[R] = 0 }
	intent[R] = 1;
	atomic { got = whole; whole = 0 }
	down_from(0, got);
	intent[R] = 0;
	intent[R] = 1;
	atomic { got = rest; rest = 0 }
	if
	:: got -> down_from(got, 4)
	:: else
	fi;
	intent[R] = 0;
	if
	:: intent[0] || intent[1] ->	/* code: page_recount */
		f = 0;
		do
		:: f < 2 ->
			atomic { !intent[X] -> RIGHT(f); cnt[f] = SUM(f) }
			push(f);
			f++
		:: else -> break
		od;
		intent[0] = 0; intent[1] = 0
	:: else
	fi;
	atomic { gone = 1; got = 0; f = 0; last = 0; done[R] = 1 }
}

proctype killer()
{
end:	do
	:: atomic { kills > 0 && alive -> alive = 0; kills-- }
	od
}

proctype fin()
{
	atomic {
		((alive && done[0] && done[1] || gone) && done[X] && done[R] &&
		 st[0] != INFILE && st[1] != INFILE && (st[0] == FREE || cnt[0]) && (st[1] == FREE || cnt[1]));
		assert(cnt[0] == SUM(0) && cnt[1] == SUM(1));
		kills = 0
	}
}

init
{
	atomic {
		done[R] = 1;
		run divider(); run dropper(); run other(); run layout(); run reaper(); run killer(); run fin()
	}
}

/*
 * busy: WAIT empties a range of a file of one page, which a window of process V shows. Windows are
 * not what it waits for. Meanwhile a pin of that page is given back, others are made, by file
 * and by address, and another page of the same folio, out of the range, gets a window and loses it.
 * Nobody is killed (see wait); sleeps have no time limit here, so a lost wakeup shows as
 * an invalid end state. -DTRY: answers busy instead of sleeping.
 */
#ifndef NE
#define NE 2		/* how often the other page gets a window */
#endif
#define INFILE 1
#define ORPHAN 2
/* rows */
#define P 0	/* has a pin at the start */
#define F 1	/* pins by file */
#define A 2	/* pins by address, in the process of the window */
#define E 3	/* maps and unmaps elsewhere in the folio */
#define B 4	/* breaks */
#define NR 4

byte st = INFILE, cnt = 2;
bit W;				/* in the word */
bit locked;			/* the range */
bit mapped = 1;			/* the page's entry */
bit leaf = 1;			/* of V's window, on the page; it holds one count */
bit window = 1;			/* V's window is accounted for */
bit elsewhere;			/* E's window, too */
bit pin[3];			/* accounted for: by P, F, A */
bit intent[NR];
bit sleeping, broken;
bit done[5];

#define PINS (pin[0] + pin[1] + pin[2])
#define SUM (PINS + window + elsewhere)

inline down()			/* code: page_down */
{
	d_step {
		assert(cnt > 0); cnt--; assert(cnt >= SUM);
#ifdef M_WAKE_AT_0		/* mutation: wakes when nobody is left, not when it may be that only windows are */
		w = (W && cnt == 0);
		if
		:: w -> W = 0
		:: else
		fi
#elif defined(M_W_STAYS)	/* mutation: W is taken away with the last count only */
		w = W;
		if
		:: cnt == 0 -> W = 0
		:: else
		fi
#else
		w = W; W = 0
#endif
	}
	if
	:: w -> sleeping = 0
	:: else
	fi;
	w = 0
}

proctype holder()		/* code: dax_drop */
{
	bit w;
	intent[P] = 1;
	pin[P] = 0;
	down();
	intent[P] = 0;
	done[P] = 1
}

proctype by_file()		/* code: dax_hold */
{
	bit w;
	if
	:: !mapped || locked -> goto out
	:: else
	fi;
	intent[F] = 1;
	atomic {
		if
		:: st == INFILE -> cnt++
		:: else -> intent[F] = 0; goto out
		fi
	}
	if
	:: !locked && mapped -> pin[F] = 1; intent[F] = 0; intent[F] = 1; pin[F] = 0; down()
	:: else -> down()
	fi;
	intent[F] = 0;
out:	done[F] = 1
}

proctype by_address()		/* code: pf_window_pin */
{
	bit w, ok;
	if
	:: !leaf -> goto out
	:: else
	fi;
	intent[A] = 1;
	atomic {
		if
		:: cnt > 0 -> cnt++
		:: else -> intent[A] = 0; goto out
		fi
	}
	/* looks again: the leaf, and the range */
	ok = leaf;
#ifndef M_NO_RANGE		/* mutation: of the range it knows nothing */
	if
	:: locked -> ok = 0
	:: else
	fi;
#endif
	if
	:: ok -> pin[A] = 1; intent[A] = 0; intent[A] = 1; pin[A] = 0; down()
	:: else -> down()
	fi;
	intent[A] = 0;
out:	done[A] = 1
}

proctype elsewhere_mapped()	/* code: mm_sync: dax_try_hold, dax_drop */
{
	bit w;
	byte n;
	do
	:: n < NE ->
		n++;
		intent[E] = 1;
		atomic {
			if
			:: st == INFILE -> cnt++
			:: else -> intent[E] = 0; break
			fi
		}
		elsewhere = 1; intent[E] = 0;
		if
		:: n < NE -> intent[E] = 1; elsewhere = 0; down(); intent[E] = 0
		:: else
		fi
	:: else -> break
	od;
	atomic { n = 0; done[E] = 1 }
}

proctype breaker()		/* code: inner_break */
{
	byte c, r;
	bit w;
	locked = 1;
	do
	::	/* the word, by CAS; W says that we may sleep */
		atomic {
#ifndef M_NO_W
			if
			:: cnt > 0 -> W = 1
			:: else
			fi;
#endif
			c = cnt
		}
		if
		:: c == 0 -> break
		:: else
		fi;
#ifndef M_NO_GRACE		/* mutation */
		/* every row that was inside when the range was locked has left: what it holds is accounted for */
		r = 0;
		do
		:: r < NR -> !intent[r]; r++
		:: else -> break
		od;
#endif
		r = 0;			/* the records, one after another; pins of the range only become fewer */
		do
		:: r < 3 && !pin[r] -> r++
		:: else -> break
		od;
		if
		:: r == 3 -> break	/* windows only */
		:: else
		fi;
#ifdef TRY
		goto out;
#endif
		atomic {		/* futex_wait: the word is what it was */
			if
#ifdef M_NO_W
			:: cnt == c -> sleeping = 1
#else
			:: cnt == c && W -> sleeping = 1
#endif
			:: else
			fi
		}
		!sleeping
	od;
	/* The promise: nobody but windows is there, and nobody comes. */
	atomic { assert(PINS == 0); broken = 1 }
	mapped = 0;
	assert(PINS == 0);
	st = ORPHAN;
out:	locked = 0;
	/* V is told, and takes its window away */
	if
	:: broken ->
		leaf = 0;
		window = 0;
		down()
	:: else
	fi;
	atomic { c = 0; r = 0; done[B] = 1 }
}

proctype fin()
{
	atomic {
		(done[P] && done[F] && done[A] && done[E] && done[B]);
		assert(cnt == SUM && PINS == 0)
	}
}

init
{
	atomic {
		pin[P] = 1;
		run holder(); run by_file(); run by_address(); run elsewhere_mapped(); run breaker(); run fin()
	}
}

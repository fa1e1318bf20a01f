/*
 * retire: a window of two pages whose owner divides its record and moves one of the parts, while a
 * teller changes one page of the file, then the other, and marks the records that show it. Records are
 * in places 0 to 2, which the teller looks at in this order; the window is in place 1 at first.
 * What a page shows is a version here: the pages themselves are tell's subject.
 *
 * Default: both parts get a new record. -DCUT: the second part gets a new one, the old one's is
 * made shorter; then it becomes longer again, where the other was. -DEVICT: the teller marks the
 * windows as evicted, which no look at the file would find.
 */
#ifndef NP
#define NP 2
#endif
bit file[3];
byte idx[3], pages[3];
byte stale[3];			/* a bit per page of the file */
bit evict[3];
byte windows, mail, seen;
byte ent[NP], shown[NP];	/* versions */
bit gone[NP];			/* evicted: shows nothing any more */
byte slock;
bit done[3];

#define COVERS(k, i) (file[k] && idx[k] <= (i) && (i) < idx[k] + pages[k])

inline sync_record(k)		/* code: mm_sync */
{
	if
	:: file[k] ->
		if
		:: evict[k] -> d_step { if :: COVERS(k, 0) -> gone[0] = 1 :: else fi; if :: COVERS(k, 1) -> gone[1] = 1 :: else fi }
		:: else
		fi;
		if
		:: (was & 1) && COVERS(k, 0) -> shown[0] = ent[0]
		:: else
		fi;
		if
		:: (was & 2) && COVERS(k, 1) -> shown[1] = ent[1]
		:: else
		fi
	:: else
	fi
}

inline publish(k, i, n)
{
	d_step { idx[k] = i; pages[k] = n; stale[k] = 0; evict[k] = flag }
	file[k] = 1;
	windows++
}

/* Takes what was marked in the old record over into the new ones. */
inline merge(k, a, b)
{
#ifndef M_NO_MERGE		/* mutation */
	atomic { was = stale[k]; stale[k] = 0 }
	stale[a] = stale[a] | was;
	stale[b] = stale[b] | was;
#else
	stale[k] = 0;
#endif
#ifndef M_FLAGS_COPIED		/* mutation: they were copied before */
	flag = evict[k];
	if
	:: flag -> evict[a] = 1; evict[b] = 1
	:: else
	fi;
#endif
	was = 0
}

proctype owner()
{
	byte was;
	bit flag;
	atomic { slock == 0 -> slock = 1 }
	flag = evict[1];
#ifdef CUT
	publish(2, 1, 1);
	pages[1] = 1;
#ifndef M_NO_MERGE
	was = stale[1];		/* stays marked: only the second part is taken over */
	stale[2] = stale[2] | was;
	was = 0;
#endif
	flag = evict[1];
	if
	:: flag -> evict[2] = 1
	:: else
	fi;
#else
	publish(0, 0, 1);
	publish(2, 1, 1);
	file[1] = 0;
	merge(1, 0, 2);
#endif
	slock = 0;
	atomic { slock == 0 -> slock = 1 }
#ifdef CUT
	/* the first becomes longer, then the other goes */
#ifdef M_GROW_LATE		/* mutation: looks, then stores pages */
	shown[1] = ent[1];
	pages[1] = 2;
#else
	pages[1] = 2;
	shown[1] = ent[1];
#endif
	file[2] = 0;
	stale[2] = 0;
#else
	/* moves the first part: the place of the old record is used again */
	flag = evict[0];
	publish(1, 0, 1);
	file[0] = 0;
	merge(0, 1, 1);
#endif
	slock = 0;
	done[0] = 1
}

proctype service()		/* code: pf_pump */
{
	byte m, was, k;
end:	do
	:: mail != seen ->
		done[1] = 0;
		m = mail;
		atomic { slock == 0 -> slock = 2 }
		k = 0;
		do
		:: k < 3 ->
			atomic { was = stale[k]; stale[k] = 0 }
			sync_record(k);
			k++
		:: else -> break
		od;
		slock = 0;
		was = 0; k = 0;
		atomic { seen = m; m = 0; done[1] = 1 }
	od
}

inline tell(i)			/* code: mm_tell */
{
	marked = 0;
	do
	::	v = windows;
		k = 0;
		again = 0;
		do
		:: k < 3 ->
			if
			:: file[k] ->
				a = idx[k];
				n = pages[k];
				if
#ifdef EVICT
				:: 1 -> evict[k] = 1; marked = 1
#else
				:: a <= i && i < a + n -> stale[k] = stale[k] | (1 << i); marked = 1
#endif
				:: else
				fi;
#ifdef RELOAD			/* looks whether the record is still the window: not needed with the next */
				if
				:: !file[k] -> again = 1
				:: else
				fi
#endif
			:: else
			fi;
			k++
		:: else -> break
		od;
#ifndef M_NO_RESCAN		/* mutation: does not see that records came during the scan */
		if
		:: windows != v -> again = 1
		:: else
		fi;
#endif
		if
		:: again
		:: else -> break
		fi
	od;
	if
	:: marked -> mail++
	:: else
	fi;
	d_step { v = 0; k = 0; again = 0; a = 0; n = 0; marked = 0 }
	m = mail;
	seen == m;
#ifdef EVICT
	assert(gone[0] && gone[1]);
#else
	assert(shown[i] == ent[i]);
#endif
	m = 0
}

proctype teller()
{
	byte v, k, a, n, m;
	bit again, marked;
#ifdef EVICT
	tell(0);
#else
	ent[0] = 1;
	tell(0);
	ent[1] = 1;
	tell(1);
#endif
	done[2] = 1
}

proctype fin()
{
	atomic {
		(done[0] && done[1] && done[2] && mail == seen);
#ifdef EVICT
		assert(gone[0] && gone[1]);
#else
		assert(shown[0] == ent[0] && shown[1] == ent[1]);
#endif
	}
}

init
{
	atomic {
		file[1] = 1; pages[1] = 2; windows = 1; done[1] = 1;
		run owner(); run service(); run teller(); run fin()
	}
}

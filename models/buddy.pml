/*
 * buddy: the free index under a robust lock with an undo log. A change of the index (insert
 * with merging, remove with splitting) is several stores; each store's old value is in the log
 * before it. A dead owner's stores are rolled back, then the operation is done again from
 * pending: the word is the truth and the index follows it. The repair may be killed as well.
 *
 * Cells: 0..NP-1 free_order of the block that starts here, NP..2*NP-1 its list link (the list it
 * is on, + 1; the real list has two links, changed in the same way).
 * Workers 0 and 1 take blocks of order 0 and 1 and push them; the closer, who cannot be killed,
 * locks once at the end.
 */
#ifndef KILLS
#define KILLS 2
#endif
#ifndef MAX
#define MAX 2
#endif
#if MAX == 2
#define NP 4
#define NCELL 8
#define NLOG 8
#else
#define NP 8
#define NCELL 16
#define NLOG 10
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define NONE 15
#define FREE 0
#define INFILE 1
#define ORPHAN 2

byte st[NP], ord[NP];		/* words */
byte cell[NCELL];
byte logaddr[NLOG], logold[NLOG], n;
mtype = { NOTHING, PUSH, TAKE };
mtype pk = NOTHING;
byte pfirst, porder;
byte alock;
bit alive[3] = 1, done[3];
byte kills = KILLS;

#define DEAD(k) (!alive[k])
#define START(p, k) ((p) & ~((1 << (k)) - 1))
#define IN(p, k) (cell[START(p, k)] == (k))
#if MAX == 2
#define COVERED(p) (IN(p, 0) + IN(p, 1) + IN(p, 2))
#else
#define COVERED(p) (IN(p, 0) + IN(p, 1) + IN(p, 2) + IN(p, 3))
#endif

inline set(a, v)		/* code: lock_log, then the store */
{
#ifdef M_LOG_LATE		/* mutation: the entry comes after the store */
	old = cell[a];
	cell[a] = v;
	d_step { logaddr[n] = a; logold[n] = old }
	n++
#elif defined(M_N_FIRST)	/* mutation: counted before it is written */
	n++;
	d_step { logaddr[n - 1] = a; logold[n - 1] = cell[a] }
	cell[a] = v
#else
	d_step { logaddr[n] = a; logold[n] = cell[a] }
	n++;
	cell[a] = v
#endif
}

inline empty_log()		/* the change is complete */
{
	atomic {
		n = 0;
		i = 0;
		do		/* what stood in the entries means nothing any more */
		:: i < NLOG -> logaddr[i] = 0; logold[i] = 0; i++
		:: else -> break
		od;
		i = 0
	}
}

inline index_insert(p, k)	/* code: page_index_insert */
{
	do
	:: k < MAX && cell[p ^ (1 << k)] == k ->
		set(NP + (p ^ (1 << k)), 0);
		set((p ^ (1 << k)), NONE);
		atomic { p = p & ~(1 << k); k++ }
	:: else -> break
	od;
	set(p, k);
#ifdef M_EMPTY_EARLY		/* mutation: the log is emptied before the last store */
	empty_log();
	cell[NP + p] = k + 1;
#else
	set(NP + p, k + 1);
#endif
	empty_log()
}

inline index_remove(p, k)	/* code: page_index_remove */
{
	atomic {
		j = k;
		do
		:: j <= MAX && !IN(p, j) -> j++
		:: else -> break
		od
	}
	set(NP + START(p, j), 0);
	set(START(p, j), NONE);
	do
	:: j > k ->
		j--;
		set(START(p, j) ^ (1 << j), j);		/* the half we do not want */
		set(NP + (START(p, j) ^ (1 << j)), j + 1)
	:: else -> break
	od;
	j = 0;
	empty_log()
}

inline follow(p, k)		/* the index follows the word */
{
	if
	:: st[p] == FREE && !COVERED(p) -> index_insert(p, k)
#ifdef M_REDO_BLIND		/* mutation: the repair does not look whether it was done */
	:: st[p] == FREE && COVERED(p) && blind -> index_insert(p, k)
#endif
	:: st[p] != FREE && COVERED(p) -> index_remove(p, k)
	:: else
	fi
}

inline repair()			/* code: page_lock_repair */
{
#ifndef M_NO_UNDO
	do
#ifdef M_UNDO_N_FIRST		/* mutation: not restartable */
	:: n > 0 -> n--; cell[logaddr[n]] = logold[n]
#else
	:: n > 0 -> cell[logaddr[n - 1]] = logold[n - 1]; n--
#endif
	:: n == 0 -> break
	od;
#endif
	empty_log();
#ifndef M_NO_REDO
	if
	:: pk != NOTHING ->
		p = pfirst; k = porder;
#ifdef M_REPAIR_FORGETS		/* mutation: pending is cleared before the redo */
		pk = NOTHING;
#endif
		blind = 1;
		follow(p, k);
		blind = 0
	:: else
	fi;
#endif
	pk = NOTHING
}

inline lock_alloc()
{
	atomic {
		(alock == 0 || DEAD(alock - 1));
		died = (alock != 0);
		alock = me + 1
	}
	if
	:: died -> repair(); died = 0
	:: else
	fi
}

/* the index is the maximal partition of the free pages; each free block is on its list */
inline check()
{
	atomic {
		i = 0;
		do
		:: i < NP ->
			/* a page inside a folio in use has state FREE in its own word: look for its head */
			if
			:: st[i] != FREE || (i % 2 == 1 && st[i - 1] != FREE && ord[i - 1] == 1) -> assert(COVERED(i) == 0)
			:: else -> assert(COVERED(i) == 1)
			fi;
			if
			:: cell[i] == NONE -> assert(cell[NP + i] == 0)
			:: else ->
				assert(cell[NP + i] == cell[i] + 1);
				assert(cell[i] == MAX || cell[i ^ (1 << cell[i])] != cell[i])
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

inline unlock_alloc()
{
	check();
	alock = 0
}

inline page_take(want)
{
	lock_alloc();
	atomic {
		p = 0;
		do
		:: p < NP && !(p % (1 << want) == 0 && COVERED(p) && (want == 0 || !IN(p, 0))) -> p = p + 1
		:: else -> break
		od
	}
	if
	:: p < NP ->
		atomic { pfirst = p; porder = want; pk = TAKE; mine = p; k = want }
		d_step { assert(st[p] == FREE); st[p] = INFILE; ord[p] = want }
		index_remove(p, k);
		pk = NOTHING
	:: else -> mine = NONE
	fi;
	unlock_alloc()
}

inline page_push()
{
	st[mine] = ORPHAN;
	lock_alloc();
	atomic { p = mine; k = ord[mine]; pfirst = p; porder = k; pk = PUSH }
	st[p] = FREE;
#ifdef M_PENDING_FIRST		/* mutation: pending is cleared before the index is complete */
	pk = NOTHING;
#endif
	index_insert(p, k);
	pk = NOTHING;
	unlock_alloc();
	mine = NONE
}

proctype worker(byte me)
{
	byte p, k, i, j, r, mine;
#ifdef M_LOG_LATE
	byte old;
#endif
	bit died, blind;
	{
	mine = NONE;
	do
	:: r < ROUNDS ->
		r++;
		if
		:: page_take(0)
		:: page_take(1)
		fi;
		if
		:: mine != NONE -> page_push()
		:: else
		fi
	:: else -> break
	od;
	atomic { p = 0; k = 0; died = 0; done[me] = 1 }
	} unless { !alive[me] }
}

proctype closer(byte me)
{
	byte p, k, i, j;
#ifdef M_LOG_LATE
	byte old;
#endif
	bit died, blind;
	((done[0] || DEAD(0)) && (done[1] || DEAD(1)));
	lock_alloc();
	unlock_alloc();
	assert(pk == NOTHING && n == 0);
	kills = 0
}

proctype killer()
{
end:	do
	:: atomic { kills > 0 && !done[0] -> alive[0] = 0; kills-- }
	:: atomic { kills > 0 && !done[1] -> alive[1] = 0; kills-- }
	od
}

init
{
	byte i;
	atomic {
		do
		:: i < NP -> cell[i] = NONE; i++
		:: else -> break
		od;
		cell[0] = MAX; cell[NP] = MAX + 1;
		run worker(0); run worker(1); run closer(2); run killer()
	}
}

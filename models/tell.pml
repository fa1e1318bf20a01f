/*
 * tell: process V has a window on file A. Process T takes page 0 out of A (it may go to
 * another file, as soon as nobody holds it), puts page 1 there, and tells V each time: marks
 * the window's record as stale, mails, waits, or gives up (V may be stopped). V's user thread
 * makes the window, brings it up to date itself, ends it and makes it again; its service
 * threads answer mail. V and T may be killed at every step; the reaper not.
 *
 * -DNO_GIVEUP: T waits without a limit; a lost wakeup shows as an invalid end state.
 * -DSERVERS=2: two threads answer V's mail.
 * -DFILL: the window may be written, and has two pages, both of which T takes away; V allocates
 * page 2 for the first, which it cannot do under the space's lock.
 *
 * A hold is one record of one page here; dividing records: see split. Replacing the window's
 * record: see retire. The fences: see fence -DWINDOW.
 */
#ifndef KILLS
#define KILLS 1
#endif
#ifndef ROUNDS
#define ROUNDS 2	/* how often V makes the window */
#endif
#ifndef SERVERS
#define SERVERS 1
#endif
#ifdef FILL
#define NI 2		/* pages in the window */
#define NP 3
#else
#define NI 1
#define NP 2
#endif
#define FREE 0
#define INFILE 1
#define ORPHAN 2
/* rows; 0 to 2 are V's */
#define USER 0
#define SERVICE 1
#define PUMP 2
#define T 3
#define R 4

byte st[NP], cnt[NP];
byte other;			/* ghost: file B has page 0 */
byte ent[NI];			/* file A: page + 1 */
byte ilock;			/* A's inode lock: row + 1 */
/* T's layout record: page + 1 that is entering or leaving the file, at this index */
byte lop, lopi;
/* the runtime */
byte windows;			/* fs_shared.windows */
bit vfile, stale;		/* the record */
byte mail, seen;
bit sleeping;			/* T is in futex_wait on seen */
/* V */
byte slock;			/* the space's lock: row + 1 */
byte rec[NI];			/* hold records: page + 1; they are the accounting */
byte host[NI];			/* what the host shows: page + 1; 0: zeros, SIGBUS, nothing */
bit aliveV = 1, aliveT = 1, goneV, goneT;
bit intent[5];
bit done[5];
byte kills = KILLS;

#ifdef FILL
#define SUM(p) ((rec[0] == (p) + 1) + (rec[1] == (p) + 1))
#define SHOWN(p) (host[0] == (p) + 1 || host[1] == (p) + 1)
#define INA(p) (ent[0] == (p) + 1 || ent[1] == (p) + 1)
#else
#define SUM(p) (rec[0] == (p) + 1)
#define SHOWN(p) (host[0] == (p) + 1)
#define INA(p) (ent[0] == (p) + 1)
#endif

inline push(p)			/* code: page_finish */
{
	d_step {
		if
		:: st[p] == ORPHAN && cnt[p] == 0 ->
			assert(SUM(p) == 0);
			assert(!aliveV || !SHOWN(p));	/* nobody alive still reaches the page */
			st[p] = FREE
		:: else
		fi
	}
}
inline dec(p)			/* code: page_down */
{
	d_step {
		assert(cnt[p] > 0); cnt[p]--; assert(cnt[p] >= SUM(p));
		last = (cnt[p] == 0 && st[p] == ORPHAN)
	}
	if
	:: last -> push(p)
	:: else
	fi
}

/* ---- telling ---- */
/*
 * Inode lock; change first. Its own process needs no mail: the thread that told looks itself,
 * later.
 */
inline tell(l)			/* code: mm_tell */
{
	do
	::	v = windows;
		if
		:: v == 0 -> break
		:: else
		fi;
#ifdef M_MAIL_FIRST
		mail++;
#endif
		found = vfile;
		if
		:: found ->
#ifdef M_MAIL_IF_NEW		/* mutation: who is stale already is not told again */
			atomic { was = stale; stale = 1 }
			if
			:: !was -> mail++
			:: else
			fi;
			was = 0;
#else
			stale = 1;
#ifndef M_MAIL_FIRST
			if
			:: l >= T -> mail++
			:: else
			fi
#endif
#endif
		:: else ->
#ifdef M_CLEAR_BLIND		/* mutation: a store */
			windows = 0
#else
			atomic {
				if
				:: windows == v -> windows = 0
				:: else
				fi
			}
#endif
		fi;
		break
	od;
	v = 0; found = 0
}

/* ---- the owner ---- */
inline drop(l, i)		/* code: dax_drop. Access goes first, then the accounting, then the count */
{
#ifdef M_HOST_LAST
	intent[l] = 1;
	atomic { p = rec[i]; rec[i] = 0 }
	if
	:: p -> dec(p - 1)
	:: else
	fi;
	intent[l] = 0;
	host[i] = 0;
#else
	host[i] = 0;
	intent[l] = 1;
	atomic { p = rec[i]; rec[i] = 0 }
	if
	:: p -> dec(p - 1)
	:: else
	fi;
	intent[l] = 0;
#endif
	p = 0
}

/* The window at index i becomes what the file has there. Space's lock. */
inline sync_page(l, i)		/* code: mm_sync */
{
	do
	::	e = ent[i];
		if
		:: rec[i] && rec[i] != e -> drop(l, i)
		:: else
		fi;
		if
		:: !e || rec[i] == e -> break
		:: else ->			/* code: dax_try_hold */
			intent[l] = 1;
			atomic {
				if
				:: st[e - 1] == INFILE -> cnt[e - 1]++; ok = 1
				:: else -> ok = 0
				fi
			}
			if
			:: ok && ent[i] == e ->
				d_step { rec[i] = e; assert(cnt[e - 1] >= SUM(e - 1)) }
				intent[l] = 0;
				host[i] = e;
				break
			:: ok && ent[i] != e -> dec(e - 1); intent[l] = 0
			:: !ok -> intent[l] = 0
			fi
		fi
	od;
	ok = 0; e = 0
}

inline lock_space(l) { atomic { slock == 0 -> slock = l + 1 } }

#ifdef FILL
/* A hole that is to be written: the file's lock, allocation, telling. The space's lock is given up for it. */
inline fill(l)			/* code: io_fill */
{
	atomic { (ilock == 0) -> ilock = l + 1 }
	if
	:: !ent[0] ->
		/* take, initialise, commit */
		atomic { st[2] == FREE -> st[2] = INFILE; ent[0] = 3 }
		tell(l)
	:: else
	fi;
	ilock = 0
}
#endif

inline sync_stale(l)		/* code: mm_sync_stale */
{
#ifdef M_SWAP_OUTSIDE		/* mutation: stale is taken before the lock is */
	atomic { was = stale; stale = 0 }
	if
	:: was -> lock_space(l)
	:: else
	fi;
#else
	lock_space(l);
	atomic { was = stale; stale = 0 }
#endif
#ifdef FILL
	do
	:: was && vfile ->
		sync_page(l, 0);
		if
		:: !ent[0] ->		/* -PF_EHOLE */
#ifndef M_REST_LOST		/* mutation: what is left to do is only in this thread's hands */
			stale = 1;
#endif
			slock = 0;
			fill(l);
			lock_space(l);
			atomic { was = 1; stale = 0 }
		:: else -> sync_page(l, 1); break
		fi
	:: else -> break
	od;
	was = 0;
	slock = 0
#else
	if
	:: was && vfile -> sync_page(l, 0)
	:: else
	fi;
#ifdef M_SWAP_OUTSIDE
	if
	:: was -> slock = 0
	:: else
	fi;
	was = 0
#else
	was = 0;
	slock = 0
#endif
#endif
}

proctype vuser()
{
	byte p, e, n, v;
	bit last, ok, was, found;
	{
	do
	:: n < ROUNDS ->
		n++;
		lock_space(USER);
#ifdef M_LOOK_FIRST		/* mutation: looks, then publishes */
		sync_page(USER, 0);
		vfile = 1;
		windows++;
#else
		vfile = 1;
		windows++;
		sync_page(USER, 0);
#ifdef FILL
		sync_page(USER, 1);
#endif
#endif
		slock = 0;
		/* its own look, as after a call that changed something */
		sync_stale(USER);
		if
		:: n < ROUNDS ->		/* code: pf_window_unmap */
			lock_space(USER);
#ifdef M_RETIRE_FIRST		/* mutation: no teller finds the window any more, but its owner still sees the page */
			vfile = 0;
			stale = 0;
#endif
			drop(USER, 0);
#ifdef FILL
			drop(USER, 1);
#endif
			vfile = 0;
			stale = 0;
			slock = 0
		:: else
		fi
	:: else -> break
	od;
	atomic { n = 0; done[USER] = 1 }
	} unless { !aliveV }
}

proctype vservice(byte l)	/* code: pf_pump */
{
	byte p, e, m, v, at;	/* at: the mail that it looked at last */
	bit last, ok, was, found;
	{
end:	do
	:: atomic { mail != at -> done[l] = 0 }
#ifdef M_MAIL_LATE		/* mutation: what came during the work is taken to be done */
		sync_stale(l);
		m = mail;
#elif defined(M_SEEN_EARLY)	/* mutation: seen, then done */
		m = mail;
		seen = m;
		sleeping = 0;
		sync_stale(l);
#else
		m = mail;
		sync_stale(l);
#endif
#ifdef M_SEEN_BACK		/* mutation: the slower of two threads puts it back */
		seen = m;
#else
		atomic {
			if
			:: m > seen -> seen = m
			:: else
			fi
		}
#endif
#ifndef M_NO_WAKE
		sleeping = 0;
#endif
		atomic { at = m; m = 0; done[l] = (at == mail) }
	od
	} unless { !aliveV }
}

/* ---- the teller ---- */
#define TOLD (seen == m)
inline wait_told()		/* code: mm_wait_told */
{
	m = mail;
	do
	:: TOLD || !aliveV -> break
	:: else ->
		s = seen;
		if
		:: s == m -> break
		:: else
		fi;
#ifdef M_SLEEP_UNCHECKED
		sleeping = 1;
#else
		atomic {		/* futex_wait: sleeps only if the word is what was seen */
			if
			:: seen == s -> sleeping = 1
			:: else
			fi
		}
#endif
		if
		:: !sleeping || !aliveV
#ifndef NO_GIVEUP
		:: gaveup = 1; break
#endif
		fi
	od;
	/* Who was told, and answered, shows nothing but what the file has. */
	atomic {
		assert(gaveup || !aliveV || !host[0] || host[0] == ent[0]);
#ifdef FILL
		assert(gaveup || !aliveV || !host[1] || host[1] == ent[1]);
#endif
		sleeping = 0; m = 0; s = 0; gaveup = 0
	}
}

inline remove(i)		/* code: layout_remove */
{
	atomic { p = ent[i]; lop = p; lopi = i }
	ent[i] = 0;		/* the journal commits */
	st[p - 1] = ORPHAN;	/* code: page_release */
	push(p - 1);
	lop = 0;
	p = 0
}

inline lock_inode(l) { atomic { ilock == 0 -> ilock = l + 1 } }

proctype teller()
{
	byte p, v, m, s;
	bit found, was, gaveup;
	{
	lock_inode(T);
#ifdef M_TELL_FIRST
	tell(T);
	remove(0);
#else
	remove(0);
#ifdef FILL
	remove(1);
#endif
	tell(T);
#endif
	ilock = 0;
	wait_told();
#ifndef FILL
	/* the file gets page 1 there */
	lock_inode(T);
	atomic { st[1] == FREE -> st[1] = INFILE; ent[0] = 2 }
	tell(T);
	ilock = 0;
	wait_told();
#endif
	done[T] = 1
	} unless { !aliveT }
}

/* another file takes page 0 as soon as it is free */
proctype taker()
{
end:	atomic { st[0] == FREE -> assert(cnt[0] == 0 && SUM(0) == 0); st[0] = INFILE; other = 1 }
}

/* ---- the reaper: code: reap_slot ---- */
proctype reaper()
{
	byte p, v, i;
	bit last, found, was;
end:	do
	:: atomic { !aliveV && !goneV -> done[R] = 0 }
#ifdef FILL
		if
		:: ilock && ilock <= T -> ilock = R + 1; tell(R); ilock = 0
		:: else
		fi;
#endif
		atomic { host[0] = 0;
#ifdef FILL
		host[1] = 0
#endif
		}
		vfile = 0;
		i = 0;
		do
		:: i < NI ->
			intent[R] = 1;
			atomic { p = rec[i]; rec[i] = 0 }
			if
			:: p -> dec(p - 1)
			:: else
			fi;
			intent[R] = 0;
			i++
		:: else -> break
		od;
		if
		:: intent[USER] || intent[SERVICE] || intent[PUMP] ->
			p = 0;
			do
			:: p < NP ->
				atomic { assert(cnt[p] >= SUM(p)); cnt[p] = SUM(p) }
				push(p);
				p++
			:: else -> break
			od;
			intent[USER] = 0; intent[SERVICE] = 0; intent[PUMP] = 0
		:: else
		fi;
		atomic { goneV = 1; p = 0; i = 0; done[R] = 1 }
	:: atomic { !aliveT && !goneT -> done[R] = 0 }
		if
		:: ilock == T + 1 ->		/* code: repair */
			ilock = R + 1;
			if
			:: lop && ent[lopi] != lop ->
				atomic {
					if
					:: st[lop - 1] == INFILE -> st[lop - 1] = ORPHAN
					:: else
					fi
				}
				push(lop - 1)
			:: else
			fi;
			lop = 0;
#ifndef M_REPAIR_SILENT		/* mutation: what the dead one did not tell, nobody tells */
			tell(R);
#endif
			ilock = 0
		:: else
		fi;
		atomic { goneT = 1; done[R] = 1 }
	od
}

proctype killer()
{
end:	do
	:: atomic { kills > 0 && aliveV -> aliveV = 0; kills-- }
	:: atomic { kills > 0 && aliveT && !done[T] -> aliveT = 0; kills-- }
	od
}

#define PLACED(p) (st[p] == FREE && cnt[p] == 0 && !INA(p) || st[p] == INFILE && (INA(p) || p == 0 && other) || st[p] == ORPHAN && cnt[p] > 0)
proctype fin()
{
	byte k;
	atomic {
		((aliveV && done[USER] && done[SERVICE] && done[PUMP] && mail == seen || goneV) &&
		 (aliveT && done[T] || goneT) && done[R]);
		k = 0;
		do
		:: k < NP -> assert(cnt[k] == SUM(k)); assert(PLACED(k)); k++
		:: else -> break
		od;
		k = 0;
		do
		:: k < NI ->
			/* The window shows what the file has. */
			assert(!aliveV || rec[k] == ent[k] && host[k] == ent[k]);
			k++
		:: else -> break
		od;
		assert(!stale || !aliveV);
		assert(!vfile || windows);
		assert(!ilock && !slock || !aliveV);
		kills = 0
	}
}

init
{
	atomic {
		st[0] = INFILE; ent[0] = 1;
#ifdef FILL
		st[1] = INFILE; ent[1] = 2;
#endif
		done[SERVICE] = 1; done[PUMP] = 1; done[R] = 1;
		run vuser(); run vservice(SERVICE);
#if SERVERS > 1
		run vservice(PUMP);
#endif
		run teller(); run taker(); run reaper(); run killer(); run fin()
	}
}

/*
 * chain: what acquire and release are for, on machines that do loads early and stores late.
 * Where the protocol has an order, the two steps are in that order; where a mutation
 * takes the order away, a machine may do them in either, and so the model does both.
 * (A store that overtakes a load or a store, a load done early: each is the other order of two steps.)
 * The store buffer and its fences are the subject of fence.
 *
 * Parts, one a run:
 *   -DENTRY	get against release and take: the second look at the entry
 *   -DUSE	put against take: the last access to the page and the down CAS
 *   -DSECTION	leave against recount: accounting and intent
 *   -DFLAG	recount under a flag that is taken away: the sum and the look at the flag
 *   -DPUBLISH	allocation against get: page contents and entry
 */
#define EITHER(a, b) if :: a; b :: b; a fi
#define INORDER(a, b) a; b
#ifdef M_RELAXED	/* the first of the two in a part */
#define ORDER1 EITHER
#else
#define ORDER1 INORDER
#endif
#ifdef M_RELAXED2
#define ORDER2 EITHER
#else
#define ORDER2 INORDER
#endif

#ifdef ENTRY			/* code: dax_hold, page_release, page_finish, page_take */
byte state = 1, gen, cnt;	/* the word: 0 FREE, 1 IN_FILE, 2 ORPHAN */
bit entry = 1;			/* file A's entry names the page */
proctype getter()
{
	bit got, seen;
	/* (the first look at the entry saw it.) get's CAS, acquire; the second look */
	ORDER1(atomic { got = (state == 1); cnt = cnt + got }, seen = entry);
	if
	:: got && seen -> assert(gen == 0)	/* file A's page, not the next one's */
	:: got && !seen -> cnt--
	:: else
	fi
}
proctype layout()
{
	/* the entry is removed; release's CAS, release */
	ORDER2(entry = 0, state = 2)
}
proctype taker()		/* push and take: the chain on the word goes on */
{
end:	atomic { state == 2 && cnt == 0 -> state = 0 }
	atomic { state = 1; gen++ }
}
init { atomic { run getter(); run layout(); run taker() } }
#endif

#ifdef USE			/* code: dax_drop, page_take */
byte cnt = 1;
bit acct = 1, fin;
byte page;			/* contents: 1 the holder's, 2 the next file's */
proctype holder()
{
#ifdef M_RELAXED2		/* the exchange falls behind the down CAS */
	page = 1;
	EITHER(acct = 0, cnt--);
#else
	/* the last store to the page, the exchange; down's CAS, release */
	ORDER1(page = 1, atomic { acct = 0; cnt-- });
#endif
	fin = 1
}
proctype taker()
{
	/* push and take: the same word, acquire; then the page is initialised */
	cnt == 0;
	assert(!acct);
	page = 2;
	fin;
	assert(page == 2)
}
init { atomic { run holder(); run taker() } }
#endif

#ifdef SECTION			/* code: rt_leave, page_recount */
byte cnt = 1, acct;		/* one leaked count */
bit intent, fin;
proctype row()
{
	/* a get; fences and the flag are fence's subject: this one began before the flag */
	cnt++;
	/* account; leave, release */
	ORDER1(acct++, intent = 0);
	fin = 1
}
proctype recounter()
{
	byte sum;
	/* the look at the intent, acquire; the sum */
	ORDER2(!intent, sum = acct);
	cnt = sum;
	fin;
	assert(cnt >= acct)
}
init { atomic { intent = 1; run row(); run recounter() } }
#endif

#ifdef FLAG			/* code: page_recount, rt_enter */
byte cnt = 2, acct = 1;		/* one leaked count */
bit flag = 1, fin[2];
proctype putter()		/* has waited 10 ms, takes the flag away (CAS, fence), then puts */
{
	flag = 0;
	acct--;
	atomic { assert(cnt > 0); cnt-- }
	fin[0] = 1
}
proctype recounter()
{
	byte w, s;
	bit own;
	w = cnt;
	/* the sum; fence(acquire); the look at the flag */
	ORDER1(s = acct, own = flag);
	if
	:: own ->
		atomic {
			if
			:: cnt == w -> cnt = s
			:: else
			fi
		}
	:: else
	fi;
	fin[1] = 1
}
init { atomic { run putter(); run recounter() } (fin[0] && fin[1]); assert(cnt >= acct) }
#endif

#ifdef PUBLISH			/* code: fs_entry_add, fs_entry */
bit content, entry;
proctype layout()
{
	/* the page is initialised; the entry is published, release */
	ORDER1(content = 1, entry = 1)
}
proctype getter()
{
	bit seen;
	/* the entry, acquire; the copy */
	ORDER2(entry, seen = content);
	assert(seen)
}
init { atomic { run layout(); run getter() } }
#endif

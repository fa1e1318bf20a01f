/* See window_rows.h, and window.h for what a script says. */
#include "window_rows.h"

#include <stddef.h>

#define ROW(name_, script_)                          \
	{                                            \
		.name = (name_), .script = (script_) \
	}
/* For pages of 4 KiB: "1m" is 512 of them. */
#define SMALL(name_, script_)                                       \
	{                                                           \
		.name = (name_), .script = (script_), .small = true \
	}

const struct window_row window_rows[] = {
	/* ---- map ---- */
	ROW("map", "file f 4; map 0 f 0 4 rw; show 0 4 = f0 f1 f2 f3; maps = 0-4 rw f0; unmap 0 4; "
		   "show 0 4 = SEGV SEGV SEGV SEGV; maps = none"),
	ROW("a part of a file",
	    "file f 4; map 1 f 2 2 r; show 0 4 = SEGV f2 f3 SEGV; maps = 1-3 r f2"),
	ROW("stores are the file's",
	    "file f 2; map 0 f 0 2 rw; put 1 z; read f 0 2 = f0 z1; b: read f 0 2 = f0 z1"),
	ROW("what is written is there",
	    "file f 2; map 0 f 0 2 r; b: map 0 f 0 2 r; write f 1 1 z; show 0 2 = f0 z1; b: show 0 2 = f0 z1; "
	    "b: write f 0 1 y; show 0 2 = y0 z1"),
	ROW("two windows on one file",
	    "file f 2; map 0 f 0 2 rw; map 4 f 1 1 rw; put 4 z; show 0 2 = f0 z4; unmap 0 2; show 4 1 = z4"),
	ROW("two processes",
	    "file f 2; map 0 f 0 2 rw; b: map 2 f 0 2 rw; b: put 3 z; show 0 2 = f0 z3; unmap 0 2; "
	    "b: show 2 2 = f0 z3; b: unmap 2 1; b: show 2 2 = SEGV z3"),
	ROW("windows on two files", "file f 2; file g 2; map 0 f 0 2 r; map 2 g 0 2 r; "
				    "show 0 4 = f0 f1 g0 g1; maps = 0-2 r f0, 2-4 r g0"),
	ROW("the file backwards",
	    "file f 4; map 0 f 3 1 r; map 1 f 2 1 r; map 2 f 1 1 r; map 3 f 0 1 r; show 0 4 = f3 f2 f1 f0; "
	    "maps = 0-1 r f3, 1-2 r f2, 2-3 r f1, 3-4 r f0"),
	ROW("one part many times",
	    "file f 1; map 0 f 0 1 rw; map 1 f 0 1 rw; map 2 f 0 1 r; map 3 f 0 1 r; put 1 z; show 0 4 = z1 z1 z1 z1"),
	ROW("populate", "file f 4; map 0 f 0 4 rw populate; show 0 4 = f0 f1 f2 f3; hole g 2; "
			"map 4 g 0 2 rw populate; show 4 2 = 0 0"),
	ROW("anywhere",
	    "file f 2; any f 0 2 rw; show M 2 = f0 f1; put M z; read f 0 1 = z0; unmap M 2; "
	    "show M 2 = SEGV SEGV"),
	ROW("over what is there",
	    "file f 4; file g 2; map 0 f 0 4 rw; map 1 g 0 2 r; show 0 4 = f0 g0 g1 f3; "
	    "maps = 0-1 rw f0, 1-3 r g0, 3-4 rw f3; put 0 z; put 1 z = SEGV; put 3 z"),
	ROW("over itself",
	    "file f 4; map 0 f 0 4 r; map 0 f 2 2 r; show 0 4 = f2 f3 f2 f3; map 0 f 0 4 r; "
	    "show 0 4 = f0 f1 f2 f3; maps = 0-4 r f0"),
	ROW("over memory that is no window",
	    "file f 2; other 0 4; show 0 4 = 0 0 0 0; map 1 f 0 2 r; show 0 4 = 0 f0 f1 0"),
	ROW("only where nothing is",
	    "file f 2; map 0 f 0 1 rw new = EEXIST; free 0 4; map 0 f 0 1 rw new; map 0 f 1 1 rw new = EEXIST; "
	    "other 1 1; map 1 f 1 1 rw new = EEXIST; show 0 2 = f0 0; map 2 f 0 2 r new; show 2 2 = f0 f1"),
	ROW("a file that may only be read",
	    "file f 2; ro f; map 0 f 0 2 r; show 0 2 = f0 f1; put 0 z = SEGV; map 2 f 0 2 rw = EACCES"),
	ROW("nothing is allowed", "file f 1; map 0 f 0 1 -; show 0 1 = SEGV"),
	ROW("empty", "file f 1; map 0 f 0 0 rw = EINVAL"),
	ROW("addresses between units",
	    "file f 2; map 5b f 0 1 rw = EINVAL; map 0 f 5b 1 rw = EINVAL; show 0 1 = SEGV"),
	ROW("lengths are rounded up",
	    "file f 2; map 0 f 0 5b rw; show 0 2 = f0 SEGV; maps = 0-1 rw f0"),
	ROW("lengths are rounded up to go, too",
	    "file f 2; map 0 f 0 2 r; unmap 0 5b; show 0 2 = SEGV f1"),
	ROW("to be executed",
	    "file f 1; map 0 f 0 1 rx; show 0 1 = f0; put 0 z = SEGV; maps = 0-1 rx f0; "
	    "protect 0 1 rw; put 0 z; protect 0 1 rx; show 0 1 = z0"),

	/* ---- unmap ---- */
	ROW("unmap the middle",
	    "file f 4; map 0 f 0 4 rw; unmap 1 2; show 0 4 = f0 SEGV SEGV f3; "
	    "maps = 0-1 rw f0, 3-4 rw f3; put 0 z; put 3 z; read f 0 4 = z0 f1 f2 z3"),
	ROW("unmap the head", "file f 4; map 0 f 0 4 rw; unmap 0 1; show 0 4 = SEGV f1 f2 f3; "
			      "maps = 1-4 rw f1; truncate f 2; show 0 4 = SEGV f1 BUS BUS"),
	ROW("unmap the tail", "file f 4; map 0 f 0 4 rw; unmap 3 1; show 0 4 = f0 f1 f2 SEGV; "
			      "maps = 0-3 rw f0; truncate f 2; show 0 4 = f0 f1 BUS SEGV"),
	ROW("unmap parts of several",
	    "file f 2; file g 2; map 0 f 0 2 rw; map 3 g 0 2 r; unmap 1 3; show 0 5 = f0 SEGV SEGV SEGV g1; "
	    "maps = 0-1 rw f0, 4-5 r g1"),
	ROW("unmap twice", "file f 2; map 0 f 0 2 rw; unmap 0 2; unmap 0 2; show 0 2 = SEGV SEGV"),
	ROW("unmap where nothing is", "unmap 0 4; free 0 4; unmap 0 4"),
	ROW("unmap nothing",
	    "file f 1; map 0 f 0 1 r; unmap 0 0 = EINVAL; unmap 5b 1 = EINVAL; show 0 1 = f0"),
	ROW("every second one goes",
	    "file f 4; map 0 f 0 4 rw; unmap 0 1; unmap 2 1; show 0 4 = SEGV f1 SEGV f3; unmap 0 4; maps = none"),
	ROW("what was unmapped, again",
	    "file f 4; map 0 f 0 4 rw; unmap 1 2; map 1 f 1 2 rw; show 0 4 = f0 f1 f2 f3; maps = 0-4 rw f0"),

	/* ---- protect ---- */
	ROW("read only",
	    "file f 1; map 0 f 0 1 r; put 0 z = SEGV; show 0 1 = f0; protect 0 1 rw; put 0 z; "
	    "show 0 1 = z0; protect 0 1 r; put 0 y = SEGV; show 0 1 = z0"),
	ROW("protect",
	    "file f 4; map 0 f 0 4 rw; protect 1 2 r; maps = 0-1 rw f0, 1-3 r f1, 3-4 rw f3; put 0 z; "
	    "put 1 z = SEGV; put 2 z = SEGV; put 3 z; show 0 4 = z0 f1 f2 z3; protect 1 1 -; "
	    "show 0 4 = z0 SEGV f2 z3; protect 0 4 rw; put 1 y; put 2 y; show 0 4 = z0 y1 y2 z3"),
	ROW("merge", "file f 4; map 0 f 0 2 rw; map 2 f 2 2 rw; maps = 0-4 rw f0; protect 1 1 r; "
		     "maps = 0-1 rw f0, 1-2 r f1, 2-4 rw f2; protect 1 1 rw; maps = 0-4 rw f0"),
	ROW("protect across windows and files",
	    "file f 2; file g 2; map 0 f 0 2 rw; map 2 g 0 2 rw; protect 1 2 r; put 0 z; put 1 z = SEGV; "
	    "put 2 z = SEGV; put 3 z; show 0 4 = z0 f1 g0 z3"),
	ROW("protect past the last window",
	    "file f 2; free 0 8; map 0 f 0 2 rw; protect 0 4 r = ENOMEM; put 0 z = SEGV; show 0 2 = f0 f1"),
	ROW("protect before the first window",
	    "file f 2; free 0 8; map 2 f 0 2 rw; protect 0 4 r = ENOMEM; put 2 z; show 2 2 = z2 f1"),
	ROW("protect where nothing is", "free 0 8; protect 0 4 r = ENOMEM"),
	ROW("what was not opened to be written",
	    "file f 2; ro f; map 0 f 0 2 r; protect 0 2 rw = EACCES; put 0 z = SEGV; show 0 2 = f0 f1"),
	ROW("what was opened to be written when it was mapped",
	    "file f 1; map 0 f 0 1 rw; ro f; put 0 z; protect 0 1 r; protect 0 1 rw; put 0 y; read f 0 1 = y0"),
	ROW("protect nothing",
	    "file f 1; map 0 f 0 1 rw; protect 0 0 r; protect 5b 1 r = EINVAL; put 0 z"),
	ROW("a hole becomes writable",
	    "hole f 2; map 0 f 0 2 r; show 0 2 = 0 0; protect 0 2 rw; put 1 z; read f 0 2 = 0 z1; b: map 0 f 0 2 r; "
	    "b: show 0 2 = 0 z1"),
	ROW("protection stays when bytes go",
	    "file f 3; map 0 f 0 3 rw; protect 0 1 r; protect 1 1 -; truncate f 0; show 0 3 = BUS SEGV BUS; "
	    "truncate f 3; show 0 3 = 0 SEGV 0; put 0 z = SEGV; put 2 z; protect 1 1 r; show 0 3 = 0 0 z2"),

	/* ---- remap ---- */
	ROW("shrink",
	    "file f 4; map 0 f 0 4 rw; remap 0 4 1 stay; show 0 4 = f0 SEGV SEGV SEGV; maps = 0-1 rw f0"),
	ROW("the same",
	    "file f 2; map 0 f 0 2 rw; remap 0 2 2 stay; show 0 2 = f0 f1; maps = 0-2 rw f0"),
	ROW("grow",
	    "file f 4; free 0 8; map 0 f 0 2 rw; remap 0 2 4 stay; show 0 5 = f0 f1 f2 f3 SEGV; "
	    "maps = 0-4 rw f0; put 3 z; read f 3 1 = z3"),
	ROW("grow where something is",
	    "file f 4; map 0 f 0 2 rw; remap 0 2 4 stay = ENOMEM; show 0 2 = f0 f1; maps = 0-2 rw f0"),
	ROW("grow where there is room",
	    "file f 4; map 0 f 0 2 rw; remap 0 2 4 move; show 0 2 = SEGV SEGV; show M 4 = f0 f1 f2 f3; put M+3 z; "
	    "read f 3 1 = z3; unmap M 4; show M 1 = SEGV"),
	ROW("grow past the end",
	    "file f 1; free 0 8; map 0 f 0 1 rw; remap 0 1 3 stay; show 0 3 = f0 BUS BUS; truncate f 2; "
	    "show 0 3 = f0 0 BUS"),
	ROW("move",
	    "file f 4; map 0 f 0 4 rw; put 1 z; remap 0 4 4 to 8; show 0 4 = SEGV SEGV SEGV SEGV; "
	    "show 8 4 = f0 z1 f2 f3; put 9 y; read f 1 1 = y9; maps = 8-12 rw f0"),
	ROW("move a part",
	    "file f 4; map 0 f 0 4 rw; remap 1 2 2 to 8; show 0 4 = f0 SEGV SEGV f3; "
	    "show 8 2 = f1 f2; maps = 0-1 rw f0, 3-4 rw f3, 8-10 rw f1"),
	ROW("move and grow", "file f 4; map 0 f 0 2 rw; remap 0 2 4 to 8; show 0 2 = SEGV SEGV; "
			     "show 8 4 = f0 f1 f2 f3; maps = 8-12 rw f0"),
	ROW("move and shrink",
	    "file f 4; map 0 f 0 4 rw; remap 0 4 2 to 8; show 0 4 = SEGV SEGV SEGV SEGV; "
	    "show 8 3 = f0 f1 SEGV; maps = 8-10 rw f0"),
	ROW("move over another",
	    "file f 2; file g 4; map 0 f 0 2 rw; map 8 g 0 4 r; remap 0 2 2 to 9; "
	    "show 8 4 = g0 f0 f1 g3; maps = 8-9 r g0, 9-11 rw f0, 11-12 r g3"),
	ROW("move to where it was",
	    "file f 2; map 0 f 0 2 rw; remap 0 2 2 to 8; remap 8 2 2 to 0; show 0 2 = f0 f1; maps = 0-2 rw f0"),
	ROW("move onto itself",
	    "file f 4; map 0 f 0 4 rw; remap 0 4 4 to 2 = EINVAL; remap 0 4 4 to 0 = EINVAL; "
	    "show 0 4 = f0 f1 f2 f3"),
	ROW("move what is not to be touched",
	    "file f 2; map 0 f 0 2 rw; protect 0 2 -; remap 0 2 2 to 8; show 8 2 = SEGV SEGV; protect 8 2 r; "
	    "show 8 2 = f0 f1"),
	ROW("move, then the file changes",
	    "file f 4; map 0 f 0 4 rw; remap 0 4 4 to 8; truncate f 1; show 8 4 = f0 BUS BUS BUS; truncate f 3; "
	    "show 8 4 = f0 0 0 BUS; b: truncate f 0; show 8 4 = BUS BUS BUS BUS"),
	ROW("move what is past the end",
	    "file f 4; map 0 f 0 4 rw; truncate f 1; remap 0 4 4 to 8; show 8 4 = f0 BUS BUS BUS; truncate f 2; "
	    "show 8 3 = f0 0 BUS"),
	ROW("move two windows at once",
	    "file f 2; file g 2; map 0 f 0 2 rw; map 2 g 0 2 rw; remap 0 4 4 to 8 = EFAULT; show 0 4 = f0 f1 g0 g1"),
	ROW("remap more than the window",
	    "file f 4; free 0 8; map 0 f 0 2 rw; remap 0 4 4 move = EFAULT; remap 0 4 2 stay; maps = 0-2 rw f0"),
	ROW("remap nothing", "free 0 4; remap 0 2 2 move = EFAULT; remap 0 2 2 to 8 = EFAULT"),
	ROW("remap to nothing",
	    "file f 2; map 0 f 0 2 rw; remap 0 2 0 stay = EINVAL; show 0 2 = f0 f1"),
	ROW("remap of nothing",
	    "file f 2; map 0 f 0 2 rw; remap 0 0 2 move; show M 2 = f0 f1; show 0 2 = f0 f1"),
	ROW("remap between units",
	    "file f 2; map 0 f 0 2 rw; remap 5b 1 1 move = EINVAL; remap 0 1 1 to 8+5b = EINVAL; show 0 2 = f0 f1"),

	/* ---- the file changes ---- */
	ROW("truncate",
	    "file f 4; map 0 f 0 4 rw; truncate f 1; show 0 4 = f0 BUS BUS BUS; put 1 z = BUS; "
	    "truncate f 4; show 0 4 = f0 0 0 0; put 1 z; read f 0 4 = f0 z1 0 0"),
	ROW("truncate, read only",
	    "file f 4; map 0 f 0 4 r; truncate f 1; show 0 4 = f0 BUS BUS BUS; truncate f 4; "
	    "show 0 4 = f0 0 0 0; b: map 0 f 0 4 rw; b: put 2 z; show 0 4 = f0 0 z2 0"),
	ROW("another process truncates",
	    "file f 4; map 0 f 0 4 rw; b: map 0 f 1 3 r; b: truncate f 2; show 0 4 = f0 f1 BUS BUS; "
	    "b: show 0 3 = f1 BUS BUS; b: truncate f 0; show 0 4 = BUS BUS BUS BUS; truncate f 4; "
	    "show 0 4 = 0 0 0 0; b: show 0 3 = 0 0 0; put 2 z; b: show 0 3 = 0 z2 0"),
	ROW("several windows on what goes",
	    "file f 4; map 0 f 2 2 rw; map 4 f 0 2 rw; map 8 f 1 3 r; truncate f 3; show 0 2 = f2 BUS; "
	    "show 4 2 = f0 f1; show 8 3 = f1 f2 BUS; unmap 8 1; truncate f 2; show 0 2 = BUS BUS; "
	    "show 8 3 = SEGV BUS BUS"),
	ROW("within a page",
	    "file f 2; map 0 f 0 2 rw; truncate f 100b; show 0 2 = f0|0 BUS; truncate f 2; "
	    "show 0 2 = f0|0 0; put 1 z; show 0 2 = f0|0 z1"),
	ROW("within a page, longer again",
	    "file f 3; map 0 f 0 3 rw; b: map 0 f 0 3 r; truncate f 1+100b; truncate f 3; show 0 3 = f0 f1|0 0; "
	    "b: show 0 3 = f0 f1|0 0; read f 0 3 = f0 f1|0 0"),
	ROW("within a later page",
	    "file f 3; map 0 f 0 3 rw; b: map 0 f 0 3 r; truncate f 1+100b; "
	    "show 0 3 = f0 f1|0 BUS; b: show 0 3 = f0 f1|0 BUS; size f = 1+100b"),
	ROW("past the end",
	    "file f 1; map 0 f 0 4 rw; show 0 4 = f0 BUS BUS BUS; truncate f 3; show 0 4 = f0 0 0 BUS; "
	    "put 2 z; put 3 z = BUS; write f 3 1 y; show 0 4 = f0 0 z2 y3"),
	ROW("all past the end",
	    "file f 1; map 0 f 3 2 rw; show 0 2 = BUS BUS; truncate f 4; show 0 2 = 0 BUS; "
	    "put 0 z; show 0 2 = z0 BUS; read f 3 1 = z0"),
	ROW("an empty file",
	    "hole f 0; map 0 f 0 2 rw; show 0 2 = BUS BUS; truncate f 1; show 0 2 = 0 BUS"),
	ROW("punch",
	    "file f 4; map 0 f 0 4 rw; punch f 1 2; show 0 4 = f0 0 0 f3; put 1 z; read f 0 4 = f0 z1 0 f3; "
	    "punch f 0 4; show 0 4 = 0 0 0 0"),
	ROW("punch, read only",
	    "file f 4; map 0 f 0 4 r; b: map 0 f 0 4 rw; punch f 1 2; show 0 4 = f0 0 0 f3; b: show 0 4 = f0 0 0 f3; "
	    "b: put 1 z; show 0 4 = f0 z1 0 f3; b: punch f 0 4; show 0 4 = 0 0 0 0; b: put 3 y; show 0 4 = 0 0 0 y3"),
	ROW("punch within pages", "file f 3; map 0 f 0 3 rw; punch f 8b 2; show 0 3 = f0|0 0 0|f2"),
	ROW("a hole",
	    "hole f 4; map 0 f 0 4 r; show 0 4 = 0 0 0 0; b: map 0 f 0 4 rw; b: put 2 y; show 0 4 = 0 0 y2 0"),
	ROW("a hole that is written",
	    "hole f 4; map 0 f 0 4 r; show 0 4 = 0 0 0 0; write f 1 1 z; "
	    "show 0 4 = 0 z1 0 0; b: write f 3 1 y; show 0 4 = 0 z1 0 y3"),
	ROW("a hole that is allocated",
	    "hole f 2; map 0 f 0 4 r; show 0 4 = 0 0 BUS BUS; alloc f 0 3; size f = 3; "
	    "show 0 4 = 0 0 0 BUS; b: map 0 f 0 3 rw; b: put 1 z; show 0 3 = 0 z1 0"),
	ROW("the file grows by a write",
	    "file f 1; map 0 f 0 3 r; write f 2 1 z; show 0 3 = f0 0 z2"),
	ROW("unlink",
	    "file f 2; map 0 f 0 2 rw; b: map 0 f 0 2 rw; unlink f; close f; show 0 2 = f0 f1; put 0 z; "
	    "b: show 0 2 = z0 f1; unmap 0 2; b: show 0 2 = z0 f1; b: put 1 y; b: show 0 2 = z0 y1"),
	ROW("close",
	    "file f 4; map 0 f 0 4 rw; close f; show 0 4 = f0 f1 f2 f3; protect 0 1 r; protect 0 1 rw; remap 0 4 4 to 8; "
	    "show 8 4 = f0 f1 f2 f3; unmap 9 1; show 8 4 = f0 SEGV f2 f3"),
	ROW("close, then it shrinks",
	    "file f 2; map 0 f 0 2 rw; b: size f = 2; close f; b: truncate f 1; show 0 2 = f0 BUS; "
	    "b: truncate f 2; show 0 2 = f0 0"),
	ROW("rename over",
	    "file f 2; file g 2; map 0 f 0 2 r; b: map 0 f 0 2 r; rename g f; show 0 2 = f0 f1; close f; "
	    "close g; map 4 f 0 2 r; show 4 2 = g0 g1; show 0 2 = f0 f1; b: show 0 2 = f0 f1"),
	ROW("a page of no file",
	    "file f 2; map 0 f 0 2 rw; unlink f; truncate f 1; show 0 2 = f0 BUS; truncate f 2; "
	    "show 0 2 = f0 0"),
	ROW("sync",
	    "file f 2; map 0 f 0 2 rw; put 0 z; sync 0 2; sync 0 5b; free 4 1; sync 4 1 = ENOMEM; "
	    "sync 5b 1 = EINVAL"),

	/* ---- parts of 2 MiB ---- */
	SMALL("unmap a page of 2 MiB",
	      "file f 1m; map 0 f 0 1m rw; unmap 5 1; show 4 3 = f4 SEGV f6; "
	      "show 1m-1 2 = f511 SEGV; put 6 z; put 1m-1 z; read f 5 2 = f5 z6"),
	SMALL("protect a page of 2 MiB",
	      "file f 1m; map 0 f 0 1m rw; protect 5 1 r; put 4 z; put 5 z = SEGV; put 6 z; "
	      "show 4 3 = z4 f5 z6; protect 5 1 rw; put 5 y; show 4 3 = z4 y5 z6"),
	SMALL("punch a page of 2 MiB",
	      "file f 1m; map 0 f 0 1m rw; b: map 0 f 0 1m r; punch f 5 1; "
	      "show 4 3 = f4 0 f6; b: show 4 3 = f4 0 f6; put 5 z; b: show 4 3 = f4 z5 f6"),
	SMALL("cut within 2 MiB",
	      "file f 1m; map 0 f 0 1m rw; b: map 0 f 0 1m r; truncate f 5; show 3 3 = f3 f4 BUS; "
	      "b: show 3 3 = f3 f4 BUS; show 1m-1 1 = BUS; truncate f 1m; show 3 3 = f3 f4 0"),
	SMALL("move a page of 2 MiB",
	      "file f 1m; map 0 f 0 1m rw; remap 5 1 1 to 2m; show 4 3 = f4 SEGV f6; "
	      "show 2m 2 = f5 SEGV; put 2m z; put 6 z"),
	SMALL("move 2 MiB by a page",
	      "file f 1m; map 0 f 0 1m rw; remap 0 1m 1m to 2m+1; show 2m 3 = SEGV f0 f1; "
	      "show 3m-1 3 = f510 f511 SEGV; put 2m+1 z; read f 0 2 = z1025 f1"),
	SMALL("2 MiB at another alignment",
	      "file f 2m; map 1 f 0 1m r; map 2m f 1 1m r; show 0 3 = SEGV f0 f1; "
	      "show 2m 2 = f1 f2; show 3m-1 2 = f512 SEGV"),
	SMALL("2 MiB of a hole",
	      "hole f 2m; map 0 f 0 2m r; show 0 2 = 0 0; show 1m 1 = 0; b: map 0 f 0 2m rw; "
	      "b: put 1m+5 z; show 1m+4 3 = 0 z517 0; b: put 3 y; show 2 3 = 0 y3 0"),
	SMALL("2 MiB are replaced",
	      "file f 2m; file g 1m; map 0 f 0 2m r; map 1m g 0 1m r; show 1m-1 2 = f511 g0; "
	      "show 2m-1 2 = g511 SEGV"),
	{.name = NULL},
};

/* The rows of the tables in a kernel's own words: what a DAX file system does there, and what tmpfs and hugetlbfs do. Where the former is worse, ours is the latter. */
const struct window_row window_oracle_rows[] = {
	/* ---- counts ---- */
	ROW("counts: 1 / 2 / 3 mappings",
	    "file f 1; map 0 f 0 1 r; show 0 1 = f0; count 0 = 1; map 2 f 0 1 r; show 2 1 = f0; count 0 = 2; "
	    "b: map 0 f 0 1 r; b: show 0 1 = f0; count 0 = 3; b: count 0 = 3; unmap 2 1; count 0 = 2; b: unmap 0 1; "
	    "count 0 = 1"),
	SMALL("counts: one 4K PTE onto an order-9 folio",
	      "file f 1m; map 0 f 7 1 r; show 0 1 = f7; count 0 = 1; map 1 f 8 1 r; show 1 1 = f8; count 1 = 1; "
	      "unmap 0 1; show 1 1 = f8; count 1 = 1"),
	ROW("counts: after truncate to 0",
	    "file f 1; map 0 f 0 1 rw; show 0 1 = f0; truncate f 0; show 0 1 = BUS; count 0 = 0"),
	ROW("counts: page in a pipe",
	    "file f 1; map 0 f 0 1 rw; show 0 1 = f0; hold f 0; count 0 = 1; drop; count 0 = 1"),
	ROW("counts: a read of a hole maps the zero page",
	    "hole f 2; map 0 f 0 2 r; show 0 2 = 0 0; count 0 = 0; b: map 0 f 0 2 rw; b: put 0 z; show 0 2 = z0 0; "
	    "count 0 = 2"),
	ROW("counts: a read of an unwritten extent maps the zero page",
	    "hole f 2; alloc f 0 2; map 0 f 0 2 r; show 0 2 = 0 0; b: map 0 f 0 2 rw; b: put 0 z; show 0 2 = z0 0"),

	/* ---- a page is held, then ... ---- */
	ROW("held, then truncate to 0",
	    "file f 2; map 0 f 0 2 rw; hold f 0; truncate f 0; show 0 2 = BUS BUS; held = f0; "
	    "truncate f 2; show 0 2 = 0 0; put 0 z; held = f0; drop; show 0 2 = z0 0"),
	ROW("held, then truncate of another part",
	    "file f 2; map 0 f 0 2 rw; hold f 0; truncate f 1; show 0 2 = f0 BUS; held = f0; put 0 z; held = z0; drop"),
	ROW("held, then extending truncate",
	    "file f 1; map 0 f 0 2 rw; hold f 0; truncate f 2; show 0 2 = f0 0; held = f0; drop"),
	SMALL("held, then punch of another 2 MiB",
	      "file f 2m; map 0 f 0 2m rw; hold f 5; punch f 1m 1m; show 5 1 = f5; show 1m 1 = 0; held = f5; drop"),
	ROW("held, then punch of it",
	    "file f 2; map 0 f 0 2 rw; hold f 1; punch f 1 1; show 0 2 = f0 0; put 1 z; "
	    "held = f1; drop; show 0 2 = f0 z1"),
	ROW("held, then pwrite over it",
	    "file f 2; map 0 f 0 2 rw; hold f 0; write f 0 1 z; held = z0; drop"),
	ROW("held, then fsync", "file f 2; map 0 f 0 2 rw; hold f 0; sync 0 2; drop"),
	ROW("held, then rename over (still open)",
	    "file f 1; file g 1; map 0 f 0 1 r; hold f 0; rename g f; held = f0; show 0 1 = f0; close f; held = f0; "
	    "unmap 0 1; held = f0; drop"),
	ROW("held, then unlink of the last name",
	    "file f 1; map 0 f 0 1 r; hold f 0; unlink f; close f; show 0 1 = f0; unmap 0 1; held = f0; drop"),
	ROW("held, truncated, and mapped again by another process",
	    "file f 2; map 0 f 0 2 rw; b: map 0 f 0 2 rw; hold f 0; truncate f 0; b: show 0 2 = BUS BUS; truncate f 2; "
	    "b: put 0 z; drop; show 0 2 = z0 0; truncate f 0; show 0 2 = BUS BUS; b: show 0 2 = BUS BUS"),

	/* ---- truncate, punch ---- */
	ROW("truncate: live mapping then truncate to 0",
	    "file f 2; map 0 f 0 2 rw; b: map 0 f 0 2 r; truncate f 0; show 0 2 = BUS BUS; b: show 0 2 = BUS BUS; "
	    "truncate f 2; show 0 2 = 0 0; b: show 0 2 = 0 0"),
	ROW("truncate: truncate(100)",
	    "file f 2; map 0 f 0 2 rw; truncate f 100b; show 0 2 = f0|0 BUS"),
	ROW("punch: reads zeros",
	    "file f 2; map 0 f 0 2 rw; punch f 0 1; show 0 2 = 0 f1; count 1 = 1"),

	/* ---- operations on mappings ---- */
	ROW("operation: munmap of 4K inside 2M",
	    "file f 1m; map 0 f 0 1m rw; show 0 1 = f0; unmap 4096b 4096b"),
	ROW("operation: mprotect of 4K inside 2M",
	    "file f 1m; map 0 f 0 1m rw; show 0 1 = f0; protect 4096b 4096b r"),
	SMALL("operation: mremap shrink by 4K",
	      "file f 1m; map 0 f 0 1m rw; remap 0 1m 1m-1 stay; show 1m-2 2 = f510 SEGV"),
	ROW("operation: mremap move",
	    "file f 1m; map 0 f 0 1m rw; remap 0 1m 1m to 2m; show 2m 1 = f0; put 2m z"),
	ROW("operation: mremap grow",
	    "file f 2m; free 0 8m; map 0 f 0 1m rw; remap 0 1m 2m stay; put 2m-1 z"),
	ROW("operation: mmap of 4K length",
	    "file f 1m; map 0 f 0 4096b r; show 0 1 = f0; unmap 0 1"),
	ROW("operation: mmap at 4K offset", "file f 1m; map 0 f 4096b 1 r; unmap 0 1"),

	/* ---- pins by address ---- */
	ROW("pin by address",
	    "file f 2; map 0 f 0 2 rw; pin 0; pin 0 w; pin 1; protect 0 1 r; pin 0; pin 0 w = EFAULT; "
	    "pin 1 w; protect 0 1 -; pin 0 = EFAULT; unmap 0 2; pin 1 = EFAULT; pin 1 w = EFAULT"),
	ROW("pin past the end",
	    "file f 1; map 0 f 0 2 rw; pin 0; pin 1 = EFAULT; pin 1 w = EFAULT; truncate f 0; "
	    "pin 0 = EFAULT; truncate f 2; pin 1; pin 1 w"),
	ROW("pin of what was punched",
	    "file f 1; map 0 f 0 1 rw; punch f 0 1; pin 0 w; pin 0; show 0 1 = 0"),
	ROW("pin of a hole, to be written", "hole f 1; map 0 f 0 1 rw; pin 0 w"),
	ROW("pin of a hole, to be read", "hole f 1; map 0 f 0 1 r; pin 0"),
	{.name = NULL},
};

#define KNOWN(fs_, step_, expected_, got_, why_)                                      \
	{                                                                             \
		.fs = (fs_), .step = (step_), .expected = (expected_), .got = (got_), \
		.why = (why_)                                                         \
	}
#define KNOWN_IN(fs_, row_, step_, expected_, got_, why_)                             \
	{                                                                             \
		.fs = (fs_), .row = (row_), .step = (step_), .expected = (expected_), \
		.got = (got_), .why = (why_)                                          \
	}

#define NO_WRITE       "hugetlbfs has no write(2)"
#define WHOLE_PAGES    "a file on hugetlbfs has whole huge pages"
#define WRITABLE_GROWS "on hugetlbfs a writable mapping past the end makes the file longer"
#define MANY_AT_ONCE   "since 6.17 Linux moves several mappings at once, if none changes its length"
#define GROWS_NOT      "hugetlbfs mappings do not grow"
#define LESS_THAN_PAGE "less than a page of the device cannot be mapped alone"
#define READ_ONLY      "-PF_EREADONLY, as of all that writes"
#define NOT_YET \
	"a bug: when a huge page is cut or punched in part, the window is not brought up to date from there on"
#define ZERO_LEAF \
	"a hole that is only read is the zero page, which is not counted; tmpfs gives it a page of its own"

struct window_known window_knowns[] = {
	KNOWN("hugetlbfs", "write *", "ok", "EINVAL", NO_WRITE),
	KNOWN("hugetlbfs", "truncate f 100b", "ok", "EINVAL", WHOLE_PAGES),
	KNOWN("hugetlbfs", "truncate f 1+100b", "ok", "EINVAL", WHOLE_PAGES),
	{.fs = "host",
	 .step = "remap 0 4 4 *",
	 .expected = "EFAULT",
	 .got = "ok",
	 .maybe = true,
	 .why = MANY_AT_ONCE},
	KNOWN("hugetlbfs", "unmap 0 5b", "ok", "EINVAL",
	      "hugetlbfs does not round what is unmapped"),
	KNOWN("hugetlbfs", "maps", "0-4 rw f0", "*", "hugetlbfs mappings do not become one"),
	KNOWN("hugetlbfs", "remap 0 2 4 *", "*", "EINVAL", GROWS_NOT),
	KNOWN("hugetlbfs", "remap 0 1 3 stay", "ok", "EINVAL", GROWS_NOT),
	KNOWN("hugetlbfs", "remap 0 0 2 move", "ok", "EINVAL",
	      "only small pages can be mapped once more by a remap of length 0"),
	KNOWN("hugetlbfs", "show *", "f0 BUS BUS BUS", "f0 0 0 0", WRITABLE_GROWS),
	KNOWN("hugetlbfs", "show *", "BUS BUS", "0 0", WRITABLE_GROWS),
	KNOWN("pools", "remap 0 4 2 stay", "ok", "EFAULT",
	      "a range is all in one window, also when it shrinks"),
	KNOWN("pools", "map 0 f 0 1 -", "ok", "EINVAL", "a window can be read when it is made"),
	KNOWN("pools", "map 2 f 0 2 rw", "EACCES", "EROFS", READ_ONLY),
	KNOWN("pools", "protect 0 2 rw", "EACCES", "EROFS", READ_ONLY),
	KNOWN("pools", "protect 0 0 r", "ok", "EINVAL", "a range has a length"),
	KNOWN("pools", "remap 0 0 2 move", "ok", "EINVAL", "a range has a length"),
	KNOWN("huge pool", "show 0 2", "f0|0 BUS", "f0 f1", NOT_YET),
	KNOWN("huge pool", "show 0 3", "f0 f1|0 0", "f0 f1 f2", NOT_YET),
	KNOWN("huge pool", "show 0 3", "f0 f1|0 BUS", "f0 f1 f2", NOT_YET),
	KNOWN("huge pool", "show 0 3", "f0|0 0 0|f2", "f0 f1 0|f2", NOT_YET),
	{.fs = NULL},
};

struct window_known window_oracle_knowns[] = {
	KNOWN("host", "count 0", "0", "1", ZERO_LEAF),
	KNOWN("hugetlbfs", "write *", "ok", "EINVAL", NO_WRITE),
	KNOWN("hugetlbfs", "truncate f 100b", "ok", "EINVAL", WHOLE_PAGES),
	KNOWN("hugetlbfs", "remap 0 1m 2m stay", "ok", "EINVAL", GROWS_NOT),
	KNOWN("hugetlbfs", "pin 1", "EFAULT", "ok", WRITABLE_GROWS),
	KNOWN("pools", "pin 0", "ok", "ENXIO", "a hole has no page: -PF_EHOLE"),
	KNOWN("huge", "unmap 4096b *", "ok", "EINVAL", LESS_THAN_PAGE),
	KNOWN("huge", "protect 4096b *", "ok", "EINVAL", LESS_THAN_PAGE),
	KNOWN("huge", "map 0 f 4096b *", "ok", "EINVAL", LESS_THAN_PAGE),
	KNOWN("huge pool", "show 0 2", "f0|0 BUS", "f0 f1", NOT_YET),
	{.fs = NULL},
};

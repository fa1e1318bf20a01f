/* See posix_rows.h, and posix.h for what a script says. */
#include "posix_rows.h"

#include <stddef.h>

/* What paths meet: files, directories, links of every kind. */
#define TREE                                                                         \
	"create f; mkdir d; create d/f; mkdir empty; mkdir locked 0; mkdir ro 555; " \
	"symlink f ln; symlink d ld; symlink no dangling; symlink loop loop; "       \
	"symlink loop2 loop1; symlink loop1 loop2; symlink ld ld2; symlink ../f d/up; "

/* Every call that takes a path, $B. */
#define PATH_CALLS                                                                          \
	"mkdir $B|rmdir $B|unlink $B|create $B|open 0 $B r|open 0 $B w|open 0 $B rw,creat|" \
	"open 0 $B r,dir|open 0 $B r,nofollow|open 0 $B path|open 0 $B rw,creat,excl|"      \
	"open 0 $B rw,tmp|open 0 $B rw,trunc|link f $B|link $B g|symlink x $B|"             \
	"readlink $B|rename f $B|rename d $B|rename $B g|rename $B empty|"                  \
	"rename f $B noreplace|rename f $B exchange|rename $B f exchange|truncate $B 1|"    \
	"chmod $B 600|chown $B -1 -1|lchown $B -1 -1|utime $B 5 6|lutime $B 5 6|stat $B|"   \
	"lstat $B|access $B r|access $B x|setx $B user.a b|getx $B user.a|listx $B|"        \
	"rmx $B user.a|ls $B"

#define PATHS                                                                              \
	"''|.|..|./f|f/|f/x|f/.|f/..|d|d/|d/.|d/..|d//f|./d/./f|d/../f|d/f/|no|no/|"       \
	"no/x|no/..|ln|ln/|ln/x|ld|ld/|ld/.|ld/f|ld2/f|ld2/..|d/up|dangling|dangling/|"    \
	"dangling/x|loop|loop/|loop/x|loop1|loop1/x|locked/x|locked/.|ro/x|empty|empty/|"  \
	"empty/.|empty/..|@255|@256|@255/f|@256/f|d/@255|d/@256|%4095/f|%4096/f|%4095/no|" \
	"%4096/no|%4095/d|%4094/d/|%5000/f"

/* As user a: a file and a directory of the mode $B that are owned by the user $C, group 1001. */
#define MODES "0|1|2|4|7|10|20|40|70|100|200|400|700|1777|644|666|750|755|770|711|733"

/* A case, by root and by a; cases; and cases that say themselves who does what. */
#define ROW(name_, script_)                          \
	{                                            \
		.name = (name_), .script = (script_) \
	}
#define ROWS(name_, script_, ...)                                              \
	{                                                                      \
		.name = (name_), .script = (script_), .lists = { __VA_ARGS__ } \
	}
#define ROWS_AS(name_, script_, ...)                                                         \
	{                                                                                    \
		.name = (name_), .script = (script_), .lists = {__VA_ARGS__}, .user = "root" \
	}

const struct posix_row posix_rows[] = {
	/* ---- paths ---- */
	ROWS("paths", TREE "$A !?", PATH_CALLS, PATHS),
	ROW("40 links",
	    "create f; symlink f 1; symlink 1 2; symlink 2 3; symlink 3 4; symlink 4 5; symlink 5 6; "
	    "symlink 6 7; symlink 7 8; symlink 8 9; symlink 9 10; symlink 10 11; symlink 11 12; "
	    "symlink 12 13; symlink 13 14; symlink 14 15; symlink 15 16; symlink 16 17; "
	    "symlink 17 18; symlink 18 19; symlink 19 20; symlink 20 21; symlink 21 22; "
	    "symlink 22 23; symlink 23 24; symlink 24 25; symlink 25 26; symlink 26 27; "
	    "symlink 27 28; symlink 28 29; symlink 29 30; symlink 30 31; symlink 31 32; "
	    "symlink 32 33; symlink 33 34; symlink 34 35; symlink 35 36; symlink 36 37; "
	    "symlink 37 38; symlink 38 39; symlink 39 40; symlink 40 41; stat 40; stat 41 !ELOOP; "
	    "open 0 41 rw,creat !ELOOP; open 0 40 rw,creat; chmod 41 600 !ELOOP"),
	ROWS("what a link says", "symlink $A l; readlink l; readlink l 3; lstat l",
	     "x|/x|../x|@255|@256|@4000"),
	ROWS("too long a link", "symlink @$A l !?; lstat l !?", "4095|4096|5000"),

	/* ---- open ---- */
	ROWS("open", TREE "open 0 $A $B 640 !?; write 0 abc !?; read 0 10 !?; fstat 0 !?",
	     "f|d|new|ln|ld|dangling|loop|d/new|ro/new",
	     "r|w|rw|r,creat|w,creat|rw,creat|rw,creat,excl|w,trunc|rw,trunc|rw,creat,trunc|rw,append|"
	     "w,append|w,creat,append|r,dir|w,dir|rw,creat,nofollow|r,nofollow|rw,trunc,nofollow|path|"
	     "path,dir|path,nofollow|rw,tmp|w,tmp|r,dir,nofollow|rw,append,trunc"),
	ROWS("open by mode",
	     "create f; open 0 f rw; write 0 abc; chown f $C 1001; chmod f $A; as a; open 1 f $B !?; "
	     "write 1 x !?; pread 1 0 9 !?; as b; open 1 f $B !?; as c; open 1 f $B !?",
	     MODES, "r|w|rw|rw,trunc|w,append|path", "1001|1002"),
	ROWS("a new file's mode",
	     "open 0 f rw,creat $A; write 0 x; pread 0 0 1; open 1 f rw !?; fstat 0",
	     "0|200|400|600|1777|4755|2755|6777|7777"),
	ROWS("a new directory's mode", "mkdir d $A; lstat d; create d/x !?; mkdir d/d $A !?",
	     "0|200|400|700|1777|4755|2755|6777|7777"),
	ROW("trunc keeps what it is",
	    "create f 4755; open 0 f rw; write 0 abc; open 1 f w,trunc; fstat 0"),
	ROW("creat of what is there",
	    "create f 444; open 0 f r,creat 777; open 0 f w,creat,excl !EEXIST; lstat f"),

	/* ---- who may: files ---- */
	ROWS_AS("a file by mode",
		"mkdir w 777; create w/f; chown w/f $C 1001; chmod w/f $A; as a; $B !?; as b; $B !?; "
		"as c; $B !?; as root; $B !?",
		MODES,
		"truncate w/f 5|chmod w/f 604|chmod w/f 6777|chown w/f 1001 -1|chown w/f -1 1001|"
		"chown w/f 1002 1002|lchown w/f -1 1003|chown w/f -1 -1|utime w/f now now|utime w/f 5 now|"
		"utime w/f now omit|utime w/f 5 6|utime w/f omit omit|access w/f r|access w/f w|"
		"access w/f x|access w/f f|access w/f r,w|setx w/f user.a b|getx w/f user.a|listx w/f|"
		"rmx w/f user.a|link w/f w/g|unlink w/f|rename w/f w/g|setx w/f security.x y|"
		"setx w/f trusted.x y",
		"1001|1002"),
	ROWS_AS("a directory by mode",
		"mkdir d; create d/f; mkdir d/d; symlink f d/l; create f 666; chown d $C 1001; chmod d $A; "
		"as a; $B !?; as b; $B !?; as c; $B !?; as root; $B !?",
		MODES,
		"ls d|seekdir d|stat d|stat d/f|lstat d/no|open 0 d/f r|open 0 d/no r|create d/n|"
		"open 0 d/f rw,creat|mkdir d/n|rmdir d/d|unlink d/f|unlink d/no|symlink x d/n|"
		"readlink d/l|link f d/n|link d/f n|rename d/f d/n|rename d/f n|rename f d/n|"
		"rename d/d n|rename d/f d/d|rename f d/f exchange|chmod d/f 600|chmod d 700|"
		"access d r|access d w|access d x|access d/f f|open 0 d rw,tmp|truncate d/f 1|"
		"utime d now now|chown d/f -1 -1|stat d/.|stat d/d/..|rmdir d|rename d e|"
		"setx d user.a b|getx d user.a",
		"1001|1002"),
	ROWS_AS("sticky",
		"mkdir d 777; create d/f 666; mkdir d/e 777; create d/g 666; create n 666; mkdir m 777; "
		"chown d/f $B -1; chown d/e $B -1; chown d $A -1; chmod d 1777; chown n $B -1; chown m $B -1; "
		"as a; $C !?; as b; $C !?; as root; $C !?",
		"0|1001|1002", "0|1001|1002",
		"unlink d/f|rmdir d/e|rename d/f d/x|rename d/e d/x|rename d/f x|rename d/e x|"
		"rename n d/f|rename m d/e|rename d/f d/g|rename d/g d/f|rename n d/f exchange|"
		"rename d/f d/e exchange|link d/f d/l|rename d/f d/f|rename d/f d/x noreplace|"
		"open 0 d/f rw,creat|open 0 d/f w,trunc"),
	ROW("links of others",
	    "mkdir d 1777; create d/f 600; symlink f d/l; chown d/f 1002 1002; lchown d/l 1002 1002; as a; "
	    "stat d/l !?; open 0 d/l r !?; readlink d/l !?; unlink d/l !EPERM; lchown d/l 1001 -1 !EPERM; "
	    "lutime d/l 5 6 !EPERM"),

	/* ---- owners, set-ids ---- */
	ROWS_AS("chown by", "create f $A; chown f $B $C; lstat f", "644|6755|6745|2745|4711|7777",
		"-1|0|1001|1002", "-1|0|1001|1002"),
	ROWS_AS("chown by the owner",
		"create f; chown f 1003 1003; chmod f $A; mkdir d; chown d 1003 1003; chmod d $A; as c; "
		"chown f $B $C !?; chown d $B $C !?; lstat f; lstat d",
		"644|6755|6745|2745|7777", "-1|0|1001|1003", "-1|0|1001|1003|1002"),
	ROWS_AS("chown of a link", "symlink f l; lchown l $A $B; lstat l; chown l $A $B !ENOENT",
		"-1|0|1001", "-1|0|1001"),
	ROWS_AS("chmod by",
		"create f; chown f 1003 $B; mkdir d; chown d 1003 $B; as c; chmod f $A !?; chmod d $A !?; "
		"lstat f; lstat d; open 0 f rw,append !?; fchmod 0 $A !?",
		"0|777|1777|2777|2700|4777|6777|7777", "1001|1002|1003"),
	ROWS_AS("set-ids after a write",
		"create f 666; chown f 1002 1002; open 1 f rw; pwrite 1 0 abcdef; chmod f $A; as $B; open 0 f w !?; "
		"as root; chmod f $A; as $B; $C !?; lstat f !?",
		"6777|6767|2767|2777|4777|7766", "root|a|b|c",
		"write 0 x|pwrite 0 100 x|truncate f 2|ftruncate 0 2|truncate f 6|ftruncate 0 6|"
		"fallocate 0 alloc 0 9|fallocate 0 punch 0 3|setx f user.a b|link f g|open 2 f w,trunc|"
		"rename f g|utime f now now|write 0 ''"),
	ROWS_AS("a setgid directory",
		"mkdir d; chown d 1002 $A; chmod d $B; as $C; create d/f 2755; open 0 d/g rw,creat 2775; "
		"open 0 d/h rw,creat 6755; open 1 d rw,tmp 2775; fstat 1; mkdir d/e; mkdir d/k 2700; "
		"symlink x d/l; ls d; lstat d/f; lstat d/e; lstat d/l",
		"1001|1002|1003", "2777|777|3777", "root|a|b|c"),

	/* ---- names ---- */
	ROWS("rename",
	     "create f; chmod f 600; create f2; mkdir d; mkdir d2; mkdir full; create full/x; mkdir full2; "
	     "mkdir full2/y; symlink f l; symlink d ld; link f fl; rename $A $B $C !?; rename $A $B $C !?",
	     "f|d|full|l|ld|no|fl|.|..|full/x|d/|f/|l/|ld/",
	     "f|f2|d|d2|full|full2|l|ld|no|fl|full/new|full2/y|d/in|full/sub/x|.|..|d2/|no/|f2/|ld/|d/.",
	     "plain|noreplace|exchange"),
	ROW("rename below itself",
	    "mkdir a; mkdir a/b; mkdir a/b/c; rename a a/x !EINVAL; rename a a/b !?; rename a a/b/c !?; "
	    "rename a/b/c a !?; rename a/b a !ENOTEMPTY; rename a a/b exchange !EINVAL; "
	    "rename a/b/c a exchange !EINVAL; rename a/b/c c; rename a c/a; tree"),
	ROW("rename's flags", "create a; create b; rename a b noreplace,exchange !EINVAL"),
	ROW("a directory moves between directories",
	    "mkdir a; mkdir b; mkdir a/d; create a/d/f; rename a/d b/d; lstat a; lstat b; stat b/d/../d/f; "
	    "rename b/d a/e; stat a/e/f; mkdir b/full; create b/full/x; rename a b exchange; tree"),
	ROW("rename over what is open",
	    "create f; open 0 f rw; write 0 old; create g; open 1 g rw; write 1 newer; rename g f; fstat 0; "
	    "pread 0 0 9; fstat 1; pread 1 0 9; pwrite 0 3 more; pread 0 0 9; linkfd 0 h !ENOENT"),
	ROW("rename by who may not write the directory itself",
	    "mkdir p 777; mkdir p/d 555; chown p/d 1001 1001; mkdir q 777; as a; rename p/d p/e; "
	    "rename p/e q/d !?; as b; rename p/e p/f !?; rename p/e q/d !?"),
	ROW("link",
	    "create f; link f g; link g h; lstat f; unlink f; lstat h; chmod g 600; lstat h; link f x !ENOENT; "
	    "link g g !EEXIST; link g h !EEXIST; mkdir d; link d e !?; symlink g l; link l m; lstat m; readlink m"),
	ROW("link to what is open without a name",
	    "create f; open 0 f rw; unlink f; write 0 abc; fstat 0; pread 0 0 3; linkfd 0 g !ENOENT"),
	ROW("a file without a name",
	    "open 0 . rw,tmp 640; write 0 abc; fstat 0; ls .; linkfd 0 f; fstat 0; lstat f; linkfd 0 f !EEXIST; "
	    "linkfd 0 g; fstat 0; unlink f; unlink g; linkfd 0 h !?"),
	ROW("a file that never has a name",
	    "open 0 . rw,tmp,excl; write 0 abc; linkfd 0 f !ENOENT"),
	ROWS_AS("links of others' files",
		"mkdir d 777; create d/f $A; chown d/f $B $B; as a; link d/f d/g !?; as c; link d/f d/h !?",
		"600|644|666|4755|2755|2745|660", "0|1001|1002"),
	ROW("rmdir",
	    "mkdir d; mkdir d/e; rmdir d !ENOTEMPTY; create d/f; rmdir d/e; rmdir d !ENOTEMPTY; unlink d/f; "
	    "rmdir d; rmdir d !ENOENT; rmdir . !EINVAL; mkdir e; rmdir e/. !EINVAL; rmdir e/.. !ENOTEMPTY; "
	    "rmdir e/; create f; rmdir f !ENOTDIR; symlink f l; rmdir l !ENOTDIR"),
	ROW("a removed directory that is open",
	    "mkdir d; open 0 d r,dir; rmdir d; fstat 0; fchmod 0 700; fstat 0"),
	ROW("a removed file that is open",
	    "create f; open 0 f rw; write 0 abc; unlink f; create f; fstat 0; fchmod 0 600; ftruncate 0 9; "
	    "pread 0 0 9; fstat 0; lstat f; close 0; fstat 0 !EBADF"),
	ROW("unlink",
	    "create f; mkdir d; unlink d !?; unlink d/ !?; unlink f/ !?; unlink f; unlink f !ENOENT; symlink f l; unlink l; "
	    "symlink d l; unlink l/ !?; unlink l; stat d"),
	ROW("many names",
	    "mkdir d; create d/1; create d/2; create d/3; create d/4; create d/5; mkdir d/6; symlink x d/7; create d/@255; "
	    "seekdir d; ls d; unlink d/3; seekdir d; ls d; seekdir d/6; ls d/6"),
	ROWS("names of any bytes", "create $A; lstat $A; rename $A b; ls .; rename b $A; unlink $A",
	     "a|..a|...|\xff\xfe|\x01|a*b|\\|\"|-|@255"),

	/* ---- bytes ---- */
	ROW("write",
	    "open 0 f rw,creat; write 0 hello; write 0 world; read 0 5; pread 0 0 20; pread 0 3 4; pread 0 20 4; "
	    "pwrite 0 2 XY; pread 0 0 99; seek 0 set 1; read 0 3; read 0 99; read 0 99; fstat 0"),
	ROWS("holes",
	     "open 0 f rw,creat; pwrite 0 $A x; pread 0 0 65536; fstat 0; seek 0 data 0; seek 0 hole 0; "
	     "pwrite 0 $B y; pread 0 0 65536; seek 0 data 0; seek 0 hole 0; seek 0 data 4096 !?; "
	     "seek 0 hole 4096 !?; fstat 0",
	     "0|1|4095|4096|4097|8191|65536|1048575", "0|1|4095|4096|10000|65535|200000"),
	ROW("append",
	    "create f; open 0 f rw,append; open 1 f w,append; write 0 ab; write 1 cd; write 0 ef; pread 0 0 9; "
	    "seek 0 cur 0; open 2 f rw; pwrite 2 1 X; write 1 gh; pread 0 0 20; pwrite 0 0 Z; pread 0 0 20; "
	    "ftruncate 0 1; write 1 q; pread 0 0 9"),
	ROWS("wrong descriptors",
	     "create f; open 0 f $A; write 0 a !?; read 0 1 !?; pwrite 0 0 a !?; pread 0 0 1 !?; ftruncate 0 1 !?; "
	     "fallocate 0 alloc 0 1 !?; fallocate 0 punch 0 1 !?; seek 0 set 0 !?; fchmod 0 600 !?; fchown 0 -1 -1 !?; "
	     "futime 0 1 2 !?; sync 0 !?; fstat 0 !?; seek 0 data 0 !?",
	     "r|w|path|rw|w,append"),
	ROW("directories have no bytes",
	    "mkdir d; open 0 d r; read 0 1 !EISDIR; pread 0 0 1 !EISDIR; write 0 a !EBADF; ftruncate 0 0 !EINVAL; "
	    "truncate d 0 !EISDIR; fallocate 0 alloc 0 1 !EBADF; sync 0; open 0 d w !EISDIR; open 0 d rw,trunc !EISDIR"),
	ROWS("truncate",
	     "open 0 f rw,creat; write 0 a*10000; $C $B; fstat 0; pread 0 0 65536; $C 12000; pread 0 0 65536; fstat 0; "
	     "pwrite 0 $A z; pread 0 0 65536; fstat 0",
	     "0|1|4096|9999|11999", "0|1|4095|4096|4097|8192|9999|10000|10001|20000",
	     "truncate f|ftruncate 0"),
	ROW("sizes that cannot be",
	    "open 0 f rw,creat; ftruncate 0 -1 !EINVAL; truncate f -1 !EINVAL; pwrite 0 -1 a !EINVAL; pread 0 -1 1 !EINVAL; "
	    "seek 0 set -1 !EINVAL; fallocate 0 alloc -1 1 !EINVAL; fallocate 0 alloc 0 0 !EINVAL; "
	    "fallocate 0 alloc 0 -1 !EINVAL; fallocate 0 punch 0 0 !EINVAL; "
	    "seek 0 data 0 !ENXIO; seek 0 hole 0 !ENXIO; fallocate 0 alloc 0x7fffffffffffffff 2 !EFBIG; "
	    "pread 0 0x7ffffffffffff000 1"),
	ROWS("large",
	     "open 0 f rw,creat; ftruncate 0 $A; fstat 0; pwrite 0 $A x; fstat 0; pread 0 $A 2; seek 0 data 0; "
	     "seek 0 hole $A; seek 0 end 0; truncate f 0; fstat 0",
	     "0x7fffffff|0x80000000|0xffffffff|0x100000000|0x10000000000"),
	ROWS("fallocate",
	     "open 0 f rw,creat; write 0 a*$C; fallocate 0 $A $B; fstat 0; pread 0 0 65536; ftruncate 0 30000; "
	     "pread 0 0 65536",
	     "alloc|keep|punch|zero|keep,zero",
	     "0 1|0 4096|1 4095|4000 200|4096 4096|5000 10000|8192 1|20000 5000|0 30000",
	     "1|4096|10000"),
	ROWS("fallocate, blocks",
	     "open 0 f rw,creat; fallocate 0 $A 0 40000; kib f; fstat 0; seek 0 data 0 !?; ftruncate 0 5000; "
	     "kib f; pwrite 0 4096 x; seek 0 data 0 !?; fallocate 0 punch 0 50000; kib f; fstat 0",
	     "alloc|keep|keep,zero"),
	ROW("read at the end",
	    "open 0 f rw,creat; write 0 abc; read 0 1; pread 0 3 1; pread 0 2 5; pread 0 0 0; write 0 ''; fstat 0"),
	ROW("copy_file_range",
	    "open 0 f rw,creat; write 0 abcdefghij; open 1 g rw,creat; copy 0 2 1 0 5; pread 1 0 99; copy 0 8 1 9000 100; "
	    "pread 1 0 20000; copy 0 10 1 0 5; copy 0 0 0 5 5; pread 0 0 99; copy 0 0 0 2 5 !EINVAL; open 2 f r; "
	    "copy 0 0 2 0 1 !EBADF; open 3 g w,append; copy 0 0 3 0 1 !EBADF; fstat 1"),
	ROW("sync", "open 0 f rw,creat; write 0 a; sync 0"),
	ROW("two descriptors",
	    "open 0 f rw,creat; open 1 f rw; write 0 abc; read 1 9; pwrite 1 1 X; pread 0 0 9; ftruncate 1 2; "
	    "pread 0 0 9; fstat 0; close 0; write 1 Q; pread 1 0 9; open 2 f r; pread 2 0 9"),

	/* ---- times ---- */
	ROWS("times moved",
	     "mkdir d; mkdir d2; create d/f 666; open 0 d/f rw; write 0 abcdef; create d/g; symlink x d/l; mkdir d/e; mark d; mark d2; "
	     "mark d/f; mark d/l; mark d/e; tick; $A !?; moved d; moved d2; moved d/f !?; moved d/l !?; moved d/e !?",
	     "create d/n|mkdir d/n|symlink x d/n|link d/f d/n|unlink d/f|unlink d/l|rmdir d/e|rename d/f d/n|rename d/f d2/n|"
	     "rename d/e d2/e|rename d/f d/g|rename d/f d/l|rename d/l d/f|rename d/f d/l exchange|rename d/e d2 exchange|"
	     "rename d/f d/f|chmod d/f 600|chmod d/f 666|chown d/f -1 -1|chown d/f 0 0|lchown d/l -1 -1|utime d/f now now|"
	     "utime d/f omit now|utime d/f 7 omit|utime d/f omit omit|write 0 x|write 0 ''|pwrite 0 1 x|ftruncate 0 3|"
	     "ftruncate 0 6|ftruncate 0 9|truncate d/f 3|truncate d/f 6|truncate d/f 9|open 1 d/f w,trunc|open 1 d/f w|open 1 d/f r|"
	     "fallocate 0 alloc 0 9|fallocate 0 alloc 0 3|fallocate 0 keep 0 9999|fallocate 0 punch 0 3|fallocate 0 punch 9 3|fallocate 0 zero 0 3|"
	     "setx d/f user.a b|rmx d/f user.a|getx d/f user.a|setx d user.a b|read 0 3|stat d/f|ls d|readlink d/l|access d/f r|"
	     "sync 0|open 1 d/f rw,creat|open 1 d/n rw,creat|open 1 d rw,tmp|linkfd 0 d/n|mkdir d/e|unlink d/no|create d/f"),
	ROWS("trunc of an empty file", "create f; mark f; tick; $A; moved f",
	     "open 0 f w,trunc|open 0 f w,creat,trunc|truncate f 0"),
	ROWS("times given",
	     "create f; $A $B $C; times f; stat f; symlink f l; lutime l 11 12; times l; times f",
	     "utime f|lutime f", "0|5|omit", "0|6|omit"),
	ROW("times given to a descriptor",
	    "create f; open 0 f r; futime 0 5 6; times f; mkdir d; open 1 d r; futime 1 7 8; times d"),
	ROWS("access times",
	     "create f; open 0 f rw; write 0 abc; utime f 5 6; mark f; tick; $A; moved f atime",
	     "read 0 1|pread 0 0 2|write 0 x|stat f"),
	ROWS("access time of a directory",
	     "mkdir d; create d/f; utime d 5 6; mark d; tick; $A; moved d atime",
	     "ls d|stat d|stat d/f"),

	/* ---- extended attributes ---- */
	ROWS("extended attributes",
	     "create $A; setx $A user.a abc; getx $A user.a; getx $A user.b !ENODATA; setx $A user.a x*100 create !EEXIST; "
	     "setx $A user.b y replace !ENODATA; setx $A user.a z*200 replace; getx $A user.a; setx $A user.b ''; getx $A user.b; "
	     "listx $A; listx $A 0; listx $A 3 !ERANGE; getx $A user.a 3 !ERANGE; getx $A user.a 0; rmx $A user.a; "
	     "rmx $A user.a !ENODATA; listx $A; getx $A user.a !ENODATA",
	     "f"),
	ROW("extended attributes of a directory",
	    "mkdir d; setx d user.a b; getx d user.a; listx d; rmx d user.a"),
	ROWS("names of attributes", "create f; setx f $A v !?; getx f $A !?; rmx f $A !?; listx f",
	     "user.|user|u|''|user.@1|nothing.a|trusted.a|security.a|system.a|user.a.b.c|USER.a"),
	ROWS("long attributes", "create f; setx f $A $B !?; getx f $A 0 !?; listx f",
	     "@255|@256|user.abcdefghijklmnop", "x|x*3000|x*65536|x*65537"),
	ROW("flags of attributes", "create f; setx f user.a b create,replace !?"),
	ROW("attributes of a link",
	    "symlink no l; setx l user.a b !ENOENT; getx l user.a !ENOENT; symlink f m; create f; setx m user.a b; getx f user.a"),

	/* ---- programs ---- */
	ROW("a program that runs",
	    "program p; run p; open 0 p w !?; open 0 p rw !?; open 0 p w,trunc !?; truncate p 1 !?; open 0 p r; unlink p; ls ."),
	ROW("what is open to write does not run",
	    "program p; open 0 p w; run p !ETXTBSY; close 0; run p"),
	ROW("what is no program",
	    "create f 644; run f !EACCES; create g 755; run g !?; mkdir d; run d !EACCES; run f/x !ENOTDIR"),
	{.name = NULL},
};

#define KNOWN(fs_, step_, host_, ours_, why_)                                                 \
	{                                                                                     \
		.fs = (fs_), .step = (step_), .host = (host_), .ours = (ours_), .why = (why_) \
	}

#define KNOWN_IN(fs_, script_, step_, host_, ours_, why_)                           \
	{                                                                           \
		.fs = (fs_), .script = (script_), .step = (step_), .host = (host_), \
		.ours = (ours_), .why = (why_)                                      \
	}

struct posix_known posix_knowns[] = {
	KNOWN_IN(
		"library", "chown f -1 -1", "lstat f", "ok", "ok",
		"chown(2) of nobody to nobody takes set-ids away; pf_setattr() is told of somebody"),
	KNOWN("library", "access %4095*", "*", "*",
	      "pf_access() takes paths from the root: longer ones"),
	KNOWN("library", "open *w,dir", "*", "EINVAL",
	      "contradicting flags are refused before anything is looked at"),
	KNOWN_IN("library", "chown d/f -1 -1", "moved *", "ok", "ok",
		 "chown(2) of nobody to nobody is a change of nothing; pf_setattr() is not called"),
	KNOWN_IN("library", "chown d/l -1 -1", "moved *", "ok", "ok",
		 "chown(2) of nobody to nobody is a change of nothing; pf_setattr() is not called"),
	KNOWN_IN("*", "truncate f 0", "moved *", "ok", "ok",
		 "a truncation to 0 is always one, as that of O_TRUNC is"),
	KNOWN("*", "setx *x*65536", "ok", "E2BIG",
	      "attributes of one file have 4,080 bytes together"),
	KNOWN("library", "setx *x*65537", "E2BIG", "EOPNOTSUPP",
	      "the name is looked at before the size"),
	KNOWN("mount", "moved f atime", "ok", "ok",
	      "what the kernel reads in pages that it has, or pins, is no read for the library"),
	KNOWN("*", "setx *trusted.", "*", "*", "no trusted.* attributes"),
	{.fs = "library",
	 .step = "link *",
	 .host = "EPERM",
	 .ours = "ok",
	 .maybe = true,
	 .why = "fs.protected_hardlinks is the kernel's policy, and off elsewhere"},
	{.fs = NULL},
};

#!/bin/sh
# Patterns in pool paths match what bash matches on the same tree on the host, in the same order: a table, and patterns and names by chance.
# Each command takes them as its kind of operand; what is no match, not to be read, or gone in between is told, or passed over.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
if ! command -v bash >/dev/null; then
	echo "skip: no bash to compare with"
	exit 77
fi
p=$dir/p
h=$dir/h
expect 0 mkfs "$p" --size 64M

patterns()
{
	python3 "$PF_SOURCE_DIR/tests/glob_patterns.py" bash "$PINFOLD" "$p" "$h" "$@" || fail "patterns $*"
}

for command in ls stat cp cat mv ln rm rmdir readlink chmod chown touch attr truncate punch hold; do
	expect 0 "$command" --help
	says "may be a pattern"
done
expect 0 mkdir --help
grep -q pattern "$dir/out" && fail "mkdir takes none"

# ---- by chance
mkdir "$h"
patterns tree
expect 0 cp -a "$h/." "$p:/"
patterns random 0.7

# ---- a table
cat >"$dir/table" <<'END'
table/*
table/.*
table/*/
table/*/.
table/*/..
table/*/*
table/*/*/
table/*/*/*
table/*/*.bin
table/*.*/*.bin
table/models/*
table/models/.*
table/models/?hidden*
table/models/[.]hidden*
table/models/[!a]hidden*
table/models/\.hidden*
table/models/?.bin
table/models/??.bin
table/models/[ab].bin
table/models/[!a].bin
table/models/[^a].bin
table/models/[a-b]*
table/models/[b-a]*
table/models/[[:lower:]].bin
table/models/[[:digit:]]*
table/models/a.bin
table/models/a.bin/
table/models/*.bin/
table/models/a.b\in
table/models/\*
table/models/*\
table/models/v[0-9]/x
table/models/v[0-9]/y
table/models/v*/nothing
table/mod\els/*
table/models\/*
table/m*ls\/*
table/m*ls\\/*
table//models///*
table/./m*/.//a*
table/*/../models/a*
table/to-*/*
table/to-a/*
table/to-*/
table/dang*
table/dang*/
table/dang*/*
table/loop/*
table/l*p/l*p/l*p/m*
table/nothing/*
table/*/nothing
table/models/a.bin/*
table/deep/*/*/*/*/*/*/*/*
table/deep/*/*/*/*/*/*/*/*/*
table/deep/?/?/3/?/5/*
table/odd/*
table/odd/**
table/odd/*?
table/odd/\*
table/odd/[*]
table/odd/a*b
table/odd/a\*b
table/odd/a[*]b
table/odd/report[1].pdf
table/odd/report\[1].pdf
table/odd/report\[1\].pdf
table/odd/report*.pdf
table/odd/-*
table/odd/[-]?
table/odd/--
table/odd/[a-]*
table/odd/*[[:cntrl:]]*
table/odd/*[!!-~]*
table/odd/?
table/odd/??
table/odd/back\\slash
table/odd/back[\\]slash
table/odd/back?slash
table/odd/backs\lash
table/odd/back*slash
table/odd/*?[.]
table/odd/e*\
table/odd/e*\\
table/odd/[
table/odd/\[
table/odd/[a
table/odd/[[]
table/odd/[[]*
table/odd/[]]
table/odd/[!]]
table/odd/[]!]
table/odd/[!!]
table/odd/[!^]
table/odd/[\!^]
table/odd/[\]]
table/odd/.*
table/odd/..?
table/odd/a[b/c]d
table/odd/a?b/*
table/odd/a[b]/c]d
END
patterns file "$dir/table"

# ---- bounds: many entries, wildcards without end, links that lead back
m=$dir/m
expect 0 mkfs "$m" --size 64M --inodes 31000
expect 0 mkdir "$m:/many" "$m:/back"
seq -f "$m:/many/%06.0f" 30000 | xargs "$PINFOLD" touch
expect 0 ls -d "$m:/many/*99"
[ "$(wc -l <"$dir/out")" = 300 ] || fail "1 in 100"
sort -c "$dir/out" || fail "not sorted"
expect 1 ls "$m:/many/*/*"
expect 1 cat "$m:/*/*/*/*/*"
expect 1 truncate "$m:/many/*" 0
complains "'/many/\*' matches 30000 files, and one is wanted"
expect 0 rm "$m:/many/*"
expect 0 rmdir "$m:/m*y"
expect 0 touch "$m:/back/$(printf 'a%.0s' $(seq 255))"
expect 0 ln -s . "$m:/back/1"
expect 1 ls "$m:/back/$(printf '*a%.0s' $(seq 100))*b"
expect 1 ls "$m:$(printf '/*%.0s' $(seq 20000))"
expect 1 ls "$m:$(printf '/.%.0s' $(seq 20000))/*"
expect 0 ls -d "$m:/b*/1$(printf '/1%.0s' $(seq 30))/*"
says '^/back/1/1/1.*/aaaa'
expect 1 ls "$m:/back$(printf '/[1]%.0s' $(seq 60))"
complains "nothing matches '/back/"
rm "$m"

# ---- each command
q=$dir/q
expect 0 mkfs "$q" --size 32M
# is COMMAND...: standard input is what it prints
is()
{
	expect 0 "$@"
	diff - "$dir/out" >&2 || fail "$*: < wanted, > is"
}
# are NAME...: all that is in the pool
are()
{
	expect 0 ls -Ra "$q"
	found=$(sed 's,/$,,' "$dir/out" | awk '/:$/ { at = substr($0, 2, length($0) - 2); at = at (at == "" ? "" : "/"); next } NF { print at $0 }' | sort | paste -sd ' ')
	[ "$found" = "$*" ] || fail "in the pool is $found, not $*"
}
for name in a1 a2 b; do
	echo "in $name" >"$dir/$name"
done
expect 0 mkdir "$q:/d" "$q:/e1" "$q:/e2"
expect 0 cp "$dir/a1" "$dir/a2" "$dir/b" "$q:/d"
printf '%s\n' /d/a1 /d/a2 /d/b '' /e1: '' /e2: | is ls "$q:/e?" "$q:/d/b" "$q:/d/a*"
printf '%s\n' a1 a2 b | is ls "$q:/[d]"
printf '%s\n' /d: a1 a2 b '' /e1: '' /e2: | is ls -R "$q:/?*"
expect 0 ls --json "$q:/[d]"
field_is "[f['name'] for f in j['files']]" "['/d/a1', '/d/a2', '/d/b']"
expect 0 stat --json "$q:/*/a?"
field_is "[f['name'] for f in j['files']]" "['/d/a1', '/d/a2']"
printf '%s\n' 'in a1' 'in a2' 'in b' 'in a1' | is cat "$q:/d/[!b]*" "$q:/d/b" "$q:/d/*1"
mkdir "$dir/back"
expect 0 cp "$q:/d/*" "$dir/back"
[ "$(cat "$dir"/back/*)" = "$(cat "$dir/a1" "$dir/a2" "$dir/b")" ] || fail "cp out"
expect 0 cp "$q:/d/*" "$q:/e1"
expect 0 cp -r "$q:/[d]" "$q:/e1/b" "$q:/e2"
are d d/a1 d/a2 d/b e1 e1/a1 e1/a2 e1/b e2 e2/b e2/d e2/d/a1 e2/d/a2 e2/d/b
expect 1 cp "$q:/d/a*" "$q:/one"
complains "several files go to a directory, and '/one' is none"
expect 0 cp "$q:/d/[b]" "$q:/one"
expect 1 mv "$q:/e1/a*" "$q:/one"
complains 'several names go to a directory'
expect 0 mv "$q:/e1/*" "$q:/"
expect 0 rm -r "$q:/e2/*"
are a1 a2 b d d/a1 d/a2 d/b e1 e2 one
expect 0 mv --exchange "$q:/on[e]" "$q:/a2"
expect 0 ln "$q:/a?" "$q:/e1"
expect 0 ln -s "$q:/a?" 'a*' 'x?' "$q:/e2"
are a1 a2 b d d/a1 d/a2 d/b e1 e1/a1 e1/a2 e2 'e2/a*' e2/a1 e2/a2 'e2/x?' one
printf '%s\n' 'a*' /a1 /a2 'x?' | is readlink "$q:/e2/*"
expect 0 chmod 600 "$q:/d/*"
expect 0 chown "$(id -u):$(id -g)" "$q:/*"
expect 0 touch -d @7 "$q:/d/a*" "$q:/d/new"
expect 0 stat --json "$q:/e*" "$q:/d/*"
field_is "[(f['name'], f['mode'], f['mtime'][:4]) for f in j['files'] if f['type'] == 'file']" \
	"[('/d/a1', '0600', '1970'), ('/d/a2', '0600', '1970'), ('/d/b', '0600', '$(date -u +%Y)'), ('/d/new', '$(printf '%04o' $((0666 & ~$(umask))))', '1970')]"
expect 0 rm -r "$q:/e*" "$q:/*/[!a]*" "$q:/one"
are a1 a2 b d d/a1 d/a2
expect 0 mkdir "$q:/d/1" "$q:/d/2"
expect 1 rmdir "$q:/d/*"
are a1 a2 b d d/a1 d/a2

# unquoted, and braces: the shell leaves them to the program, or makes words of them
bash -c 'cat=$1 q=$2; "$cat" cat $q:/?[!b] $q:/{a1,b}' bash "$PINFOLD" "$q" >"$dir/by-bash"
expect 0 cat "$q:/a1" "$q:/a2" "$q:/a1" "$q:/b"
same "$dir/out" "$dir/by-bash"

# ---- one file
for command in truncate punch attr hold; do
	case $command in
	truncate) set -- truncate "$q:/@" 3 ;;
	punch) set -- punch "$q:/@" --length 100 ;;
	attr) set -- attr set "$q:/@" user.x y ;;
	hold) set -- hold "$q:/@" --map --for 0 ;;
	esac
	for case in '[b]:0' 'a*:1' '?x*:1'; do
		expect "${case#*:}" $(printf '%s\n' "$@" | sed "s/@/${case%:*}/")
	done
	complains "nothing matches '/.x\*'"
done
expect 1 attr list "$q:/*"
complains "'/\*' matches 4 files, and one is wanted"
printf 'user.x=y\n' | is attr list "$q:/b*"
expect 0 stat --json "$q:/b"
field_is "j['files'][0]['size']" 3

# ---- no match: nothing is done, but where what is missing is no error
for words in 'ls /x*' 'stat /x*' 'cat /a1 /x*' 'rm /a1 /x*' 'rm -r /d /[x]*' 'chmod 000 /a1 /x*' 'chown 0 /a1 /x*' 'readlink /x?' 'rmdir /d /?x' 'mv /a1 /x* /d' 'ln /a1 /x* /d' \
	'ln -s /x* /l' 'cp /a1 /x* /d'; do
	expect 1 $(echo "$words" | sed "s, /, $q:/,g")
	complains "^pinfold: [a-z]*: nothing matches '/.*x.*'; 'pinfold ls $q:/' lists what is there$"
	[ ! -s "$dir/out" ] || fail "output of $words"
done
are a1 a2 b d d/a1 d/a2
expect 0 rm -f "$q:/x*" "$q:/nothing/*"
expect 0 touch -c "$q:/x*"
expect 0 touch "$q:/x*" "$q:/d/\\*" "$q:/d/\\[*"
are a1 a2 b d 'd/*' 'd/[*' d/a1 d/a2 'x*'

# ---- a name that is there; quotes; what is made
expect 0 rm "$q:/d/*"
are a1 a2 b d 'd/[*' d/a1 d/a2 'x*'
expect 0 touch "$q:/x1" "$q:/d/*"
expect 0 rm "$q:/d/\\[*" "$q:/x*"
are a1 a2 b d d/a1 d/a2 x1
expect 0 mkdir "$q:/*" "$q:/a?" "$q:/\\x" "$q:/d[1]"
expect 0 cp "$q:/x1" "$q:/\\*"
expect 0 mv "$q:/x1" "$q:/x?"
are '*' '\*' '\x' a1 a2 'a?' b d d/a1 d/a2 'd[1]' 'x?'
expect 1 stat "$q:/\\x"
complains "/x: no such file"
printf '%s\n' '/\*' '/\x/' | is ls -d "$q:/\\\\?"
printf '%s\n' '/*/' | is ls -d "$q:/\\*"
printf '%s\n' '/d/' '/d[1]/' | is ls -d "$q:/d**"
expect 0 rmdir "$q:/*"
expect 0 rm -r "$q:/a?" "$q:/\\\\\\*" "$q:/[\\\\]x" "$q:/d[1]" "$q:/x?"
are a1 a2 b d d/a1 d/a2
expect 1 rm -r "$q:/*/."
complains "'/d/.' is not removed"
expect 1 rm -r "$q:/*/.."
expect 2 cat "$q/*"
complains 'is not POOL:/path'
expect 1 ls "$dir/?:/a1"
complains 'No such file'

# ---- gone in between: each is there when the patterns are expanded, and gone at its second turn
expect 0 rm "$q:/a*" "$q:/a*"
[ ! -s "$dir/err" ] || fail "rm of what is gone"
expect 0 rm -r "$q:/d" "$q:/*/*"
are b
expect 1 mv "$q:/[b]" "$q:/[b]" "$q:/c"
expect 0 mkdir "$q:/c"
expect 1 mv "$q:/[b]" "$q:/[b]" "$q:/c"
complains '^pinfold: mv: /b: no such file or directory in the pool'
are c c/b
# and by two at a time
seq -f "$q:/c/f%g/x" 300 | xargs "$PINFOLD" mkdir -p
"$PINFOLD" rm -r "$q:/c/f*" 2>"$dir/other" &
other=$!
code=0
pinfold rm -r "$q:/c/f*" 2>"$dir/err" || code=$?
wait $other || code=$((code + $?))
if [ $code -gt 1 ] || cat "$dir/other" "$dir/err" | grep -v "nothing matches '/c/f\*'"; then
	fail "two remove the same: $code"
fi
are c c/b

# ---- what may not be read does not match; if nothing does, it is said
(
	if [ "$(id -u)" = 0 ]; then
		ordinary='setpriv --reuid 65534 --regid 65534 --clear-groups'
		if ! $ordinary "$PINFOLD" --version >/dev/null 2>&1; then
			echo "skip: unreadable directories: no setpriv, or nobody may not run $PINFOLD"
			exit 0
		fi
		chmod 711 "$dir"
		mkdir "$dir/n"
		chown 65534 "$dir/n"
	else
		ordinary=
		mkdir "$dir/n"
	fi
	export PINFOLD_RUNTIME_DIR="$dir/n"
	pinfold()
	{
		$ordinary "$PINFOLD" "$@"
	}
	n=$dir/n/pool
	expect 0 mkfs "$n" --size 32M
	expect 0 mkdir -p "$n:/open/x" "$n:/shut/x" "$n:/through/x"
	expect 0 chmod 000 "$n:/shut"
	expect 0 chmod 300 "$n:/through"
	printf '%s\n' /open/x/ | is ls -d "$n:/*/*"
	printf '%s\n' /open/x/ /through/x/ | is ls -d "$n:/*/x"
	expect 1 ls "$n:/shut/*"
	complains "nothing matches '/shut/\*': /shut/: inode [0-9]* has mode 0, "
	expect 1 rm "$n:/through/*"
	complains "nothing matches '/through/\*': /through/: inode"
	expect 0 rm -f "$n:/through/*"
)
expect 0 fsck "$p"
expect 0 fsck "$q"

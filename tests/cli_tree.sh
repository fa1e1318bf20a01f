#!/bin/sh
# cp -r, mv, ln, rm, mkdir, rmdir, chmod and touch do in a pool what coreutils do on tmpfs, success or failure, call by call; trees go in and out whole.
# test: suite=short timeout=120
set -eu
. "$PF_SOURCE_DIR/tests/lib/both.sh"

# a tree in both
mkdir -p "$dir/src/a/b/c" "$dir/src/empty"
head -c 300000 /dev/urandom >"$dir/src/a/large"
echo text >"$dir/src/a/b/text"
echo script >"$dir/src/a/b/c/script"
chmod 750 "$dir/src/a/b/c/script"
chmod 2775 "$dir/src/a/b"
chmod 1777 "$dir/src/empty"
: >"$dir/src/.hidden"
ln -s a/b "$dir/src/to-b"
ln -s ../large "$dir/src/a/b/to-large"
ln -s /nowhere "$dir/src/dangling"
truncate -s 5M "$dir/src/holes"
echo end >>"$dir/src/holes"
cp -r "$dir/src" "$h/"
expect 0 cp -r "$dir/src" "$p:/"
compare cp -r in
cp -r "$dir/src/." "$h/src/a/b" && expect 0 cp -r "$dir/src/." "$p:/src/a/b"
compare cp -r over what is there
expect 0 stat --json "$p:/src/holes"
field_is "j['files'][0]['allocated']" 4096

# out again, byte by byte
expect 0 cp -r "$p:/src" "$dir/back"
cp -r "$h/src" "$dir/wanted"
diff -r --no-dereference "$dir/back" "$dir/wanted" >&2 || fail "out of the pool"
[ "$(host_tree "$dir/back")" = "$(host_tree "$dir/wanted")" ] || fail "modes out of the pool"
[ "$(du -k "$dir/back/holes" | cut -f1)" = 4 ] || fail "holes are filled"
expect 0 cp -r "$p:/" "$dir/all"
diff -r --no-dereference "$dir/all/src" "$dir/wanted" >&2 || fail "the whole pool"

# copies within
both cp -r @src @copy
both cp -r @src @copy
both cp -r @src/. @copy
both cp -r @src/a/b/.. @copy2
both cp -rT @src @copy
both cp -r @src/a @copy/a/b @copy/empty
# (cp(1) says the same of these, after it has begun)
for target in src src/a/b/new src/a/b; do
	expect 1 cp -r "$p:/src" "$p:/$target"
	complains 'into itself'
done
expect 1 cp -r "$p:/" "$p:/src"
compare nothing
both cp @src @file
both cp @src/a/large @src/holes @file
both cp @src/a/large @file
both cp @file @file
both cp @src/a/large @new/
both cp @src/a/large @no/such
both cp -r @src @file
both cp -rT @file @copy
both cp @file @copy/to-b
both cp @file @src/dangling
both cp @src/dangling @x
both cp -r @src/dangling @x
both cp -r @src/dangling @file
both cp @src/to-b/to-large @followed
both cp -n @followed @copy/a/large
both cp @src/a/b/text @src/a/large @copy/empty
ln -s followed "$h/through" && expect 0 ln -s followed "$p:/through"
both cp @src/a/b/text @through
both cp -r @nothing @y

# mkdir, rmdir
both mkdir @d
both mkdir @d
both mkdir @d/e/f
both mkdir -p @d/e/f
both mkdir -p @d/e/f/
both mkdir -p @file/x
both mkdir -m 1700 @m
both mkdir -m go= @m2 @m3
both rmdir @d/e
both rmdir @d/e/f @d/e
both rmdir @file
both rmdir @nothing

# mv
both mv @m @m4
both mv @m2 @m3
both mv @m4 @m3/m2 @copy/empty
both mv @m3 @m3/x
both mv @m3 @m3
both mv @file @copy/a/b/text
both mv @followed @through
both mv @x @d
both mv -n @through @copy/a/large
both mv -T @through @copy
both mv -T @copy2 @d/e
both mv -T @d/e @copy
both mv -T @m3 @d
both mv @copy/holes @copy/a/large @through
both mv @copy/holes @copy/to-b
both mv @nothing @d
both mv @d @no/such/place

# ln
both ln @through @hard
both ln @through @hard
both ln -f @through @copy/holes2
both ln -f @src/a/large @hard
both ln @src/a @hard2
both ln -f @hard @hard
both ln @src/a/large @copy
both ln -s some/where @soft
both ln -s else @soft
both ln -sf else @soft
both ln -s one two @copy
both ln -s src @copy/tosrc
both ln -sf src2 @copy/tosrc
both ln -sfn src3 @copy/tosrc
both ln -s x @no/such
expect 0 readlink "$p:/copy/tosrc" "$p:/soft"
[ "$(cat "$dir/out")" = "$(cd "$h" && readlink copy/tosrc soft)" ] || fail readlink

# chmod, touch
both chmod 640 @hard
both chmod u+x,go=rX @src/a/large
both chmod -R go-w,u+X @copy
both chmod a=r,u+s @hard
both chmod 755 @src/a/b
both chmod 00755 @src/a/b
both chmod +x @hard
both chmod u+s @hard
both chmod =rx @hard
both chmod g=u,o+t @src/a/b
both chmod 600 @nothing
both touch @touched @hard
both touch -c @untouched
both touch @no/such
both touch -d '2020-02-03T04:05:06.123456789Z' @touched
expect 0 stat --json "$p:/touched"
field_is "j['files'][0]['mtime_ns']" "$(date -d '2020-02-03T04:05:06Z' +%s)123456789"

# -p and -a keep modes, owners, times; -a hard links, too
chmod 6711 "$dir/src/a/large"
touch -hd '2001-02-03 04:05:06.789 UTC' "$dir/src/a/large" "$dir/src/a/b" "$dir/src/to-b"
ln "$dir/src/a/large" "$dir/src/a/b/second"
rm -rf "$dir/back"
cp -a "$dir/src" "$h/kept" && expect 0 cp -a "$dir/src" "$p:/kept"
compare cp -a
expect 0 cp -a "$p:/kept" "$p:/kept2"
expect 0 cp -a "$p:/kept2" "$dir/back"
all='%P %y %m %l %s %n %T@ %U %G\n'
(cd "$dir/src" && find . -mindepth 1 -type d -printf '%P %m %n %T@ %U %G\n' -o -printf "$all" | sort) >"$dir/1"
(cd "$dir/back" && find . -mindepth 1 -type d -printf '%P %m %n %T@ %U %G\n' -o -printf "$all" | sort) >"$dir/2"
diff "$dir/1" "$dir/2" >&2 || fail "cp -a three times"
cp -a "$h/kept" "$h/kept2"
compare cp -a within
both cp -p @kept/a/large @plain
both cp @kept/a/large @plain2

# rm
both rm @src
both rm @nothing
both rm -f @nothing @nothing/below
both rm @hard @copy @plain
both rm -r @copy
both rm -rf @src/. @nothing
both rm -r @src/a/b/to-large @src/dangling @src/to-b
both rm -r @src @d
expect 1 rm -r "$p:/"
complains 'root'
for name in $(ls -A "$h"); do
	both rm -rf "@$name"
done
expect 0 info "$p" --json
field_is "j['pages']['free'] == j['pages']['total']" True
expect 0 fsck "$p"

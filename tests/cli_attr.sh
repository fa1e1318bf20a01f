#!/bin/sh
# attr, chown, stat: extended attributes and flags are set, shown, kept by cp -a in both directions, and what is immutable or append-only does not change.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p
expect 0 mkfs "$p" --size 32M
echo text >"$dir/file"
expect 0 mkdir "$p:/d"
expect 0 cp "$dir/file" "$p:/d/f"

# extended attributes
for path in d d/f; do
	expect 0 attr list "$p:/$path"
	[ ! -s "$dir/out" ] || fail "attributes of a new file"
	expect 0 attr set "$p:/$path" user.one 1
	expect 0 attr set "$p:/$path" user.two 'two words'
	expect 0 attr set "$p:/$path" user.one uno
	expect 0 attr get "$p:/$path" user.one
	[ "$(cat "$dir/out")" = uno ] || fail "get"
	expect 0 attr list "$p:/$path" --json
	field_is "sorted(j['attributes'].items())" "[('user.one', 'uno'), ('user.two', 'two words')]"
	expect 0 attr list "$p:/$path"
	says '^user.two=two words$'
done
expect 1 attr get "$p:/d/f" user.three
complains 'has no attribute user.three'
expect 1 attr set "$p:/d/f" trusted.one 1
expect 1 attr set "$p:/d/f" user.large "$(head -c 5000 /dev/zero | tr '\0' x)"
expect 1 attr list "$p:/nothing"

# with the copy: -a only
expect 0 cp -a "$p:/d" "$p:/archived"
expect 0 cp -r "$p:/d" "$p:/plain"
expect 0 attr get "$p:/archived/f" user.two
[ "$(cat "$dir/out")" = 'two words' ] || fail "cp -a within a pool"
expect 0 attr list "$p:/archived"
says '^user.one=uno$'
expect 1 attr get "$p:/plain/f" user.two
expect 0 cp -a "$p:/d" "$dir/out-of"
expect 0 cp -a "$dir/out-of" "$p:/in-again"
if python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.x", b"")' "$dir/file" 2>/dev/null; then
	expect 0 attr get "$p:/in-again/f" user.two # tmpfs has attributes of users only of late
fi
expect 0 attr remove "$p:/d/f" user.one
expect 1 attr remove "$p:/d/f" user.one

# owners: by name and number, of a tree, of a link itself
me=$(id -u) group=$(id -g)
expect 0 ln -s f "$p:/d/link"
expect 0 chown -R "$me:$group" "$p:/d"
expect 0 chown -h "$(id -un)" "$p:/d/link"
expect 0 chown "$(id -un):" "$p:/d/f"
if [ "$me" = 0 ]; then
	expect 0 chown 12:34 "$p:/d/link"
	expect 0 chown -h :56 "$p:/d/link"
	expect 0 chmod 4755 "$p:/d/f"
	expect 0 chown 78 "$p:/d/f"
	expect 0 stat --json "$p:/d/f" "$p:/d/link"
	field_is "[(f['uid'], f['gid'], f['mode']) for f in j['files']]" "[(78, 34, '0755'), (0, 56, '0777')]"
	expect 0 stat "$p:/d/f"
	says '^owner +78 78, group 34 '
	expect 0 chown -R 0:0 "$p:/d"
fi

# stat
expect 0 stat "$p:/d/link" "$p:/d"
says '^path +/d/link -> f$'
says '^type +directory, .* 2 links$'
says '^mode +0777, lrwxrwxrwx$'
expect 0 stat -L --json "$p:/d/link"
field_is "j['files'][0]['type'], j['files'][0]['size']" "('file', 5)"
expect 1 stat "$p:/d/f" "$p:/nothing"
says '^path +/d/f$'

# flags; only root has them
if [ "$me" != 0 ]; then
	expect 1 attr flag "$p:/d/f" immutable
	exit 0
fi
expect 0 attr flag "$p:/d/f" immutable
expect 0 stat "$p:/d/f"
says '^flags +immutable$'
for words in "rm $p:/d/f" "mv $p:/d/f $p:/x" "cp $dir/file $p:/d/f" "truncate $p:/d/f 0" "chmod 600 $p:/d/f" "touch $p:/d/f" "ln $p:/d/f $p:/x" \
	"attr set $p:/d/f user.a b" "rm -rf $p:/d"; do
	expect 1 $words
	complains 'immutable'
done
expect 0 cat "$p:/d/f"
expect 0 attr unflag "$p:/d/f" immutable
expect 0 attr flag "$p:/d" append
expect 0 touch "$p:/d/new"
expect 1 rm "$p:/d/new"
expect 1 mv "$p:/d/new" "$p:/x"
expect 0 stat --json "$p:/d"
field_is "j['files'][0]['append'], j['files'][0]['immutable']" "(True, False)"
expect 0 attr unflag "$p:/d" append
expect 0 rm -r "$p:/d"
expect 0 fsck "$p"

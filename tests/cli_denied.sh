#!/bin/sh
# What modes forbid an ordinary user on tmpfs they forbid in a pool, command by command, and -f helps where it helps there; root tries as nobody.
# test: suite=short timeout=60
set -eu
if [ "$(id -u)" = 0 ]; then
	ordinary='setpriv --reuid 65534 --regid 65534 --clear-groups'
	if ! $ordinary "$PINFOLD" --version >/dev/null 2>&1; then
		echo "skip: no setpriv, or nobody may not run $PINFOLD"
		exit 77
	fi
	exec $ordinary sh "$0"
fi
. "$PF_SOURCE_DIR/tests/lib/both.sh"

for words in 'mkdir @ro' 'mkdir @ro/sub' 'touch @ro/file' 'mkdir @secret' 'touch @secret/file' 'touch @mine' 'touch @locked' 'mkdir @open' \
	'chmod 444 @locked' 'chmod 000 @secret' 'chmod 555 @ro'; do
	both $words
done
# the directory may not be changed
for words in 'touch @ro/new' 'mkdir @ro/new' 'rmdir @ro/sub' 'rm @ro/file' 'rm -rf @ro' 'mv @ro/file @x' 'mv @mine @ro' 'mv @ro @open' \
	'ln @mine @ro/link' 'ln -s x @ro/link' 'cp @mine @ro/new' 'cp -r @open @ro' 'mkdir -p @ro/sub/x @ro/new/x'; do
	both $words
done
# (cp(1) writes in place; in a pool a new file takes the name, which is a change of the directory)
expect 1 cp "$p:/mine" "$p:/ro/file"
complains '/ro/file: .* has mode 555'
# it may not be searched, or read
for words in 'touch @secret/file' 'cp @secret/file @x' 'cp @mine @secret/file' 'mv @secret/file @x' 'rm -r @secret' 'rm -f @secret/file' \
	'rmdir @secret' 'ln @secret/file @x' 'mkdir @secret/x' 'chmod 644 @secret/file' 'cp -r @secret @open' 'chmod -R 500 @secret' \
	'rm @secret/file' 'chmod 700 @secret' 'chmod 000 @secret/file' 'cp @secret/file @x' 'cp -r @secret @copy' 'rm -r @secret'; do
	both $words
done
# a file that may not be written
for words in 'cp @mine @locked' 'cp -n @mine @locked' 'cp -f @mine @locked' 'chmod 444 @locked' 'mv @locked @locked2' 'mv @mine @locked2' \
	'touch @mine' 'chmod 444 @mine' 'rm @mine' 'chown 0 @locked2' 'chown :0 @locked2'; do
	both $words
done
# what others may do with what is made
(
	umask 077
	both cp -r @ro @masked
	both cp @locked @masked2
	both mkdir -p @masked3/a/b
	both mkdir -m 755 @masked4
	both chmod +w @masked2
	both touch @masked5
)
expect 0 fsck "$p"

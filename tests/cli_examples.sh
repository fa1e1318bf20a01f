#!/bin/sh
# The example of each command's --help works as it is printed, where its pool and files are there, and does what the command is for.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
mkdir "$dir/bin" "$dir/home"
ln -s "$PINFOLD" "$dir/bin/pinfold"
PATH=$dir/bin:$PATH
cd "$dir/home"
p=$dir/pool

# example COMMAND: runs it, with this test's directory for /dev/shm; its output in $dir/out
example()
{
	expect 0 "$1" --help
	sed -n 's/^Example: //p' "$dir/out" | sed "s#/dev/shm#$dir#g" >"$dir/example"
	[ "$(wc -l <"$dir/example")" = 1 ] || fail "$1: not one example"
	printf '\nkill $! 2>/dev/null || :\n' >>"$dir/example" # what it has left in the background
	code=0
	bash -e -o pipefail "$dir/example" >"$dir/out" 2>"$dir/err" || code=$?
	[ $code = 0 ] || fail "$1: $(cat "$dir/example"): exit code $code"
	[ ! -s "$dir/err" ] || fail "$1: $(cat "$dir/example")"
	tried="$tried $1"
}
tried=

example mkfs
mkdir -p models/old models/v1
head -c 100000 /dev/urandom >models/old/weights
head -c 3000000 /dev/urandom >model.bin
ln -s v1 models/current
example cp
expect 0 cp "$p:/models/old/weights" weights
same models/old/weights weights
expect 0 rmdir "$p:/models/v1" # that an example makes, and removes
expect 0 mkdir "$p:/models/v1"
expect 0 cp model.bin "$p:/model.bin"
expect 0 cp model.bin "$p:/model.new"
expect 0 ln -s models/current "$p:/current"
head -c 20M /dev/zero | tr '\0' x >log
expect 0 cp log "$p:/"

example info
field_is "j['size']" $((256 << 20))
example ls
says ' old/$'
example stat
says '^size  *3000000'
example cat
[ "$(cut -c 1-64 "$dir/out")" = "$(sha256sum <model.bin | cut -c 1-64)" ] || fail "cat: other bytes"
example mv
expect 1 stat "$p:/model.new"
example mkdir
example ln
expect 0 readlink "$p:/models/current"
says '^v2$'
example readlink
says '^models/current$'
example rmdir
example chmod
example chown
example rm
expect 1 stat "$p:/models/old"
example touch
expect 0 ls "$p:/ready"
example attr
expect 0 attr get "$p:/model.bin" user.version
says '^17$'
example punch
expect 0 ls --json "$p:/log"
field_is "j['files'][0]['allocated']" $((4 << 20))
example truncate
expect 0 ls --json "$p:/log"
field_is "j['files'][0]['size']" $((64 << 20))
example mkdev
expect 0 stat "$p:/ring"
says '^device  *aligned to 2.0 MiB$'
example compact
says '^moved .*; free in whole pieces of 2 MiB: '
example hold
says '^held$'
says ' longterm .* model.bin$'
example evict
says '^wanted: given back$'
says '^process [0-9]+ holds nothing$'
example who
says 'nobody holds anything|model.bin' # the holder of "hold" is told to end, and may not have
example maps
says ' r--  .* model.bin$'
example watch
says '^[+] new$'
example reap
says '^reaped [0-9]+ killed process'
example recover
example fsck
says '^clean$'
if [ -x "$PF_BUILD_DIR/pinfold-fuse" ] && (: <>/dev/fuse) 2>/dev/null; then
	example mount
	says '^model.bin$'
else
	echo "skip: no mount here, so not its example"
	tried="$tried mount"
fi
example bench
says '^attach_16g '

expect 0 --help
for command in $(sed -n 's/^  \([a-z][a-z]*\)  *[a-z].*/\1/p' "$dir/out" | grep -v pinfold); do
	case "$tried " in
	*" $command "*) ;;
	*) fail "the example of $command was not tried" ;;
	esac
done

# and that of the program itself
rm "$p"
sed -n '/^Example:/,$s/^  //p' "$dir/out" | sed "s#/dev/shm#$dir#g" >"$dir/example"
bash -e "$dir/example" >"$dir/out" 2>"$dir/err" || fail "$(cat "$dir/example")"
expect 0 cat "$p:/model.bin"
same "$dir/out" model.bin

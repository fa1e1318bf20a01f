#!/bin/sh
# Others than the one who mounted have on a mount what owner, group, supplementary groups, set-gid and sticky bits give them: the same as on the host's tmpfs.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
. "$PF_SOURCE_DIR/tests/lib/mount.sh"
[ "$(id -u)" = 0 ] || skip "only root can be others"
setpriv --reuid 61001 --regid 61001 --clear-groups true 2>/dev/null || skip "no setpriv"

# as WHO COMMAND: what it did goes to standard output
as()
{
	case $1 in
	root)	who= ;;
	ann)	who="setpriv --reuid 61001 --regid 61001 --groups 61010" ;;
	bob)	who="setpriv --reuid 61002 --regid 61002 --groups 61010,61020" ;;
	eve)	who="setpriv --reuid 61003 --regid 61003 --clear-groups" ;;
	esac
	code=0
	(cd "$place" && umask 022 && $who sh -c "$2") >"$dir/said" 2>&1 || code=$?
	echo "$1: $2: $code"
	sed "s,^sh: [0-9]*: ,," "$dir/said"
}

everything()
{
	chmod 1777 "$place"
	as root 'mkdir home && chown 61001:61001 home && chmod 700 home'
	as ann 'echo secret >home/s && chmod 644 home/s && cat home/s'
	as bob 'cat home/s'
	as eve 'ls home; echo x >home/new; rm -f home/s'
	as bob 'cd home'
	# group and supplementary groups
	as root 'mkdir team && chown 61001:61010 team && chmod 2775 team'
	as bob 'echo b >team/b && stat -c "%u:%g %a" team/b && mkdir team/sub && stat -c "%g %a" team/sub'
	as eve 'cat team/b; echo e >>team/b; echo e >team/e'
	as ann 'echo a >>team/b'
	as bob 'chmod 664 team/b'
	as ann 'echo a >>team/b && cat team/b; chmod 600 team/b; touch team/b; touch -d @5 team/b; mv team/b team/c; rm team/c'
	as root 'echo x >g && chown 61001:61020 g && chmod 640 g'
	as bob 'cat g; echo y >>g'
	as eve 'cat g'
	as ann 'chmod 4751 g && stat -c %a g && echo more >>g && stat -c %a g'
	# set-gid is given by members only, and goes with a write by others
	as bob 'echo 1 >mine && chgrp 61020 mine && chmod 2755 mine && stat -c "%g %a" mine'
	as ann 'echo 1 >own && chgrp 61020 own; chmod 2755 own; stat -c "%g %a" own'
	as root 'chgrp 61030 own'
	as ann 'chmod 2755 own; stat -c "%g %a" own; chown 61002 own'
	as bob 'chmod 2777 mine'
	as ann 'echo 2 >>mine && stat -c %a mine'
	# sticky
	as ann 'mkdir sticky && chmod 1777 sticky && echo a >sticky/a'
	as bob 'echo b >sticky/b && rm -f sticky/a; mv sticky/a sticky/z; mv sticky/b sticky/a; rm -f sticky/b'
	as ann 'rm -f sticky/b; ls sticky'
	# what may be written but not read, and run but not read
	as ann ': >drop && chmod 622 drop'
	as eve 'echo in >drop && cat drop'
	as ann 'cat drop; chmod 200 drop; echo again >drop; cat drop'
	as root 'cp /bin/true run && chmod 711 run'
	as eve './run && echo ran; cat run >/dev/null'
	as root 'chmod 600 run && ./run'
	# links and extended attributes
	as eve 'ln g hard; ln -s g soft && cat soft; setfattr -n user.a -v b mine 2>/dev/null || echo refused'
	as ann 'test -r g && echo r; test -w run || echo not; test -x home && echo x'
	as bob 'test -w mine && test -w team && echo yes; test -r home/s || echo no'
	# capabilities go with a write, a truncation, a change of owner
	if command -v setcap >/dev/null; then
		for change in 'echo more >>able' ': >able' 'truncate -s 5 able' 'chown 61002 able'; do
			as root 'cp /bin/true able && setcap cap_net_raw+ep able && getcap able'
			as root "$change; getcap able"
		done
	fi
	# to a directory that others know the way to already
	as ann 'chmod 711 home && mkdir home/in && echo deep >home/in/f'
	as bob 'cat home/in/f'
	as ann 'chmod 700 home/in'
	as bob 'cat home/in/f'
}

expect 0 mkfs "$p" --size 32M
mounts "$p" "$m" -o allow_other
mkdir "$dir/host"
place=$dir/host
everything >"$dir/host.said"
place=$m
everything >"$dir/mount.said"
diff "$dir/host.said" "$dir/mount.said" || fail "not as on tmpfs"
grep -q 'bob: echo b >team/b.*: 0$' "$dir/mount.said" || fail "nothing was tried"

# without allow_other nobody else comes in
unmounts
mounts "$p" "$m"
! setpriv --reuid 61001 --regid 61001 --clear-groups ls "$m" >/dev/null 2>&1 || fail "others came in"
unmounts

# one user cannot open everything there is
mounts "$p" "$m" -o allow_other,max_open_user=20,max_open=30
cat >"$dir/open.py" <<'END'
import errno, os, sys
fds = []
try:
    while len(fds) < 100:
        fds.append(os.open(sys.argv[1], os.O_RDONLY))
except OSError as e:
    print(len(fds), errno.errorcode[e.errno])
END
chmod 644 "$dir/open.py"
setpriv --reuid 61001 --regid 61001 --clear-groups env PATH=/usr/bin:/bin python3 "$dir/open.py" "$m" >"$dir/out"
says '^20 EMFILE$'
cat "$m/own" >/dev/null || fail "nothing is left for others"
python3 - "$m" >"$dir/out" <<'END'
import errno, os, sys
fds = []
try:
    for user in 61001, 61002:
        os.seteuid(user)
        fds += [os.open(sys.argv[1], os.O_RDONLY) for i in range(15)]
        os.seteuid(0)
    os.open(sys.argv[1], os.O_RDONLY)
except OSError as e:
    print(len(fds), errno.errorcode[e.errno])
END
says '^30 ENFILE$'
unmounts
expect 0 fsck "$p"

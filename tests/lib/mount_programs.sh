# Programs on the mount at $m, after mount.sh. Each part works in a directory of its own there, and removes it.
# A part whose program is not installed says so, and the others go on.
lib=$PF_SOURCE_DIR/tests/lib
# The program itself: what is first in the path may be a script that looks for it, at each start.
python=$(python3 -c 'import sys; print(sys.executable)')

has()
{
	command -v "$1" >/dev/null 2>&1 && return
	echo "skip: no $1, so not what is done with it"
	return 1
}

# quiet COMMAND...: it ends with 0; what it says is for the case that it does not.
quiet()
{
	"$@" >"$dir/out" 2>"$dir/err" || fail "$*: exit code $?"
}

# The project's own files, of those that a build or a change of them makes none.
source_files()
{
	(cd "$PF_SOURCE_DIR" && tar -cf - LICENSE Makefile README.md docs include meson.build scripts src tests)
}

programs_git()
{
	has git || return 0
	export HOME="$dir" GIT_CONFIG_NOSYSTEM=1
	mkdir "$dir/origin" "$m/git"
	source_files | tar -C "$dir/origin" -xf -
	quiet git -C "$dir/origin" init -q
	quiet git -C "$dir/origin" add -A
	quiet git -C "$dir/origin" -c user.name=test -c user.email=test@localhost commit -q -m first
	quiet git clone -q --no-local "$dir/origin" "$m/git/clone"
	quiet git -C "$m/git/clone" fsck --full --strict
	quiet git -C "$m/git/clone" status --porcelain
	[ ! -s "$dir/out" ] || fail "git status after a clone"
	quiet diff -r --no-dereference -x .git "$dir/origin" "$m/git/clone"
	# what is changed is seen, and only that
	echo more >>"$m/git/clone/README.md"
	quiet git -C "$m/git/clone" status --porcelain
	[ "$(cat "$dir/out")" = " M README.md" ] || fail "git status after a change"
	quiet git -C "$m/git/clone" -c user.name=test -c user.email=test@localhost commit -q -a -m second
	quiet git -C "$m/git/clone" gc -q
	quiet git -C "$m/git/clone" fsck --full --strict
	rm -rf "$m/git" "$dir/origin"
}

# A part of the library, by make, with the compiler's temporary files on the mount too.
programs_build()
{
	has make && has cc || return 0
	mkdir "$m/build" "$m/build/tmp"
	source_files | tar -C "$m/build" -xf -
	cat >"$m/build/part.mk" <<'END'
objects := $(patsubst src/format/%.c,%.o,$(wildcard src/format/*.c))
part.a: $(objects)
	ar rcs $@ $^
%.o: src/format/%.c
	cc -std=gnu17 -D_GNU_SOURCE -O1 -Isrc -Iinclude -c -o $@ $<
END
	quiet env TMPDIR="$m/build/tmp" make -C "$m/build" -j2 -f part.mk
	quiet ar t "$m/build/part.a"
	[ "$(wc -l <"$dir/out")" = "$(ls "$PF_SOURCE_DIR"/src/format/*.c | wc -l)" ] || fail "objects in the archive"
	quiet make -C "$m/build" -q -f part.mk
	touch "$m/build/src/format/$(ls "$PF_SOURCE_DIR/src/format" | grep '\.c$' | head -1)"
	! make -C "$m/build" -q -f part.mk >"$dir/out" 2>&1 || fail "make does not see a newer file"
	rm -rf "$m/build"
}

# A tree with what copies must keep: modes, times to the nanosecond, links of both kinds, holes, attributes, odd names.
make_tree()
{
	"$python" - "$1" <<'END'
import os, random, sys
top, chance = sys.argv[1], random.Random(1)
os.makedirs(top + "/a/b/c")
os.mkdir(top + "/empty", 0o700)
for i in range(120):
    path = top + chance.choice(["/", "/a/", "/a/b/", "/a/b/c/"]) + "f%d" % i
    with open(path, "wb") as file:
        file.write(chance.randbytes(chance.choice([0, 1, 4095, 4096, 4097, 70000])))
    os.chmod(path, chance.choice([0o600, 0o644, 0o755, 0o444]))
    os.setxattr(path, "user.number", b"%d" % i)
    os.utime(path, ns=(10**18 + i, 10**18 + chance.randrange(10**12)))
with open(top + "/sparse", "wb") as file:
    file.truncate(8 << 20)
    file.seek(5 << 20)
    file.write(b"data")
os.link(top + "/f0" if os.path.exists(top + "/f0") else top + "/sparse", top + "/a/linked")
os.symlink("../nowhere", top + "/a/dangling")
with open(os.fsencode(top) + b"/odd \n\xff name", "w") as file:
    file.write("odd")
os.utime(top + "/a", ns=(10**18, 10**18 + 123456789))
END
}

# listed TREE: everything that a copy must keep, one name a line.
listed()
{
	"$python" - "$1" <<'END'
import hashlib, os, stat, sys
top, links = os.fsencode(sys.argv[1]), {}
for where, dirs, files in os.walk(top):
    for name in sorted(dirs + files):
        path = os.path.join(where, name)
        st = os.lstat(path)
        short = os.path.relpath(path, top)
        first = links.setdefault(st.st_ino, short) if st.st_nlink > 1 and not stat.S_ISDIR(st.st_mode) else short
        what = ""
        if stat.S_ISLNK(st.st_mode):
            what = os.readlink(path)
        elif stat.S_ISREG(st.st_mode):
            what = hashlib.sha256(open(path, "rb").read()).hexdigest(), st.st_size
        extra = [] if stat.S_ISLNK(st.st_mode) else [(a, os.getxattr(path, a)) for a in sorted(os.listxattr(path))]
        print(short, oct(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns, what, extra,
              st.st_nlink if not stat.S_ISDIR(st.st_mode) else "")
END
}

# kept COPY WHAT
kept()
{
	listed "$1" | sort >"$dir/copy.list"
	cmp -s "$dir/tree.list" "$dir/copy.list" || {
		diff "$dir/tree.list" "$dir/copy.list" >"$dir/out" || :
		fail "$2"
	}
}

# Round trips: from the mount to the mount, which is a tree made there.
programs_copies()
{
	mkdir "$m/copies"
	make_tree "$m/copies/tree"
	listed "$m/copies/tree" | sort >"$dir/tree.list"
	quiet cp -a "$m/copies/tree" "$dir/out-cp"
	quiet cp -a "$dir/out-cp" "$m/copies/cp"
	kept "$m/copies/cp" "cp -a"
	[ "$(du -s --block-size=1 "$m/copies/cp/sparse" | cut -f1)" -lt 1048576 ] || fail "cp -a fills holes"
	quiet cp -a "$m/copies/cp" "$m/copies/cp2"
	kept "$m/copies/cp2" "cp -a within the mount"
	mkdir "$m/copies/tar"
	quiet tar --xattrs -C "$m/copies/tree" -S -cf "$dir/tree.tar" .
	quiet tar --xattrs --xattrs-include='user.*' -C "$m/copies/tar" -xpf "$dir/tree.tar"
	kept "$m/copies/tar" "tar"
	if has rsync; then
		quiet rsync -aHXS "$m/copies/tree/" "$m/copies/rsync/"
		kept "$m/copies/rsync" "rsync"
		quiet rsync -aHXSni "$m/copies/tree/" "$m/copies/rsync/"
		[ ! -s "$dir/out" ] || fail "rsync would copy again"
	fi
	chmod -R u+w "$m/copies"
	rm -rf "$m/copies" "$dir/out-cp" "$dir/tree.tar"
}

# programs_fio SIZE
programs_fio()
{
	has fio || return 0
	mkdir "$m/fio"
	for engine in psync mmap io_uring; do
		fio --name=verify --directory="$m/fio" --ioengine="$engine" --rw=randwrite --bs=4k --size="$1" \
			--iodepth=16 --numjobs=2 --verify=crc32c --verify_fatal=1 --do_verify=1 --end_fsync=1 --verify_state_save=0 \
			--output="$dir/out" >"$dir/err" 2>&1 && continue
		grep -qi 'engine.*not loadable\|Operation not permitted\|Function not implemented' "$dir/out" "$dir/err" ||
			fail "fio $engine"
		echo "skip: fio cannot use $engine here"
	done
	rm -rf "$m/fio"
}

# programs_churn OPERATIONS: of each of eight processes.
programs_churn()
{
	mkdir "$m/churn"
	quiet "$python" "$lib/mount_churn.py" "$m/churn" 8 "$1"
	rm -rf "$m/churn"
}

# programs_sqlite KILLS [PATIENCE]: of the mount's process, each with clients in the midst of transactions.
programs_sqlite()
{
	"$python" -c 'import sqlite3' 2>/dev/null || { echo "skip: python3 without sqlite3"; return 0; }
	mkdir "$m/sqlite"
	quiet "$python" "$lib/mount_sqlite.py" make "$m/sqlite/db"
	: >"$dir/committed"
	for kill in $(seq "$1"); do
		lines=$(wc -l <"$dir/committed")
		"$python" "$lib/mount_sqlite.py" load "$m/sqlite/db" "$dir/committed" ${2:-} 2>"$dir/err" &
		load=$!
		children="$children $load"
		tail -n +1 -f --pid="$load" "$dir/committed" | head -n $((lines + 60)) >/dev/null
		[ "$(wc -l <"$dir/committed")" -ge $((lines + 60)) ] || fail "clients of the database have ended"
		kill -9 "$server"
		gone "$server"
		wait "$load" || fail "clients of the database, kill $kill"
		mounts "$p" "$m"
		quiet "$python" "$lib/mount_sqlite.py" check "$m/sqlite/db" "$dir/committed"
	done
	rm -rf "$m/sqlite"
}

#!/bin/sh
# Figures: the picture and the README's section are what the generators make of bench.json; "pinfold bench" measures a subject where it is told to.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
cd "$PF_SOURCE_DIR"

# the README that is here
cp README.md "$dir/README.md"
mkdir "$dir/docs"
cp docs/bench.json "$dir/docs/"
python3 scripts/bench-readme.py "$dir/docs/bench.json" "$dir/README.md" "$dir/docs/bench.svg" || fail generator
same "$dir/README.md" README.md
python3 scripts/bench-svg.py "$dir/docs/bench.json" "$dir/docs/bench.svg" || fail generator
same "$dir/docs/bench.svg" docs/bench.svg

# small figures, all that can be in a row: faster and slower, no such peer, not for showing
cat >"$dir/small.json" <<'END'
{"schema": 1, "machine": {"date": "2026-01-31", "cpu": "Some <CPU> & Co", "cpus": 3, "memory_mib": 2048, "kernel": "6.1.2", "page_size": 4096,
 "shmem_huge": "never", "hugetlb_size": "2048 kB", "hugetlb_pages": 0, "pool_directory": "/dev/shm", "pool_file_system": "tmpfs"},
 "rows": [
 {"name": "create", "unit": "ns", "ours": 812.34, "peer": "tmpfs", "peer_value": 4061.7, "ratio": 5.0, "spread": 20.0},
 {"name": "ref_pair", "unit": "ns", "ours": 40.0, "peer": "atomic pair", "peer_value": 4.0, "ratio": 0.1, "spread": 3.0},
 {"name": "map_1g", "unit": "us", "ours": 10.0, "peer": "limit", "peer_value": 50.0, "ratio": 5.0, "spread": 3.0},
 {"name": "map_1g", "unit": "us", "ours": 10.0, "peer": "tmpfs", "peer_value": 123456.0, "ratio": 12345.6, "spread": 3.0}]}
END
printf 'before\n<!-- figures: made by scripts/bench-readme.py -->\nold\n<!-- end of figures -->\nafter\n' >"$dir/small.md"
for time in 1 2; do # the second time changes nothing
	python3 scripts/bench-readme.py "$dir/small.json" "$dir/small.md" "$dir/docs/small.svg" || fail generator
	cp "$dir/small.md" "$dir/out"
	says '^before$'
	says '^after$'
	says '^\| create a file \| 812 ns \| 10% \| tmpfs \| 4\.06 µs \| 5\.00 \|$'
	says '^\| take a hold and give it back \| 40\.0 ns \| 2% \| atomic pair: one atomic add and subtract \| 4\.00 ns \| 0\.10 \|$'
	says '^\| map and unmap 1 GiB \| 10\.0 µs \| 2% \| tmpfs: mmap, touch each page, munmap \| 123 ms \| 12,300 \|$'
	says '\(docs/small.svg\)'
	says '3 CPUs \(Some <CPU> & Co\), 2\.00 GiB of memory, Linux 6\.1\.2'
	[ "$(grep -c '^|' "$dir/out")" = 5 ] || fail "rows"
	! grep -q '^old$' "$dir/out" || fail "the old section stayed"
done
python3 scripts/bench-svg.py "$dir/small.json" "$dir/small.svg" || fail generator
python3 - "$dir/small.svg" <<'END' || fail "small.svg"
import sys, xml.dom.minidom
text = open(sys.argv[1]).read()
tree = xml.dom.minidom.parseString(text)
bars = {r.getAttribute("class"): [] for r in tree.getElementsByTagName("rect")}
for r in tree.getElementsByTagName("rect"):
    bars[r.getAttribute("class")].append(r)
assert len(bars["better"]) == 2 and len(bars["worse"]) == 1, bars
x = lambda r: float(r.getAttribute("x"))
width = lambda r: float(r.getAttribute("width"))
five, most = bars["better"]
worse = bars["worse"][0]
assert x(five) == x(most) and abs(x(worse) + width(worse) - x(five)) < 0.2      # all begin or end at 1
assert abs(width(most) / width(worse) - 4.0915) < 0.01                           # powers of ten
words = [t.firstChild.data for t in tree.getElementsByTagName("text")]
assert "5.00×" in words and "0.10×" in words and "12,300×" in words, words
assert "prefers-color-scheme: dark" in text
assert not tree.getElementsByTagName("script") and "href" not in text and "url(" not in text
END

# what is not figures, or no place for them
echo '{"schema": 2}' >"$dir/bad.json"
! python3 scripts/bench-svg.py "$dir/bad.json" "$dir/bad.svg" 2>/dev/null || fail "schema 2 was taken"
echo nothing >"$dir/bad.md"
! python3 scripts/bench-readme.py "$dir/small.json" "$dir/bad.md" "$dir/small.svg" 2>/dev/null || fail "a README without marks"
[ "$(cat "$dir/bad.md")" = nothing ] || fail "a README without marks was changed"

# "pinfold bench": one subject, in the directory that it is told, of which nothing stays there
expect 0 bench --help
says '^usage: pinfold bench '
mkdir "$dir/pools"
expect 0 bench "$dir/pools" attach
says '^machine  [0-9]+ CPUs'
says '^pages    [0-9]+ bytes; huge ones of tmpfs \(shmem_enabled\): .*; hugetlb: '
says "^pools    in $dir/pools "
says '^attach_16g  .* ms .*x  \+-[0-9]+%$'
expect 0 bench --json "$dir/pools" attach
field_is "j['schema'], j['machine']['pool_directory']" "(1, '$dir/pools')"
field_is "[r['name'] for r in j['rows']]" "['open_16g', 'attach_16g']"
[ -z "$(ls "$dir/pools")" ] || fail "something stayed"
expect 2 bench "$dir/pools" nonsense
complains 'nonsense is not a subject'
expect 1 bench "$dir/nothing" attach
complains 'No such file'
code=0
pinfold bench "$dir/pools" attach >/dev/full 2>"$dir/err" || code=$?
[ $code = 1 ] || fail "to a full device: $code"

# installed, it finds what measures in libexec; without that it says so
case $(ldd "$PF_BUILD_DIR/libpinfold.so") in
*libasan* | *libtsan*) exit 0 ;; # not for installing
esac
DESTDIR="$dir/dest" meson install --no-rebuild --quiet -C "$PF_BUILD_DIR" >"$dir/out" 2>&1 || fail "install"
PINFOLD=$(find "$dir/dest" -path '*/bin/pinfold')
LD_LIBRARY_PATH=$PF_BUILD_DIR
export LD_LIBRARY_PATH
expect 0 bench "$dir/pools" attach
says '^attach_16g '
find "$dir/dest" -path '*/libexec/pinfold/bench' -delete
expect 1 bench "$dir/pools" attach
complains '^pinfold: bench: .* is not installed'

# For tests of the program: a directory on tmpfs that goes with the test, checks of exit codes, output and JSON fields.
export LC_ALL=C
dir=$(mktemp -d /dev/shm/pinfold-test.XXXXXX)
export PINFOLD_RUNTIME_DIR=$dir
children=

# Only what this test started.
clean_up()
{
	for pid in $children; do
		kill -9 "$pid" 2>/dev/null || :
	done
	chmod -R u+rwx "$dir" 2>/dev/null || :
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

pinfold()
{
	"$PINFOLD" "$@"
}

fail()
{
	echo "failed: $*"
	[ ! -f "$dir/out" ] || sed 's/^/out: /' "$dir/out"
	[ ! -f "$dir/err" ] || sed 's/^/err: /' "$dir/err"
	exit 1
}

# expect CODE ARGUMENT...: pinfold ends with that code; its output is in $dir/out and $dir/err.
expect()
{
	wanted=$1
	shift
	code=0
	pinfold "$@" >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = "$wanted" ] || fail "pinfold $*: exit code $code, not $wanted"
}

# The last command said this (a pattern of grep -E) on standard error, or on standard output.
complains()
{
	grep -qE -- "$1" "$dir/err" || fail "no complaint '$1'"
}

says()
{
	grep -qE -- "$1" "$dir/out" || fail "no output '$1'"
}

# field EXPRESSION: of the JSON document `j` in $dir/out, as Python sees it.
field()
{
	python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$dir/out" "$1"
}

# field_is EXPRESSION VALUE
field_is()
{
	got=$(field "$1") || fail "$1"
	[ "$got" = "$2" ] || fail "$1 is $got, not $2"
}

# holds ARGUMENT...: "pinfold hold" in the background, once it says "held"; its pid is in $holder, its messages in $dir/hold.err.
holds()
{
	rm -f "$dir/fifo"
	mkfifo "$dir/fifo"
	"$PINFOLD" hold "$@" >"$dir/fifo" 2>"$dir/hold.err" &
	holder=$!
	children="$children $holder"
	line=
	read -r line <"$dir/fifo" || :
	[ "$line" = held ] || { cat "$dir/hold.err"; fail "hold $*: '$line'"; }
}

# ends PID CODE: the background process ends with that code.
ends()
{
	code=0
	wait "$1" 2>/dev/null || code=$?
	[ "$code" = "$2" ] || fail "background process ended with $code, not $2"
}

same()
{
	cmp "$1" "$2" >&2 || fail "$1 and $2 differ"
}

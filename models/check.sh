#!/bin/sh
# check.sh CASES: runs every case, JOBS at a time (2), and compares the outcome with its first column.
# Prints one line a case: verdict, states stored, seconds, and for a mutation what spin found;
# then "N passed, N failed". Exit code 0 when none failed. With MODEL_SECONDS set, cases that have not
# begun by then are left out.
set -u
top=$(cd "$(dirname "$0")" && pwd)

# one DIR WANT MODEL DEFINES...: one case, in a directory of its own
one()
{
	dir=$1 want=$2 model=$3
	shift 3
	if [ "$(date +%s)" -ge "${MODEL_DEADLINE:-9999999999}" ]; then
		printf 'left %-6s %-10s %s\n' "$want" "$model" "$*"
		return
	fi
	mkdir -p "$dir" && cd "$dir" && cp "$top"/*.pml . || return
	# A mutation is found early as a rule: compiling fast matters more than running fast. The same
	# is true of all cases in small bounds.
	case ${CASES:-} in *-short) fast=-O0 ;; *) fast=-O2 ;; esac
	case $want in
	live|unlive) mode=-DLTL_END cflags="$fast -DNFAIR=4" args="-a -f -m400000" ;;
	bad) mode='' cflags="-O0 -DSAFETY" args=-m200000 ;;
	*) mode='' cflags="$fast -DSAFETY" args=-m200000 ;;
	esac
	verdict=FAIL states='' start=$(date +%s)
	# shellcheck disable=SC2086
	if ! spin $mode "$@" -a "$model.pml" >spin.out 2>&1 ||
	   ! gcc -w -DCOLLAPSE -DMEMLIM=16000 $cflags -o pan pan.c >>spin.out 2>&1; then
		cat spin.out
		why="does not build"
	else
		./pan $args -w24 >pan.out 2>&1
		errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.out)
		states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' pan.out)
		why=$(sed -n 's/^pan:1: //p' pan.out | cut -c1-60)
		if grep -q "max search depth too small\|out of memory\|VECTORSZ" pan.out; then
			why="search cut short"
		else
			case $want in
			ok|live) [ "${errors:-1}" = 0 ] && verdict=pass ;;
			bad|unlive) [ "${errors:-0}" -gt 0 ] && verdict=pass ;;
			esac
		fi
	fi
	printf '%s %-6s %-10s %-58s %10s %4d s  %s\n' $verdict "$want" "$model" "$*" "${states:--}" \
		$(($(date +%s) - start)) "$why"
	cd "$top" && rm -rf "$dir"
}

if [ "$1" = --one ]; then
	shift
	# shellcheck disable=SC2086
	one $1
	exit
fi

export CASES="$1"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
[ -z "${MODEL_SECONDS:-}" ] || export MODEL_DEADLINE=$(($(date +%s) + MODEL_SECONDS))
sed '/^#/d; /^[[:space:]]*$/d' "$1" | awk -v dir="$work" '{ print dir "/case" NR " " $0 }' >"$work/list"
xargs -d '\n' -n 1 -P "${JOBS:-2}" sh "$top/check.sh" --one <"$work/list" | tee "$work/all"
passed=$(grep -c '^pass' "$work/all")
left=$(grep -c '^left' "$work/all")
# A case that printed nothing has failed too.
failed=$(($(wc -l <"$work/list") - passed - left))
[ "$left" = 0 ] || echo "$left left out for want of time"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]

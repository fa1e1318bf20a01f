#!/bin/sh
# Every command, option and public function has its man page, which formats without warnings.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
mkdir "$dir/man"
python3 "$PF_SOURCE_DIR/scripts/man.py" make "$PF_SOURCE_DIR/include/pinfold.h" "$PINFOLD" 0 "$dir/man" || fail "making pages"

# what meson installs is what is made
python3 "$PF_SOURCE_DIR/scripts/man.py" list "$PF_SOURCE_DIR/include/pinfold.h" "$PF_SOURCE_DIR/src/cli/cli.h" | sort >"$dir/listed"
ls "$dir/man" | sort >"$dir/made"
diff "$dir/listed" "$dir/made" >&2 || fail "< installed, > made"

for command in $(pinfold --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
	page=$dir/man/pinfold-$command.1
	[ -f "$page" ] || fail "no page for $command"
	grep -q "pinfold.-$command" "$dir/man/pinfold.1" || fail "pinfold(1) lacks $command"
	for option in $(pinfold "$command" --help | grep -o '^  --[a-z-]*'); do
		sed 's/\\-/-/g' "$page" | grep -q -- "^.fB$option[,\\\\]" || fail "$command lacks $option"
	done
done

# what the library exports is what the header declares, and has its page
nm -D --defined-only "$PF_BUILD_DIR/libpinfold.so" | grep -o ' [TW] pf_[a-z_]*' | cut -c4- | sort >"$dir/exported"
[ "$(wc -l <"$dir/exported")" -gt 50 ] || fail "nothing exported"
while read -r function; do
	page=$dir/man/$function.3
	[ -f "$page" ] || fail "no page for $function()"
	grep -q "fB$function.fP" "$dir/man/pinfold.3" || fail "pinfold(3) lacks $function()"
	sed -n '/^.SH DESCRIPTION/,/^.SH ERRORS/p' "$page" | grep -q '^[A-Z0-9"]\|^\\fB' || fail "$function() has no comment"
done <"$dir/exported"
# each code of the header is among the errors
for code in $(grep -o 'X(PF_[A-Z]*' "$PF_SOURCE_DIR/include/pinfold.h" | cut -c3-); do
	grep -q "fB.-$code.fP (E" "$dir/man/pinfold.3" || fail "pinfold(3) lacks $code"
done

for page in "$dir"/man/*; do
	if command -v mandoc >/dev/null; then
		mandoc -T lint -W warning "$page" >>"$dir/warnings" || :
	elif command -v groff >/dev/null; then
		groff -man -ww -T utf8 "$page" >/dev/null 2>>"$dir/warnings"
	elif command -v man >/dev/null; then
		man --warnings -l "$page" >/dev/null 2>>"$dir/warnings"
	fi
done
[ ! -s "$dir/warnings" ] || { cat "$dir/warnings"; fail "warnings"; }

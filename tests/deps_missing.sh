#!/bin/sh
# A missing package: who may not install it is told which, in a line that root can paste; make goes no further.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
command -v dpkg-query >/dev/null || { echo "skip: no Debian"; exit 77; }
ordinary=
if [ "$(id -u)" = 0 ]; then
	ordinary='setpriv --reuid 65534 --regid 65534 --clear-groups'
	$ordinary sh -c "cat '$PF_SOURCE_DIR/scripts/deps.sh'" >/dev/null 2>&1 || { echo "skip: no setpriv, or nobody may not read the sources"; exit 77; }
fi
chmod 755 "$dir"
mkdir "$dir/bin"
cat >"$dir/bin/dpkg-query" <<'END'
#!/bin/sh
for package; do
	case $package in
	-* | '${'* | libjansson-dev | meson) ;;
	*) printf '%s:installed ' "$package" ;;
	esac
done
END
printf '#!/bin/sh\nexit 1\n' >"$dir/bin/sudo" # that wants a password
chmod 755 "$dir/bin" "$dir/bin/"*

code=0
(cd "$PF_SOURCE_DIR" && exec $ordinary env PATH="$dir/bin:$PATH" make deps) >"$dir/out" 2>"$dir/err" || code=$?
[ $code = 2 ] || fail "make: exit code $code"
complains '^pinfold needs packages that are not installed. As root run:$'
[ "$(grep -c '^apt-get' "$dir/err")" = 1 ] || fail "lines for root"
grep -qx 'apt-get update && apt-get install -y --no-install-recommends meson libjansson-dev' "$dir/err" || fail "the line for root"

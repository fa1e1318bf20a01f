#!/bin/sh
# Installs the Debian packages that the build, the tests and the style checks need, and only those
# that are missing: one dpkg-query when nothing is, so make can run it first every time.
#
#   deps.sh          what make, make run and make test need
#   deps.sh style    also what make check-style needs
#
# As root or with a passwordless sudo it installs; for anybody else it prints the line to run.
# Without dpkg the machine is no Debian: meson then says what it does not find.
set -eu

build="gcc libc6-dev make meson ninja-build pkg-config python3
	libpmem2-dev libisal-dev libxxhash-dev liburing-dev libjansson-dev libcmocka-dev spin"
style="clang-format-14"

want=$build
[ "${1:-}" = style ] && want="$build $style"

command -v dpkg-query >/dev/null || exit 0

installed=" $(dpkg-query -W -f '${Package}:${db:Status-Status} ' $want 2>/dev/null || true)"
missing=
for p in $want; do
	case $installed in
	*" $p:installed "*) ;;
	*) missing="$missing $p" ;;
	esac
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ]; then
	as_root="env"
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	as_root="sudo -n env"
else
	echo "pinfold needs packages that are not installed. As root run:" >&2
	echo "apt-get update && apt-get install -y --no-install-recommends$missing" >&2
	exit 1
fi

echo "installing:$missing"
apt="$as_root DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
# An update that fails for one source may still have brought the list we need.
$apt update || true
$apt install -y --no-install-recommends $missing

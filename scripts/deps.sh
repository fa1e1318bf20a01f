#!/bin/sh
# Installs the Debian packages that are needed and missing: one dpkg-query when none is, so make can
# run it first every time. What the build needs is a short list, because whoever tries pinfold waits for it.
#
#   deps.sh          what make and make run need
#   deps.sh test     also what tests need: they look for it when they run, and are skipped without it
#   deps.sh style    also what make check-style needs
#
# As root or with a passwordless sudo it installs; for anybody else it prints the line to run. Ends with 1
# if something is still missing. Without dpkg the machine is no Debian: meson then says what it does not find.
set -eu

build="gcc libc6-dev make meson ninja-build pkg-config python3
	libpmem2-dev libisal-dev libxxhash-dev liburing-dev libjansson-dev
	libfuse3-dev fuse3"
# Models; programs on a mount (not fio, which brings much with it); page tables under other people's MMUs; unit tests for other CPUs.
test="spin git rsync qemu-system-x86 qemu-system-arm qemu-system-misc
	qemu-user gcc-aarch64-linux-gnu gcc-riscv64-linux-gnu libc6-dev-arm64-cross libc6-dev-riscv64-cross"
style="clang-format-14"

want=$build
for set; do
	case $set in
	test)	want="$want $test" ;;
	style)	want="$want $style" ;;
	*)	echo "deps.sh: test or style, not $set" >&2; exit 2 ;;
	esac
done

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

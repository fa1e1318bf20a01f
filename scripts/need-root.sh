#!/bin/sh
# Runs a test that says root=yes; for an ordinary user it is skipped, with the reason.
if [ "$(id -u)" != 0 ]; then
	echo "skip: needs root"
	exit 77
fi
exec "$@"

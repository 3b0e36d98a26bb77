#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# mkswap-wipes-both-luks2-headers.sh - what mkswap by mistake costs a LUKS2 device
#
# Versions: util-linux and libblkid1 2.38.1-5+deb12u3, cryptsetup-bin and libcryptsetup12
#           2:2.6.1-4~deb12u2 (Debian 12, amd64)
# Guess:    mkswap writes over the first copy of a LUKS2 header only, as a partition table does;
#           the second one, 16 KiB further, stays whole, and "cryptsetup repair" makes the first
#           one anew from it: that is what two copies are for.
# Seen:     mkswap says "wiping old crypto_LUKS signature" twice, and wipes the magic of the
#           second copy, too (libblkid knows both places). "cryptsetup repair" finds nothing to
#           repair: "is not a valid LUKS device", exit code 1. All other bytes of the second copy
#           are there; with its 6 bytes of magic written back, repair brings all back.
# So:       inocrypt looks for a second copy without its magic, and says how to put it back
#           (userspace/header/luks_lost.c, docs/tool.md); unit/luks types that in.
#
# Installs the packages into a temporary folder, and needs no root. Exit code 0: still so.
set -euo pipefail
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
cd "$t"
for p in util-linux=2.38.1-5+deb12u3 libblkid1=2.38.1-5+deb12u3 \
	 cryptsetup-bin=2:2.6.1-4~deb12u2 libcryptsetup12=2:2.6.1-4~deb12u2; do
	apt-get -qq -o APT::Sandbox::User=root download "$p" 2>/dev/null ||
		{ echo "can't download $p: is this Debian 12?" >&2; exit 2; }
done
for d in ./*.deb; do dpkg -x "$d" root; done
export PATH=$t/root/sbin:$t/root/usr/sbin:/usr/bin:/bin
LD_LIBRARY_PATH=$(find root -name '*.so.*' -printf "$t/%h:" | tr -s :)
export LD_LIBRARY_PATH
changed() { echo "CHANGED: $*"; exit 1; }
magic() { dd if=disk bs=1 skip="$1" count=6 status=none | od -An -tx1 | tr -d ' \n'; }

truncate -s 64M disk
chmod 600 disk
printf secret | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 \
	--pbkdf-force-iterations 1000 disk -
first=$(magic 0) second=$(magic 16384)
echo "after luksFormat: first copy $first, second copy $second"
[ "$second" != 000000000000 ] || changed "the second copy isn't at 16 KiB"

mkswap disk 2>&1 | tee out | grep crypto_LUKS || true
[ "$(grep -c "wiping old crypto_LUKS signature" out)" = 2 ] ||
	changed "mkswap does not wipe two signatures"
echo "after mkswap: first copy $(magic 0), second copy $(magic 16384)"
[ "$(magic 16384)" = 000000000000 ] || changed "the second copy keeps its magic"

rc=0
cryptsetup -q repair disk >out 2>&1 || rc=$?
echo "cryptsetup repair: exit code $rc: $(<out)"
if [ $rc != 1 ] || ! grep -q "not a valid LUKS device" out; then
	changed "repair finds the second copy"
fi

basenc -d --base16 <<<"${second^^}" | dd of=disk bs=1 seek=16384 conv=notrunc status=none
cryptsetup -q repair disk >/dev/null 2>&1 || changed "repair fails with the magic put back"
printf secret | cryptsetup open --test-passphrase disk - || changed "its passphrase is gone"
echo "with the magic put back: repaired, the passphrase fits"
echo "as seen"

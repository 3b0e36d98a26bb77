#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A key is locked and brought back again and again under files in use: buffered, direct and
# mapped reads and writes, fsync, holes. What was written with success is there, nothing ever
# reads wrong, errors meet only what meets a lock.
# vm: --disk data:192M --timeout 240
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

# What reads without the key counts as a failure there.
export VOL_NO_JUDGE=1
vol_setup /run/disks/data
# shellcheck disable=SC2119
vol_format
# shellcheck disable=SC2119
vol_open
mkfs.ext4 -q -F "$VOL_DEV"
for opts in "" dioread_lock,nodelalloc; do
	mount -t ext4 ${opts:+-o "$opts"} "$VOL_DEV" "$VOL_MNT"
	mkdir "$VOL_MNT/race${opts:+2}"
	head -c 32 /dev/urandom >/tmp/mk
	out=$(lockrace "$VOL_MNT/race${opts:+2}" /tmp/mk $((8 * LONG))) || fail "lockrace"
	say "${opts:-default options}: $out"
	umount "$VOL_MNT"
done
e2fsck -fn "$VOL_DEV" >/tmp/fsck 2>&1 || fail "e2fsck: $(</tmp/fsck)"
# Unmounting locks what was brought to the mount.
inocrypt key slots "$VOL_NAME" | tee /tmp/slots | grep -q absent || fail "slots: $(</tmp/slots)"
! grep -q loaded /tmp/slots || fail "still loaded after umount: $(</tmp/slots)"
vol_close

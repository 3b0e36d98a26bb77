#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A key is locked and brought back again and again under files in use: buffered, direct and
# mapped reads and writes, fsync, holes. What was written with success is there, nothing ever
# reads wrong, errors meet only what meets a lock. And while it is locked a file that is still
# open can't be changed in any way; and nobody else waits for a lock that takes its time. And
# who is who: root without its capabilities, users of a container.
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
	head -c 32 /dev/urandom >/tmp/mk2
	out=$(lockrace "$VOL_MNT/race${opts:+2}" /tmp/mk $((8 * LONG))) || fail "lockrace"
	say "${opts:-default options}: $out"
	mkdir "$VOL_MNT/fd${opts:+2}"
	out=$(lockedfd "$VOL_MNT/fd${opts:+2}" /tmp/mk2 2>&1) || fail "lockedfd: $out"
	say "$out"
	umount "$VOL_MNT"
done
# shellcheck disable=SC2119
vol_mount
mkdir "$VOL_MNT/others"
dmsetup create stuck --table "0 8 zero"
lockothers "$VOL_MNT/others" /dev/mapper/stuck "blockdev --flushbufs /dev/mapper/stuck && dmsetup suspend --noflush stuck" \
	"dmsetup resume stuck" || fail "lockothers"
dmsetup remove --retry stuck
say "nobody waits for another's lock"
head -c 32 /dev/urandom >/tmp/mk3
keyusers "$VOL_MNT" /tmp/mk3 2001 2002 || fail "keyusers"
say "users are told apart"
umount "$VOL_MNT"
e2fsck -fn "$VOL_DEV" >/tmp/fsck 2>&1 || fail "e2fsck: $(</tmp/fsck)"
# Unmounting locks what was brought to the mount.
inocrypt key slots "$VOL_NAME" | tee /tmp/slots | grep -q absent || fail "slots: $(</tmp/slots)"
! grep -q loaded /tmp/slots || fail "still loaded after umount: $(</tmp/slots)"
vol_close

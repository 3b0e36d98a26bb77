#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The VM that the other tests run in is what they take it for.
# vm: --disk a:64M --disk b:64M:wce=off,bs=4096 --disk c:64M:ro --timeout 120
set -euo pipefail

fail() { echo "stage $VM_STAGE: $*" >&2; exit 1; }
a=/run/disks/a
q() { echo /sys/block/"$(basename "$(readlink "/run/disks/$1")")"/queue/"$2"; }

case $VM_STAGE in
0)
	[ "$(uname -r)" = "$VM_KVER" ] || fail "kernel $(uname -r), not $VM_KVER"
	[ "$(nproc)" = 2 ] || fail "$(nproc) CPUs"
	! touch /usr/harness-was-here 2>/dev/null || fail "the host's root is writable"
	for d in /tmp /run /mnt /var/tmp /results; do
		echo x >$d/f && rm $d/f || fail "$d is not writable"
	done
	[ -f "$INOCRYPT_TOP/tests/vm/harness.sh" ] || fail "INOCRYPT_TOP=$INOCRYPT_TOP"

	[ "$(cat "$(q a write_cache)")" = "write back" ] || fail "disk a has no volatile cache"
	[ "$(cat "$(q b write_cache)")" = "write through" ] || fail "wce=off had no effect"
	[ "$(cat "$(q b logical_block_size)")" = 4096 ] || fail "bs=4096 had no effect"
	[ "$(cat "$(q a discard_granularity)")" -gt 0 ] || fail "no discard"
	! dd if=/dev/zero of=/run/disks/c count=1 oflag=direct 2>/dev/null || fail "ro disk written"

	dmsetup create h --table "0 8 linear $a 0"
	[ -b /dev/mapper/h ] || fail "no node for a dm device"
	dmsetup remove h
	mkfs.ext4 -q $a && mount $a /mnt
	case $(modinfo -n ext4) in
	*/updates/*)	;;
	*)		[ ! -f "$INOCRYPT_BUILD/$VM_KVER/ext4.ko" ] || fail "the stock ext4 won";;
	esac
	echo "before the cut" >/mnt/f
	sync -f /mnt/f
	echo stage0 >/results/stage0
	vm-powercut
	fail "still here after vm-powercut";;
1)
	mount $a /mnt
	[ "$(cat /mnt/f)" = "before the cut" ] || fail "synced file lost by a power cut"
	echo "before the restart" >/mnt/g
	vm-reboot
	fail "still here after vm-reboot";;
2)
	mount $a /mnt
	[ "$(cat /mnt/g)" = "before the restart" ] || fail "vm-reboot did not write back"
	umount /mnt
	[ "$(cat /results/stage0)" = stage0 ] || fail "/results did not survive"
	echo "three boots, disks kept";;
esac

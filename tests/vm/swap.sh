#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Swap on an open volume, in a machine that has not enough memory: what is pushed out comes back
# as it was, while files under a key are written on another volume, and so does what has to
# be read and written for that without memory to be had. Nothing hangs, and no allocation fails.
# vm: --disk swap:640M --disk data:256M --mem 320 --timeout 300
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

MIB=160		# for each of two: with their programs more than there is
vmstat() { awk -v n="$1" '$1 == n { print $2 }' /proc/vmstat; }

# The swap's own volume: its node cache is small, so that leaves have to be read to swap.
export VOL_NAME=swap VOL_OPEN_ARGS="--cache-size 1M"
vol_setup /run/disks/swap
vol_format
vol_open
mkswap /dev/mapper/swap >/dev/null
swapon /dev/mapper/swap

(
	export VOL_NAME=data VOL_DEV=/dev/mapper/data VOL_MNT=/mnt/data VOL_KEYS=/tmp/keys.data VOL_OPEN_ARGS=
	vol_setup /run/disks/data
	vol_format
	vol_open
	vol_mkfs
	vol_mount
	keyed_dir "$VOL_MNT/k" "$(key_new alice)"
) || fail "the other volume"

# writer NAME ARGUMENTS of dd...: the same file again and again, until all is over
writer()
{
	local name=$1 n=0

	shift
	while [ ! -e /tmp/over ]; do
		dd if=/tmp/base of="/mnt/data/k/$name" bs=64k "$@" status=none || { echo "$name" >/tmp/failed; return 1; }
		cmp /tmp/base "/mnt/data/k/$name" || { echo "$name" >/tmp/failed; return 1; }
		n=$((n + 1))
	done
	echo "$n" >"/tmp/writer.$name"
}

head -c 2M /dev/urandom >/tmp/base
before=$(vmstat pswpout)
writer direct oflag=direct &
writer synced conv=fsync &
writer buffered conv=notrunc &
rc=0
timeout $((200 * ${VM_SLOW:-1})) anonmem 2 $MIB 1 || rc=$?
[ $rc = 0 ] || { echo w >/proc/sysrq-trigger; fail "anonymous memory: exit code $rc"; }
touch /tmp/over
wait
[ ! -e /tmp/failed ] || fail "the writer $(</tmp/failed)"
out=$((($(vmstat pswpout) - before) / 256)) in=$(($(vmstat pswpin) / 256))
say "$out MiB swapped out, $in MiB in; files written: direct $(</tmp/writer.direct), synced" \
	"$(</tmp/writer.synced), buffered $(</tmp/writer.buffered)"
[ $out -ge $MIB ] && [ $in -ge $((MIB / 2)) ] || fail "that is hardly swapping"
[ "$(vmstat oom_kill)" = 0 ] || fail "the kernel killed somebody for memory"
! dmesg | grep -E "page allocation failure|SLUB: Unable to allocate|inocrypt: .*error" || fail "the kernel log says so"
vol_judge
[ "$(vol_status io_errors)" = 0 ] || fail "I/O errors"
swapoff /dev/mapper/swap
vol_close
VOL_NAME=data
vol_judge
umount /mnt/data
vol_close
say "ok"

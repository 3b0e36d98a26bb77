#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Blocks of ext4's journal are discarded before jbd2 writes them again, so that they are no overwrites
# to the target; and after a crash the journal is all there: what was synced is found again.
# vm: --disk d:192M --timeout 400
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$INOCRYPT_TOP/tests/vm/lib.sh"
BACKEND=inocrypt
VOL_DISK=/run/disks/d
SECONDS_EACH=$((3 * LONG))
T=/sys/kernel/tracing
TOP=/dev/mapper/top

vol_setup $VOL_DISK
sectors="" what="" opts="" crashes=0

# top TABLE...: what the file system is on: the volume, or, the machine having crashed, nothing.
top()
{
	local table="0 $sectors $*"

	if [ -e $TOP ]; then
		dmsetup suspend --noflush --nolockfs top
		dmsetup load top --table "$table"
		dmsetup resume top
	else
		dmsetup create top --table "$table"
	fi
}

trace_start()
{
	local dev

	[ -d $T/events ] || mount -t tracefs none $T
	dev=$(stat -c '%t %T' "$(readlink -f "$VOL_DEV")")
	echo 16384 >$T/buffer_size_kb
	echo "dev == $(((16#${dev% *} << 20) | 16#${dev#* }))" >$T/events/block/block_bio_queue/filter
	echo 1 >$T/events/block/block_bio_queue/enable
}

# journal_writes: from the trace, "OVER FRESH DISCARDS": writes to blocks of the journal that
# weren't discarded since they had been written (in this mount), and others; discards of any.
journal_writes()
{
	awk -v bs=$((bsize / 512)) '
		FNR == NR { for (i = 1; i <= NF; i++) if (n++) journal[$i] = 1; next }
		/block_bio_queue:/ {
			for (i = 1; $i != "block_bio_queue:"; i++)
				;
			b = int($(i + 3) / bs)
			if ($(i + 2) ~ /^D/) {
				for (e = b + $(i + 5) / bs; b < e; b++)
					if (b in journal) { zero[b] = 1; d++ }
			} else if ($(i + 2) ~ /W/ && b in journal) {
				for (e = b + $(i + 5) / bs; b < e; b++)
					if (zero[b]) { fresh++; zero[b] = 0 } else over++
			}
		}
		END { print over + 0, fresh + 0, d + 0 }' /tmp/journal.blocks $T/trace
}

do_mount()
{
	mount -t ext4 ${opts:+-o "$opts"} $TOP "$VOL_MNT" ||
		fail "$what: mount: $(dmesg | tail -n 3)"
}

do_check()
{
	fsynced check "$VOL_MNT/a" /tmp/log.a || fail "$what: a: files after crash $crashes"
	fsynced check "$VOL_MNT/b" /tmp/log.b || fail "$what: b: files after crash $crashes"
}

# round: recover, compare, work until the crash. Recovery is by the kernel and by e2fsck in turn,
# of fast commits by the kernel alone: e2fsck 1.47.0 doesn't bring all of them back.
round()
{
	local a b over fresh discards intents flushes

	if ((crashes % 2)) && [ "$what" != fast_commit ]; then
		e2fsck -fy $TOP >/tmp/fsck 2>&1 || [ $? -eq 1 ] ||
			{ cat /tmp/fsck >&2; fail "$what: e2fsck -fy after crash $crashes"; }
	fi
	do_mount
	do_check
	echo >$T/trace
	intents=$(vol_status intents)
	flushes=$(vol_status device_flushes)
	fsynced run "$VOL_MNT/a" /tmp/log.a $((RANDOM + 1)) >/tmp/n.a &
	a=$!
	fsynced run "$VOL_MNT/b" /tmp/log.b $((RANDOM + 1)) >/tmp/n.b &
	b=$!
	sleep $SECONDS_EACH.$((RANDOM % 10))
	top linear /dev/mapper/crashed 0
	wait $a || fail "$what: fsynced in a"
	wait $b || fail "$what: fsynced in b"
	umount "$VOL_MNT"
	sum_intents=$((sum_intents + $(vol_status intents) - intents))
	sum_flushes=$((sum_flushes + $(vol_status device_flushes) - flushes))
	top linear "$VOL_DEV" 0
	crashes=$((crashes + 1))

	read -r over fresh discards < <(journal_writes)
	fsyncs=$((fsyncs + $(</tmp/n.a) + $(</tmp/n.b)))
	sum_over=$((sum_over + over)) sum_fresh=$((sum_fresh + fresh))
	sum_discards=$((sum_discards + discards))
	# The first commits of a mount find what the mount before left.
	[ "$over" -le 80 ] || fail "$what: $over journal blocks overwritten, $fresh fresh, $discards discarded"
	[ "$fresh" -ge 50 ] || fail "$what: only $fresh journal blocks written: too little to judge"
}

# try WHAT MOUNTOPTS ROUNDS MKFS...
try()
{
	local fsyncs=0 sum_over=0 sum_fresh=0 sum_discards=0 sum_intents=0 sum_flushes=0
	local bsize rounds i

	what=$1 opts=$2 rounds=$3
	shift 3
	mkfs.ext4 -q -F -J size=4 -N 512 "$@" $TOP || fail "$what: mkfs.ext4 $*"
	bsize=$(dumpe2fs -h $TOP 2>/dev/null | sed -n 's/^Block size: *//p')
	debugfs -R 'blocks <8>' $TOP >/tmp/journal.blocks 2>/dev/null
	rm -f /tmp/log.*
	do_mount
	mkdir "$VOL_MNT/a" "$VOL_MNT/b"
	umount "$VOL_MNT"
	for ((i = 0; i < rounds; i++)); do
		round
	done
	do_mount
	do_check
	umount "$VOL_MNT"
	e2fsck -fn $TOP >/tmp/fsck 2>&1 || { cat /tmp/fsck >&2; fail "$what: e2fsck -fn"; }
	say "$what: $fsyncs fsyncs, $sum_intents intents, $sum_flushes device flushes;" \
		"journal blocks: $sum_fresh fresh, $sum_over overwritten, $sum_discards discarded"
}

# shellcheck disable=SC2119 # not with this script's arguments
{
	vol_format
	vol_open
}
sectors=$(blockdev --getsz "$VOL_DEV")
# Where all I/O fails.  Its tag carrier is the volume's: tagged bios may be under way.
modprobe dm-owner-count
dmsetup create error --table "0 $sectors error"
dmsetup create crashed --table "0 $sectors owner-count /dev/mapper/error 0 4096"
top linear "$VOL_DEV" 0
trace_start
say "ready"
try ordered "" 2
# 6.1's own ext4 fails this now and then: docs/hooks.md, "Fast commits".
try fast_commit "" 2 -O fast_commit
try data=journal data=journal 1
# Groups so small that the journal lies in several pieces.
try fragmented data=writeback,journal_async_commit 1 -O ^flex_bg,^resize_inode -g 512
vol_judge
dmsetup remove top
dmsetup remove crashed
dmsetup remove error
vol_close

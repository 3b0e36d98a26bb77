#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A file system filled by several writers until nothing fits, emptied by half, filled again;
# what was written whole stays right, and overwriting needs no room.
# vm: --disk data:192M --mem 2560 --timeout 600
set -euo pipefail
. "$(dirname "$0")/lib.sh"

dirs=(alice bob nokey)
lists=/tmp/lists
mkdir -p $lists

vol_setup /run/disks/data
vol_format
vol_open
vol_mkfs -m 0
vol_mount
keyed_dir "$VOL_MNT/alice" "$(key_new alice)"
keyed_dir "$VOL_MNT/bob" "$(key_new bob)"
mkdir "$VOL_MNT/nokey"

left() { df --output=avail "$VOL_MNT" | tail -n 1; }

# all_fill ROUND: all directories at once
all_fill()
{
	local d pids=()

	for d in "${dirs[@]}"; do
		filler fill "$VOL_MNT/$d" "$1" >$lists/"$d.$1" &
		pids+=($!)
	done
	for d in "${pids[@]}"; do
		wait "$d" || fail "filling, round $1"
	done
	sync
	[ "$(left)" -lt 4096 ] || fail "not full: $(left) KiB left"
}

# each_list COMMAND [N]: over all lists, which become what it prints
each_list()
{
	local l

	for l in $lists/*; do
		filler "$1" "$l" "${@:2}" >/tmp/new.list || fail "$1 of $(basename "$l"), $(left) KiB left"
		[ "$1" = verify ] || mv /tmp/new.list "$l"
	done
}

for ((round = 1; round <= 1 + LONG; round++)); do
	all_fill $round
	wipe_caches
	each_list verify
	say "round $round: full, $(cat $lists/* | wc -l) files as written"

	each_list rewrite 7
	for d in "${dirs[@]}"; do
		! fallocate -l 300M "$VOL_MNT/$d/too-big" 2>/dev/null || fail "300M fit"
		rm -f "$VOL_MNT/$d/too-big"
	done
	wipe_caches
	each_list verify
	each_list delete 2
	vol_cycle
	each_list verify
	say "round $round: $(cat $lists/* | wc -l) files left, reopened, $(left) KiB free"
done

rm -rf "$VOL_MNT"/alice/* "$VOL_MNT"/bob/* "$VOL_MNT"/nokey/*
rm -f $lists/*
sync
fstrim "$VOL_MNT" 2>/dev/null || true
all_fill 100
vol_cycle
each_list verify
say "emptied, filled again: $(cat $lists/* | wc -l) files as written"
vol_umount
vol_fsck
vol_close

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Invariants of the target that only show in a running one: 5 (of FUA writes only: what has ended
# is durable), 6 (no nonce twice, no unauthenticated plaintext), 7 (order of one sector's
# operations), 8 (a write that fails leaves both contents valid), 9 (a checkpoint waits for no data
# write). 1 to 5 are crash-sim's.
# vm: --disk data:48M --disk side:16M --timeout 300
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

D=/run/disks/data S=/run/disks/side
vk=/tmp/vk
head -c 32 /dev/urandom >$vk
get() { dmsetup status vol | tr ' ' '\n' | sed -n "s/^$1=//p"; }
format() { inocrypt format "$@" -k $vk -y -f --owners 500 >/dev/null; }

# under TABLE: what is below the volume from now on.
under()
{
	dmsetup reload bad --table "$1"
	dmsetup suspend --noflush bad
	dmsetup resume bad
}

# Invariant 5: a FUA write to sectors without records, which need no PUT before the data, into the
# log as data or not; right after it the power is cut. On a block device O_DSYNC sends a flush
# along, ext4 doesn't when it overwrites.
fua_survives()
{
	local ram=/dev/ram0 bytes=$2 at

	head -c 128k /dev/urandom >/tmp/new
	inocrypt format $ram -k $vk -y -f -s "$1" --owners 500 >/dev/null
	inocrypt open $ram vol -k $vk
	mkfs.ext4 -q -b 4096 -N 64 /dev/mapper/vol
	mount /dev/mapper/vol /mnt
	dd if=/dev/zero of=/mnt/file bs=128k count=1 conv=fsync status=none
	at=$(filefrag -v -b1 /mnt/file | awk '$1 == "0:" { print $4 + 0 }')
	sync -f /mnt
	blkdiscard -f -o "$at" -l 128k /dev/mapper/vol 2>/tmp/said || fail "$(</tmp/said)"
	inocrypt checkpoint vol
	dd if=/tmp/new of=/mnt/file bs="$bytes" count=1 oflag=direct,dsync conv=notrunc status=none
	dd if=$ram of=/tmp/cut bs=1M iflag=direct status=none
	umount /mnt
	inocrypt close vol
	dd if=/tmp/cut of=$ram bs=1M oflag=direct status=none
	inocrypt open $ram vol -k $vk
	dd if=/dev/mapper/vol iflag=direct,skip_bytes bs="$bytes" skip="$at" count=1 status=none |
		cmp -n "$bytes" - /tmp/new || fail "a FUA write of $bytes bytes, sectors of $1, is lost"
	inocrypt close vol
	rm /tmp/cut
}

# Invariant 5: what an fsync wrote over nothing, and only the log has, as its place can't be written.
only_in_log()
{
	local sz rc=0 i try

	sz=$(blockdev --getsz $D)
	head -c 16k /dev/urandom >/tmp/new
	dmsetup create bad --table "0 $sz linear $D 0"
	# Again if the machine took 100 ms from write to flush: the log had it before, its place has failed.
	for ((try = 1; ; try++)); do
		under "0 $sz linear $D 0"
		format /dev/mapper/bad --sidecar $S
		inocrypt open /dev/mapper/bad vol --sidecar $S -k $vk
		under "0 $sz flakey $D 0 0 1000 1 error_writes"
		! dd if=/tmp/new of=/dev/mapper/vol bs=16k conv=fsync status=none || break
		[ $try -lt 5 ] || fail "an fsync whose data went to the log"
		inocrypt close vol || true
	done
	[ "$(get data_logged)" = 4 ] || fail "$(get data_logged) sectors' data in the log, not 4"
	for i in {1..50}; do
		[[ $(dmsetup status vol) != *" inocrypt ok "* ]] || sleep 0.1
	done
	[[ $(dmsetup status vol) == *" inocrypt failed "* ]] || fail "it goes on, with data that isn't in place"
	inocrypt close vol 2>/dev/null || rc=$?
	[ $rc = 5 ] || fail "close of a volume that stopped: exit code $rc, not 5"
	under "0 $sz linear $D 0"
	inocrypt open /dev/mapper/bad vol --sidecar $S -k $vk
	[ "$(get recovered_redone)" = 4 ] || fail "$(get recovered_redone) sectors were put in place, not 4"
	dd if=/dev/mapper/vol bs=16k count=1 iflag=direct status=none | cmp - /tmp/new ||
		fail "a synced write over nothing is lost"
	inocrypt close vol
	dmsetup remove bad
}
invariant_5()
{
	modprobe brd rd_nr=1 rd_size=$((32 * 1024))
	fua_survives 2048 4096
	fua_survives 4096 4096
	fua_survives 4096 131072
	rmmod brd
	only_in_log
	say "5: FUA writes survive a cut right after them"
}

# Invariant 6: the nonces of all records, and of all blocks of the sidecar, with the tags that
# go with them; no nonce has two tags.
all_nonces()
{
	local leaf

	nonces $S || fail "nonces"
	for leaf in $first $((first + 1)) $((first + 2)); do
		inocrypt dump $D --sidecar $S -k $vk --node 0:"$leaf" --json |
			sed -n 's/.*"record" *: *"\(.\{32\}\)\(.\{24\}\).*/\2 \1/p'
	done
}
invariant_6()
{
	local i

	format $D --sidecar $S
	first=$((9 + (500 + 126) / 127))
	rm -f /tmp/nonces
	for i in 1 2 3 4; do
		inocrypt open $D vol --sidecar $S -k $vk
		blkmodel -t 2 -o 100 -D -r $i -m /tmp/m6 /dev/mapper/vol >/tmp/bm 2>&1 || fail "blkmodel: $(</tmp/bm)"
		inocrypt close vol
		all_nonces >>/tmp/nonces
	done
	sort -u /tmp/nonces >/tmp/pairs
	[ "$(wc -l </tmp/pairs)" -gt 500 ] || fail "only $(wc -l </tmp/pairs) nonces found"
	awk '{ print $1 }' /tmp/pairs | uniq -d >/tmp/twice
	[ ! -s /tmp/twice ] || fail "nonces used twice: $(head -n 3 /tmp/twice | xargs)"
	say "6: $(wc -l </tmp/pairs) nonces, all different"
}

# Invariant 7
invariant_7()
{
	format $D --sidecar $S -s 512
	inocrypt open $D vol --sidecar $S -k $vk
	racer /dev/mapper/vol 512 $((8 * LONG)) >/tmp/race 2>&1 || fail "racer: $(</tmp/race)"
	[ "$(get auth_failures)" = 0 ] || fail "auth_failures=$(get auth_failures)"
	inocrypt close vol
	say "7: $(</tmp/race)"
}

# Invariant 8, of fsync on ext4: the flush that has to fail comes with the journal's commit block.
# late_commit DEV: of the volume itself, or of what is on top of it.
late_commit()
{
	local sz at

	sz=$(blockdev --getsz $D)
	dmsetup create bad --table "0 $sz linear $D 0"
	format /dev/mapper/bad --sidecar $S
	inocrypt open /dev/mapper/bad vol --sidecar $S -k $vk
	[ "$1" = /dev/mapper/vol ] ||
		dmsetup create "${1##*/}" --table "0 $(blockdev --getsz /dev/mapper/vol) linear /dev/mapper/vol 0"
	mkfs.ext4 -q -b 4096 "$1"
	mount -o commit=300 "$1" /mnt
	dd if=/tmp/old of=/mnt/file bs=1M conv=fsync status=none
	sync -f /mnt
	at=$(filefrag -v -b4096 /mnt/file | awk '$1 == "0:" { print $4 + 0 }')
	at=$(($(inocrypt dump $D --sidecar $S -k $vk --record "$at" | awk '$1 == "data_offset" { print $2 }') / 512))
	under "0 $at linear $D 0
$at 2048 error
$((at + 2048)) $((sz - at - 2048)) linear $D $((at + 2048))"
	# Of an area that fails, flushes don't; and too much for its data to be logged.
	! dd if=/tmp/new of=/mnt/file bs=1M conv=fsync,notrunc status=none 2>/dev/null ||
		fail "fsync on ext4 after a write to a device that fails"
	[ "$(get sectors_failed)" = 256 ] || fail "$(get sectors_failed) sectors failed"
	umount /mnt
	[ "$1" = /dev/mapper/vol ] || dmsetup remove --retry "$1"
	inocrypt close vol
	dmsetup remove bad
}

# said_once WHAT: one flush of the volume fails, the next doesn't.
said_once()
{
	! sync /dev/mapper/vol 2>/dev/null || fail "the first flush after $1"
	sync /dev/mapper/vol || fail "the second flush after $1"
}
# Invariant 8, over a reload: the next table's first flush says what is lost, read-only or not.
late_reload()
{
	local table sz at rc

	head -c 256k /tmp/old >/tmp/part
	format $D --sidecar $S
	sz=$(blockdev --getsz $S)
	dmsetup create bad --table "0 $sz linear $S 0"
	inocrypt open $D vol --sidecar /dev/mapper/bad -k $vk
	keyctl padd logon "inocrypt:$(get uuid)" @u <$vk >/dev/null
	table=$(dmsetup table vol)
	dd if=/tmp/part of=/dev/mapper/vol bs=256k oflag=direct conv=fsync status=none
	# It needs no PUT before its data, so it is complete; the PUT is in memory.
	dd if=/tmp/old of=/dev/mapper/vol bs=4k count=1 seek=1000 oflag=direct status=none
	under "0 $sz flakey $S 0 0 1000 1 error_writes"
	dmsetup suspend vol
	under "0 $sz linear $S 0"
	dmsetup reload vol --table "$table"
	dmsetup resume vol
	said_once "a fresh write that was lost over a reload"
	# That was a flush without data: nobody else's write with FUA is part of it.
	dd if=/tmp/new of=/dev/mapper/vol bs=4k count=1 seek=1001 oflag=direct,dsync conv=notrunc status=none ||
		fail "a write with FUA after somebody else's flush that failed"
	cmp <(dd if=/dev/mapper/vol bs=256k count=1 iflag=direct status=none) /tmp/part ||
		fail "what was flushed before is lost"
	# One with nothing lost: its data is in the log.
	dd if=/tmp/new of=/dev/mapper/vol bs=4k count=4 oflag=direct conv=fsync status=none
	dmsetup reload vol --table "$table"
	dmsetup suspend vol
	dmsetup resume vol
	sync /dev/mapper/vol || fail "a flush after nothing was lost"
	inocrypt close vol
	dmsetup remove bad
	# An overwrite that ended early fails; a read-only table follows.
	sz=$(blockdev --getsz $D)
	dmsetup create bad --table "0 $sz linear $D 0"
	inocrypt open /dev/mapper/bad vol --sidecar $S -k $vk
	table=$(dmsetup table vol)
	under "0 $((sz / 2)) flakey $D 0 0 1000 1 error_writes
$((sz / 2)) $((sz - sz / 2)) linear $D $((sz / 2))"
	dd if=/tmp/new of=/dev/mapper/vol bs=256k count=1 oflag=direct status=none
	dmsetup suspend vol
	under "0 $sz linear $D 0"
	dmsetup reload -r vol --table "$table"
	dmsetup resume vol
	said_once "an overwrite that failed before a read-only table came"
	inocrypt close vol
	# Closing is the last moment to say it. Flushes succeed, and what is dirty can be written.
	inocrypt open /dev/mapper/bad vol --sidecar $S -k $vk
	dd if=/tmp/old of=/dev/mapper/vol bs=1M oflag=direct conv=fsync status=none
	at=$(($(inocrypt dump $D --sidecar $S -k $vk --record 0 | awk '$1 == "data_offset" { print $2 }') / 512))
	under "0 $at linear $D 0
$at 2048 error
$((at + 2048)) $((sz - at - 2048)) linear $D $((at + 2048))"
	dd if=/tmp/new of=/dev/mapper/vol bs=1M oflag=direct status=none
	rc=0
	inocrypt close vol 2>/dev/null || rc=$?
	[ $rc = 5 ] || fail "close after an overwrite that failed: exit code $rc, not 5"
	dmsetup remove bad
}

# Invariant 8: overwrites fail; what was there reads back, over a close and without one; the
# flush after it is good (nothing that succeeded is missing); later writes are as ever.
invariant_8()
{
	local sz rc

	sz=$(blockdev --getsz $D)
	dmsetup create bad --table "0 $sz linear $D 0"
	format /dev/mapper/bad --sidecar $S
	inocrypt open /dev/mapper/bad vol --sidecar $S -k $vk
	head -c 1M /dev/urandom >/tmp/old
	head -c 1M /dev/urandom >/tmp/new
	dd if=/tmp/old of=/dev/mapper/vol bs=64k oflag=direct conv=fsync status=none
	# Writes fail from here on, reads don't.
	under "0 $sz flakey $D 0 0 1000 1 error_writes"
	# It is acknowledged before it is written: the flush says so, and only the first one.
	! dd if=/tmp/new of=/dev/mapper/vol bs=256k count=1 oflag=direct conv=fsync,notrunc status=none 2>/dev/null ||
		fail "a flush after a write to a device that fails"
	[ "$(get sectors_failed)" -gt 0 ] || fail "no sector counts as failed"
	dd if=/dev/mapper/vol bs=64k count=16 iflag=direct status=none | cmp - /tmp/old ||
		fail "after a failed overwrite the old contents don't read back"
	under "0 $sz linear $D 0"
	# Half of it is written again, the other half stays in doubt, over a checkpoint too.
	dd if=/tmp/new of=/dev/mapper/vol bs=64k count=2 oflag=direct conv=fsync,notrunc status=none
	inocrypt checkpoint vol
	[ "$(get sectors_failed)" -gt 0 ] || fail "the rest is no longer in doubt"
	{ head -c 128k /tmp/new; tail -c +$((128 * 1024 + 1)) /tmp/old; } >/tmp/both
	dd if=/dev/mapper/vol bs=64k count=16 iflag=direct status=none | cmp - /tmp/both ||
		fail "after a failed overwrite and a checkpoint"
	inocrypt close vol
	inocrypt open /dev/mapper/bad vol --sidecar $S -k $vk
	dd if=/dev/mapper/vol bs=64k count=16 iflag=direct status=none | cmp - /tmp/both ||
		fail "after a failed overwrite and a close"
	# The log can't be written: errors, no hang; all that was flushed is there afterwards.
	inocrypt close vol
	dmsetup remove bad
	sz=$(blockdev --getsz $S)
	dmsetup create bad --table "0 $sz linear $S 0"
	inocrypt open $D vol --sidecar /dev/mapper/bad -k $vk
	under "0 $sz flakey $S 0 0 1000 1 error_writes"
	! dd if=/tmp/old of=/dev/mapper/vol bs=64k count=4 oflag=direct conv=fsync status=none 2>/dev/null ||
		fail "a flush without a log"
	[ "$(get io_errors)" -gt 0 ] || fail "a failed write of the log isn't counted"
	dd if=/dev/mapper/vol bs=64k count=16 iflag=direct status=none | cmp - /tmp/both ||
		fail "reading while the log fails"
	rc=0
	inocrypt close vol 2>/dev/null || rc=$?
	[ $rc = 5 ] || fail "close while the log fails: exit code $rc, not 5"
	dmsetup remove --retry bad
	inocrypt open $D vol --sidecar $S -k $vk
	dd if=/dev/mapper/vol bs=64k count=16 iflag=direct status=none | cmp - /tmp/both ||
		fail "after the log had failed"
	inocrypt close vol
	late_commit /dev/mapper/vol
	late_commit /dev/mapper/top
	late_reload
	say "8: failed overwrites keep both contents, a failing log loses nothing"
}

# Invariant 9: data writes take 4 s (longer on slow VMs), flushes and the sidecar don't; a checkpoint in between
# takes no notice.
invariant_9()
{
	local sz begin start took end

	sz=$(blockdev --getsz $D)
	format $D --sidecar $S
	dmsetup create slow --table "0 $sz delay $D 0 0 $D 0 $((4000 * VM_SLOW)) $D 0 0"
	inocrypt open /dev/mapper/slow vol --sidecar $S -k $vk
	dd if=/dev/zero of=/dev/mapper/vol bs=4k count=1 oflag=direct status=none
	# Acknowledged at once, on its way to the device soon, and there 4 s later.
	begin=$(date +%s%N)
	dd if=/dev/zero of=/dev/mapper/vol bs=4k count=1 oflag=direct status=none
	sleep "$VM_SLOW"
	start=$(date +%s%N)
	inocrypt checkpoint vol
	took=$((($(date +%s%N) - start) / 1000000))
	end=$((($(date +%s%N) - begin) / 1000000))
	[ $end -lt $((4000 * VM_SLOW)) ] || fail "the overwrite may have been over before the checkpoint: $end ms"
	[ $took -lt $((2000 * VM_SLOW)) ] || fail "the checkpoint took $took ms beside a data write of $((4 * VM_SLOW)) s"
	inocrypt close vol
	end=$((($(date +%s%N) - begin) / 1000000))
	[ $end -ge $((4000 * VM_SLOW)) ] || fail "closed after $end ms, before the overwrite was there"
	dmsetup remove --retry slow
	say "9: a checkpoint of $took ms beside an overwrite of $((4 * VM_SLOW)) s"
}

for i in ${INVARIANT:-5 6 7 8 9}; do
	invariant_"$i"
done

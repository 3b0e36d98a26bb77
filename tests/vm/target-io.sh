#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Random writes, reads, discards and zeroings against a model: every sector size, cipher and
# place of the sidecar; past the cache and through it; with a cache of nodes that is too
# small, under checkpoints, suspends and reloads; over close and open; read-only; and a power
# cut right after a flush; the tracepoints; and how long a read takes whose leaf has to be read first.
# vm: --disk one:112M --disk data:176M --disk side:48M --timeout 400
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

vk=/results/vk
[ -s $vk ] || head -c 32 /dev/urandom >$vk

# bm ARGUMENTS...: blkmodel on the open volume.
bm()
{
	blkmodel "$@" /dev/mapper/vol >/tmp/bm 2>&1 || fail "blkmodel $*: $(</tmp/bm)"
}
get() { dmsetup status vol | tr ' ' '\n' | sed -n "s/^$1=//p"; }
healthy()
{
	local st

	st=$(dmsetup status vol)
	case $st in
	*" inocrypt ok "*) ;;
	*) fail "not well: $st";;
	esac
	for f in bios_malformed auth_failures owner_mismatches node_auth_failures io_errors \
		checkpoint_failures writes_refused; do
		[[ $st == *" $f=0"* ]] || fail "$f isn't 0: $st"
	done
}

if [ "$VM_STAGE" = 1 ]; then
	# What was torn is zeros, whatever it was: the model knows no errors.
	inocrypt open /run/disks/one vol -k $vk --zero-torn
	bm -A -m /results/crash.model
	say "$(</tmp/bm)"
	# Else the power cut has shown nothing.
	grep -q -E ', [1-9][0-9]* newer' /tmp/bm || fail "nothing was written after the flush"
	# Zeros are torn sectors, and the target has counted them.
	torn=$(sed -n 's/.* newer, \([0-9]*\) zeros.*/\1/p' /tmp/bm)
	[ "$torn" -le "$(get torn_sectors)" ] || fail "$torn sectors are zeros, $(get torn_sectors) were torn"
	say "recovery: $(get recovered_blocks) blocks, $(get recovered_entries) facts, $(get recovered_found) of $(get recovered_tried) in flight"
	blkdiscard -f /dev/mapper/vol
	rm -f /tmp/m
	bm -o $((100 * LONG)) -m /tmp/m
	inocrypt close vol
	exit
fi

# round NAME DEVICES... -- FORMAT ARGUMENTS -- OPEN ARGUMENTS: two runs with a close between.
round()
{
	local name=$1 dev=$2 fmt=() opn=()

	shift 2
	while [ "$1" != -- ]; do fmt+=("$1"); shift; done
	shift
	opn=("$@")
	rm -f /tmp/m
	inocrypt format "$dev" -k $vk -y -f "${fmt[@]}" >/dev/null
	[[ " ${fmt[*]}" != *" --sidecar "* ]] || opn+=(--sidecar /run/disks/side)
	inocrypt open "$dev" vol -k $vk "${opn[@]}"
	bm -m /tmp/m -o $((ops * LONG)) -t 3 -r $((seed += 2))
	cat /tmp/bm >/tmp/did
	healthy
	inocrypt close vol
	inocrypt open "$dev" vol -k $vk "${opn[@]}"
	bm -m /tmp/m -o $((ops / 2 * LONG)) -t 3 -r $((seed + 1)) -b
	healthy
	inocrypt close vol
	inocrypt open "$dev" vol -k $vk -r "${opn[@]}"
	bm -v -m /tmp/m
	inocrypt close vol
	say "$name: $(</tmp/did)"
}

D=/run/disks/data S=/run/disks/side O=/run/disks/one
small=(--owners 1000)
ops=120 seed=0
# 512: the device has subtrees of more than 64516 sectors that go as a whole.
round "512, aes256-gcm, sidecar apart, discards passed on" $D -s 512 --sidecar $S "${small[@]}" -- --allow-discards
round "1024, chacha20-poly1305, one device, cache of 1 MiB" $O -s 1024 --cipher chacha20-poly1305 -- --cache-size 1M
round "2048, aegis128, sidecar apart" $D -s 2048 --cipher aegis128 --sidecar $S "${small[@]}" --
round "4096, aes256-gcm, one device" $O -s 4096 -- --allow-discards

say "a cache of nodes that doesn't hold the working set; checkpoints, suspends, reloads beside"
inocrypt format $D --sidecar $S -s 512 -k $vk -y -f "${small[@]}" >/dev/null
rm -f /tmp/m
inocrypt open $D vol --sidecar $S -k $vk --cache-size 1M
uuid=$(get uuid)
keyctl padd logon "inocrypt:$uuid" @u <$vk >/dev/null
table=$(dmsetup table vol)
blkmodel -T $((20 * LONG * (1 + VM_SLOW / 4))) -t 4 -r 5 -m /tmp/m /dev/mapper/vol >/tmp/bm 2>&1 &
pid=$!
loops=0
while kill -0 $pid 2>/dev/null; do
	dmsetup message vol 0 checkpoint
	dmsetup suspend vol
	dmsetup resume vol
	dmsetup reload vol --table "$table"
	dmsetup resume vol
	dmsetup message vol 0 checkpoint
	loops=$((loops + 1))
done
wait $pid || fail "blkmodel: $(</tmp/bm)"
[ $loops -ge 3 ] || fail "only $loops rounds of checkpoint, suspend and reload"
healthy
[ "$(get nodes_max)" = 256 ] || fail "cache_bytes is lost over a reload: $(get nodes_max) nodes"
say "$(</tmp/bm), $loops reloads, $(get nodes) of $(get nodes_max) nodes"
# In a device full of data, the cache has to go through all leaves.
bm -D -m /tmp/m -t 4 -o $((50 * LONG))
bm -v -m /tmp/m
[ "$(get nodes)" -le 320 ] || fail "$(get nodes) nodes in a cache of 256"
[ "$(get node_reads)" -gt 500 ] || fail "only $(get node_reads) nodes were read: no working set beyond the cache"
inocrypt close vol

say "whole device, and memory that isn't aligned"
inocrypt open $D vol --sidecar $S -k $vk
for how in "" -z; do
	# shellcheck disable=SC2086 # none or one
	blkdiscard -f $how /dev/mapper/vol
	cmp -s -n $((4 << 20)) /dev/mapper/vol /dev/zero || fail "not zeros after blkdiscard $how"
	rm -f /tmp/m
	# Sectors of 512: any multiple of 512 will do.
	bm -m /tmp/m -D -a 512 -o $((60 * LONG))
	inocrypt checkpoint vol
done
inocrypt close vol
inocrypt open $D vol --sidecar $S -k $vk
bm -v -m /tmp/m
inocrypt close vol
# Memory of less alignment than a sector is refused, or done right; never done wrong.
inocrypt format $O -k $vk -y -f >/dev/null
inocrypt open $O vol -k $vk
if ! blkmodel -a 512 -o 30 /dev/mapper/vol 2>/tmp/bm >/tmp/bm; then
	grep -q "Invalid argument" /tmp/bm || fail "unaligned memory: $(</tmp/bm)"
fi
inocrypt close vol

# stages WHAT FILE: the stages of WHAT, one request, round or checkpoint in a recording of tools/trace.
stages()
{
	local out

	out=$(sed -n "s/.*: $1 .*at=\([a-z_]*\) .*/\1/p" "$2")
	echo $out
}

# Debian's kernel has tracepoints, the debug kernel has none.
if [[ $VM_KVER != *-debug ]]; then
	say "the tracepoints of a synced write, a checkpoint and a cold read"
	[ -d /sys/kernel/tracing/events ] || [ -d /sys/kernel/debug/tracing/events ] ||
		mount -t tracefs tracefs /sys/kernel/tracing
	inocrypt format $O -k $vk -y -f >/dev/null
	inocrypt open $O vol -k $vk
	dd if=/dev/urandom of=/dev/mapper/vol bs=4096 count=8 oflag=direct status=none
	cat >/tmp/work <<-END
		dd if=/dev/zero of=/dev/mapper/vol bs=4096 count=1 oflag=direct conv=fsync,notrunc status=none
		inocrypt checkpoint vol
	END
	tools/trace --slow 2 --device /dev/mapper/vol --save /tmp/t bash /tmp/work >/tmp/report
	got=$(stages "ic_io: .* op=write" /tmp/t)
	[ "$got" = "begin locked prepared appended acknowledged durable data_submitted data_done stored ended" ] ||
		fail "stages of a synced write: $got"
	got=$(stages "ic_io: .* op=flush" /tmp/t)
	[ "$got" = "begin ended" ] || fail "stages of a flush: $got"
	id=$(sed -n 's/.*ic_round: .* \(id=[0-9]*\) .* data=1 .*/\1/p' /tmp/t | head -n 1)
	got=$(stages "ic_round: .* $id" /tmp/t)
	[[ $got =~ ^"begin written "(flushed )?"told"$ ]] || fail "stages of a round: $got"
	id=$(sed -n 's/.*ic_checkpoint: .* \(id=[0-9]*\) at=begin .*/\1/p' /tmp/t | head -n 1)
	got=$(stages "ic_checkpoint: .* $id" /tmp/t)
	[ "$got" = "begin cut sealed relogged in_place flushed super committed" ] ||
		fail "stages of a checkpoint: $got"
	# Who waited for what: the write came before the round, the flush ended with it.
	grep -q -E '^  durable +1 ' /tmp/report || fail "tools/trace: $(</tmp/report)"
	grep -q -E '^  [0-9]+ µs: write of 1 sector at 0, owner 0, on vol$' /tmp/report ||
		fail "tools/trace --slow: $(</tmp/report)"
	inocrypt close vol
	inocrypt open $O vol -k $vk
	tools/trace --save /tmp/t dd if=/dev/mapper/vol of=/dev/null bs=4096 count=1 skip=1 iflag=direct \
		status=none >/dev/null
	got=$(stages "ic_io: .* op=read" /tmp/t)
	[ "$got" = "begin locked leaf_wanted data_submitted looked_up data_done decrypted ended" ] ||
		fail "stages of a cold read: $got"
	[ "$(grep -o 'id=[0-9]*' /tmp/t | sort -u | wc -l)" = 1 ] || fail "a read by several names: $(</tmp/t)"
	# Nothing of ours is left.
	for d in /sys/kernel/tracing /sys/kernel/debug/tracing; do
		[ -z "$(ls $d/instances 2>/dev/null)" ] || fail "a trace buffer is left"
	done
	inocrypt close vol
fi

say "a leaf that isn't in memory is read beside the data"
modprobe dm-delay
ms=$((500 * VM_SLOW))
inocrypt format $D --sidecar $S -k $vk -y -f >/dev/null
inocrypt open $D vol --sidecar $S -k $vk
dd if=/dev/urandom of=/dev/mapper/vol bs=1M count=8 oflag=direct status=none
inocrypt close vol
for d in data side; do
	dmsetup create slow-$d --table "0 $(blockdev --getsz /run/disks/$d) delay /run/disks/$d 0 $ms /run/disks/$d 0 0"
done
dmsetup mknodes
inocrypt open /dev/mapper/slow-data vol --sidecar /dev/mapper/slow-side -k $vk
# read_ms SECTOR: how long that takes.
read_ms()
{
	local t=${EPOCHREALTIME/./}

	dd if=/dev/mapper/vol of=/dev/null bs=4096 count=1 skip="$1" iflag=direct status=none
	echo $(((${EPOCHREALTIME/./} - t) / 1000))
}
read_ms 0 >/dev/null
before=$(get node_reads)
warm=$(read_ms 1)
# Each in a leaf of its own, the fastest counts: a machine that has other things to do takes longer.
cold=$(for s in 1024 1160 1290; do read_ms $s; done | sort -n | head -n 1)
[ $(($(get node_reads) - before)) = 3 ] || fail "$(($(get node_reads) - before)) nodes read, not 3"
[ $warm -ge $ms ] || fail "a read of $ms ms took $warm"
[ $((cold - warm)) -lt $((ms / 2)) ] ||
	fail "a read took $warm ms, one with a leaf of $ms ms $cold: one after the other"
inocrypt close vol
dmsetup remove slow-data
dmsetup remove slow-side

say "read-only"
inocrypt open $O vol -k $vk -r
cksum <$O >/tmp/before
! dd if=/dev/zero of=/dev/mapper/vol bs=4096 count=1 oflag=direct status=none 2>/dev/null || fail "a write"
! blkdiscard -f /dev/mapper/vol 2>/dev/null || fail "a discard"
! blkdiscard -f -z /dev/mapper/vol 2>/dev/null || fail "a write-zeroes"
! inocrypt checkpoint vol 2>/dev/null || fail "a checkpoint"
! mount -t ext4 /dev/mapper/vol /mnt 2>/dev/null || fail "mounted for writing"
inocrypt close vol
[ "$(cksum <$O)" = "$(</tmp/before)" ] || fail "a read-only volume has changed"

say "power cut"
inocrypt format $O -s 2048 -k $vk -y -f >/dev/null
inocrypt open $O vol -k $vk
bm -D -t 2 -o $((150 * LONG)) -m /results/crash.model
blkmodel -C -D -t 1 -o 10 -m /results/crash.model /dev/mapper/vol >/tmp/ready 2>&1 &
for ((i = 0; i < 300; i++)); do
	grep -q ready /tmp/ready && break
	sleep 0.1
done
grep -q ready /tmp/ready || fail "no flush: $(</tmp/ready)"
# What this commits is newer than the flush; what comes after it is in no tree.
sleep 1
dmsetup message vol 0 checkpoint
sleep 1
vm-powercut

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Recovery asks a slow disk about many sectors at a time, whole ones too where they can be torn;
# of those it can't read just these are in doubt, written over nothing or not, and all others are what was
# written. Where it fails half-way, another try finds nothing of the first.
# vm: --disk data:36M --disk side:2M --timeout 300
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

D=/run/disks/data S=/run/disks/side
vk=/tmp/vk
sectors=1000 fresh=8
whole() { dd "$@" bs=1M status=none conv=notrunc; }
open() { inocrypt open "$1" vol --sidecar $S -k $vk; }
number() { sed "s/.* $1=\([^ ]*\).*/\1/" <<<"$(dmsetup status vol) "; }
written() { awk '{ print $7 }' "/sys/class/block/$(basename "$(readlink $D)")/stat"; }
# compare ERRORS: the open volume's sectors are as written, and not one of them is zeros.
compare()
{
	blkcmp /dev/mapper/vol /tmp/now 4096 >/tmp/cmp || true
	[ "$(tail -n 1 /tmp/cmp)" = "same $((sectors + fresh - $1)) errors $1 dirty 0 zeros 0 wrong 0" ] ||
		fail "$(tail -n 5 /tmp/cmp)"
}
put() { whole if=/tmp/crash.d of=$D; whole if=/tmp/crash.s of=$S; sync; }

head -c 32 /dev/urandom >$vk
inocrypt format $D --sidecar $S -k $vk -y --owners 1000 --log-size 512K >/dev/null
head -c $((sectors * 4096)) /dev/urandom >/tmp/now
open $D
whole if=/tmp/now of=/dev/mapper/vol oflag=direct
inocrypt close vol
open $D
head -c $(((sectors + fresh) * 4096)) /dev/urandom >/tmp/now
before=$(written)
# Over nothing, the first in the log: what follows fills its block.
dd if=/tmp/now of=/dev/mapper/vol bs=4K oflag=direct conv=notrunc status=none skip=$sectors seek=$sectors
dd if=/tmp/now of=/dev/mapper/vol bs=40K oflag=direct conv=notrunc status=none count=$((sectors / 10))
# They have ended early: they are written within 100 ms, unless the machine has other things to do.
for ((i = 0; i < 100; i++)); do
	[ $(($(written) - before)) -lt $((8 * (fresh + sectors))) ] || break
	sleep 0.1
done
[ $i -lt 100 ] || fail "only $(($(written) - before)) sectors of 512 bytes are written after 10 s"
whole if=$D of=/tmp/crash.d iflag=direct
whole if=$S of=/tmp/crash.s iflag=direct
inocrypt close vol
put

# since TIME: milliseconds
since() { echo $(((${EPOCHREALTIME/./} - ${1/./}) / 1000)); }

# What it takes on this machine if the device doesn't.
t=$EPOCHREALTIME
open $D || fail "open"
self=$(since "$t")
inocrypt close vol
put

modprobe dm-delay
ms=10
dmsetup create slow --table "0 $(blockdev --getsz $D) delay $D 0 $ms $D 0 0"
t=$EPOCHREALTIME
open /dev/mapper/slow || fail "open"
t=$(since "$t")
tried=$(number recovered_tried)
[ "$tried" -ge $((sectors / 2)) ] || fail "only $tried sectors were in doubt"
[ "$(number unread_sectors)" = 0 ] || fail "$(dmsetup status vol)"
[ $((t - self)) -lt $((tried * ms / 2)) ] ||
	fail "$tried sectors took $t ms to ask for, at $ms ms each; $self without that"
inocrypt close vol
dmsetup remove slow
open $D
compare 0
inocrypt close vol
say "$tried sectors, each read twice at $ms ms: $t ms"

put
at=$(($(inocrypt dump $D --sidecar $S -k $vk --record 900 | awk '$1 == "data_offset" { print $2 }') / 512))
dmsetup create holes <<-END
	0 $at linear $D 0
	$at 24 error
	$((at + 24)) 776 linear $D $((at + 24))
	$((at + 800)) 16 error
	$((at + 816)) $(($(blockdev --getsz $D) - at - 816)) linear $D $((at + 816))
END
for how in -r ""; do
	# shellcheck disable=SC2086 # no word or one
	inocrypt open /dev/mapper/holes vol --sidecar $S -k $vk $how || fail "open $how with sectors that can't be read"
	[ "$(number recovered_tried)" = "$tried" ] || fail "$(dmsetup status vol)"
	[ "$(number unread_sectors)" = 5 ] || fail "$(dmsetup status vol)"
	[ "$(number torn_sectors)" = 0 ] || fail "$(dmsetup status vol)"
	compare 5
	inocrypt close vol
done
dmsetup remove holes
# Both contents were kept in mind.
open $D
compare 0
inocrypt close vol

put
size=$(blockdev --getsz $S)
dmsetup create holes --table "0 $size linear $S 0"
inocrypt open $D vol --sidecar /dev/mapper/holes -k $vk -r
keyctl padd logon "inocrypt:$(number uuid)" @u <$vk >/dev/null
table=$(dmsetup table vol)
inocrypt close vol
# The leaf of a sector that comes late in the log, and isn't in the leaf of those that come first.
read -r a b < <(inocrypt dump $D --sidecar $S -k $vk --record 800 |
	awk '$1 == "node_offset" || $1 == "other_offset" { print $2 / 512 }' | sort -n | paste -sd' ')
dmsetup reload holes <<-END
	0 $a linear $S 0
	$a 8 error
	$((a + 8)) $((b - a - 8)) linear $S $((a + 8))
	$b 8 error
	$((b + 8)) $((size - b - 8)) linear $S $((b + 8))
END
dmsetup resume holes
dmsetup create vol --notable
dmsetup load vol --table "$table"
for try in 1 2; do
	! dmsetup resume vol 2>/dev/null || fail "activated without a leaf that the log changes"
done
dmsetup reload holes --table "0 $size linear $S 0"
dmsetup resume holes
dmsetup resume vol
dmsetup message vol 0 checkpoint
[ "$(number nodes_dirty)" = 0 ] || fail "$(number nodes_dirty) nodes stay dirty after activations that failed"
compare 0
inocrypt close vol
say "ok"

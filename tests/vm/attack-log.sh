#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What somebody who owns the storage can do to the log of a volume after a power cut: cut it off,
# swap its blocks, put back older ones or those of a forked copy, with the data or without. Each
# sector reads as it was, or as an error; as older only where the whole log behind it was cut off
# and its data put back, which is the limit that docs/threat-model.md states. inocrypt check says
# the same before the volume is opened. At last a real power cut while data is in the log only.
# vm: --disk data:18M --disk side:1M --timeout 600
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

D=/run/disks/data S=/run/disks/side
vk=/results/vk
blocks=400
n=0
blk() { dd "$@" bs=4096 status=none conv=notrunc; }
open() { inocrypt open $D vol --sidecar $S -k $vk "$@" || fail "open"; }
# take NAME: both devices as they are now, also while the volume is open.
whole() { dd "$@" bs=1M status=none conv=notrunc; }
# Nothing but zeros is in the first 16 MiB of the data device.
take() { whole if=$S of="/tmp/$1.s" iflag=direct; whole if=$D of="/tmp/$1.d" skip=16 seek=16 iflag=direct; }
put() { whole if="/tmp/$1.d" of=$D skip=16 seek=16; whole if="/tmp/$1.s" of=$S; }
# overwrite FILE FIRST COUNT [fsync]: one write, of sectors of the reference.
overwrite()
{
	dd if="$1" of=/dev/mapper/vol bs=$(($3 * 4096)) count=1 seek=$(($2 * 4096)) oflag=direct,seek_bytes \
		conv=notrunc${4:+,$4} status=none
	dd if="$1" of=/tmp/now bs=4096 count="$3" seek="$2" conv=notrunc status=none
	# What a flush put into the log is in place soon; the mark follows half a second after the next.
	[ -z "${4-}" ] || { sleep 0.3; sync /dev/mapper/vol; }
}
# lost FIRST LAST...: what blkcmp says if these sectors are errors.
lost()
{
	local i

	while [ $# -gt 0 ]; do
		for ((i = $1; i <= $2; i++)); do echo "$i EILSEQ zeroed"; done
		shift 2
	done
}
# verdict NAME REFERENCE LINES [TORN]: check, open, compare; all but the sectors in LINES is as in
# REFERENCE. check finds just as many errors, and so many torn sectors.
verdict()
{
	local name=$1 ref=$2 lines=${3-} torn=${4-0} want zeros found rc=0

	n=$((n + 1))
	want=$(grep -c EILSEQ <<<"$lines") || true
	zeros=$(grep -c zeros <<<"$lines") || true
	sync
	inocrypt check $D --sidecar $S -k $vk --data --json >/tmp/check || rc=$?
	found=$(sed -n '/"kinds"/d; s/^ *"\(bad\|torn\)": \([0-9]*\),*$/\1=\2/p' /tmp/check | sort -u | paste -sd' ')
	[ "$found" = "bad=$want torn=$torn" ] || fail "$name: check finds $found, not $want and $torn"
	[ $rc = $((want ? 8 : 0)) ] || fail "$name: check's exit code is $rc"
	open
	blkcmp /dev/mapper/vol "$ref" 4096 >/tmp/cmp || true
	inocrypt close vol
	[ "$(tail -n 1 /tmp/cmp)" = "same $((blocks - want - zeros)) errors $want dirty 0 zeros $zeros wrong 0" ] ||
		fail "$name: $(tail -n 5 /tmp/cmp), not $want errors"
	[ "$(head -n -1 /tmp/cmp)" = "$lines" ] || fail "$name: other sectors than expected: $(head -n 5 /tmp/cmp)"
	put crash
}

# compare REFERENCE WHAT: the open volume.
compare()
{
	blkcmp /dev/mapper/vol "$1" 4096 >/tmp/cmp || true
	[ "$(tail -n 1 /tmp/cmp)" = "same $blocks errors 0 dirty 0 zeros 0 wrong 0" ] || fail "$2: $(tail -n 5 /tmp/cmp)"
}
# ro_then_rw REFERENCE N [SECONDS]: read-only it reads N sectors from the log, and writes nothing.
ro_then_rw()
{
	cat $D $S | cksum >/tmp/before
	inocrypt open $D vol --sidecar $S -k $vk -r || fail "open read-only"
	compare "$1" "read-only"
	sleep "${3:-0}"
	inocrypt close vol
	[ "$(cat $D $S | cksum)" = "$(</tmp/before)" ] || fail "a read-only volume has changed"
	open
	[[ "$(dmsetup status vol) " == *" recovered_redone=$2 "* ]] || fail "not $2 put in place"
	compare "$1" "after data was put in place"
	inocrypt close vol
	open
	[[ "$(dmsetup status vol) " == *" recovered_redone=0 "* ]] || fail "put in place once more"
	compare "$1" "opened again"
	inocrypt close vol
}

if [ "$VM_STAGE" = 1 ]; then
	inocrypt check $D --sidecar $S -k $vk --data --json >/tmp/check || fail "check: $(</tmp/check)"
	grep -q '"redone": 6,' /tmp/check || fail "check: $(grep redone /tmp/check)"
	ro_then_rw /results/now 6
	say "data that only the log had after a power cut is there"
	exit
fi

head -c 32 /dev/urandom >$vk
inocrypt format $D --sidecar $S -k $vk -y --owners 1000 --log-size 512K >/dev/null
for f in now b c e f; do head -c $((blocks * 4096)) /dev/urandom >/tmp/$f; done
open
blk if=/tmp/now of=/dev/mapper/vol oflag=direct conv=notrunc,fsync
inocrypt close vol
take base
cp /tmp/now /tmp/a

# Three overwrites: flushed and marked; flushed and marked; neither. All in one log: once more if a
# checkpoint came between, or a mark early or late.
for ((try = 1; ; try++)); do
	open
	cp /tmp/a /tmp/now
	overwrite /tmp/b 0 20 fsync
	sleep 0.8
	take snap
	overwrite /tmp/c 20 20 fsync
	sleep 0.8
	overwrite /tmp/e 40 10
	# It has ended early: its PUTs are written within 100 ms.
	sleep 0.5
	take crash
	inocrypt close vol
	put crash
	inocrypt dump $D --sidecar $S -k $vk --log >/tmp/log
	# Offsets of the blocks that hold entries.
	mapfile -t at < <(awk '$1 == "offset" { o = $2 } $1 == "entries" && $2 { print o / 4096 }' /tmp/log)
	inocrypt check $D --sidecar $S -k $vk --json >/tmp/check || fail "check"
	[ ${#at[@]} != 3 ] || ! grep -q '"candidates": 10,' /tmp/check || ! grep -q '"kept": 10,' /tmp/check || break
	[ $try -lt 5 ] || fail "no log of three writes, just the last one above the mark: $(</tmp/log) $(</tmp/check)"
	put base
done
cp /tmp/a /tmp/snapref
blk if=/tmp/b of=/tmp/snapref count=20
B=${at[0]} C=${at[1]} E=${at[2]}
data=$(($(inocrypt dump $D --sidecar $S -k $vk --record 0 | awk '$1 == "data_offset" { print $2 }') / 4096))
# part IMAGE FIRST COUNT: put these sectors' data back as they were in an image.
part() { blk if="/tmp/$1.d" of=$D skip=$((data + $2)) seek=$((data + $2)) count="$3"; }
# ref NAME FILE FIRST COUNT...: the reference, with these sectors as in another one.
ref()
{
	cp /tmp/now "/tmp/$1"
	blk if="/tmp/$2" of="/tmp/$1" skip="$3" seek="$3" count="$4"
}

verdict "untouched" /tmp/now

say "single sectors below and above the mark"
part base 5 1
verdict "older contents of a sector below the mark" /tmp/now "$(lost 5 5)"
part snap 25 1
verdict "the same of the later write" /tmp/now "$(lost 25 25)"
blk if=/tmp/crash.d of=$D skip=$((data + 25)) seek=$((data + 5)) count=1
verdict "another sector's" /tmp/now "$(lost 5 5)"
# Never flushed: nobody was promised that it is there.
part base 45 1
ref want a 45 1
verdict "older contents above the mark" /tmp/want
blk if=/dev/urandom of=$D seek=$((data + 45)) count=1
verdict "garbage above the mark" /tmp/now "$(lost 45 45)"
# half SECTOR: as if its writing had been cut off in the middle.
half() { dd if=/dev/urandom of=$D bs=512 count=4 seek=$(((data + $1) * 8 + 4)) conv=notrunc status=none; }
half 45
verdict "half of a sector above the mark" /tmp/now "$(lost 45 45)" 1

say "the log cut off"
blk if=/dev/zero of=$S seek="$E" count=1
verdict "without its last block" /tmp/now "$(lost 40 49)"
blk if=/dev/urandom of=$S seek="$C" count=1
verdict "garbage in the middle" /tmp/now "$(lost 20 49)"
blk if=/dev/zero of=$S seek="$B" count=1
verdict "without the first block" /tmp/now "$(lost 0 49)"
# The stated limit: the tail of the log and all its data.
blk if=/dev/zero of=$S seek="$C" count=1
part base 20 30
ref want a 20 30
verdict "the tail cut off, and its data put back" /tmp/want
# Not a part of it: what is behind the mark of a block that stays is there or is an error.
blk if=/dev/zero of=$S seek="$E" count=1
part base 20 30
ref want a 40 10
verdict "less of the log cut off than data put back" /tmp/want "$(lost 20 39)"

say "the log cut short, over sectors that were below its mark"
# More than a flush would put into the log.
cp /tmp/now /tmp/keep
for ((try = 1; ; try++)); do
	put base
	cp /tmp/a /tmp/now
	open
	overwrite /tmp/b 128 40 fsync
	sleep 0.8
	take long
	inocrypt close vol
	put long
	P=$(inocrypt dump $D --sidecar $S -k $vk --log | awk '$1 == "offset" { o = $2 } $1 == "entries" && $2 { print o / 4096 }')
	inocrypt check $D --sidecar $S -k $vk --json >/tmp/check || fail "check"
	! [[ $P =~ ^[0-9]+$ ]] || ! grep -q '"candidates": 0,' /tmp/check || break
	[ $try -lt 8 ] || fail "no log of one write, below the mark: $P, $(</tmp/check)"
done
# short: with the end of the log the mark has gone. One sector is cut off in the middle, one is garbage.
short()
{
	put long
	blk if=/dev/zero of=$S seek=$((P + 1)) count=$((143 - P))
	half 130
	blk if=/dev/urandom of=$D seek=$((data + 131)) count=1
	sync
}
short
verdict "no zeros where there were none" /tmp/now "$(lost 130 131)" 1
# Just these are what this option admits.
short
open --zero-torn
blkcmp /dev/mapper/vol /tmp/now 4096 >/tmp/cmp || true
[[ "$(dmsetup status vol) " == *" torn_sectors=2 "* && "$(dmsetup table vol)" == *" 1 zero_torn" ]] || fail "$(dmsetup status vol)"
inocrypt close vol
[ "$(head -n -1 /tmp/cmp)" = $'130 zeros\n131 zeros' ] || fail "zeros for what was torn: $(</tmp/cmp)"
cp /tmp/keep /tmp/now
put crash

say "blocks moved"
blk if=/tmp/crash.s of=$S skip="$C" seek="$B" count=1
verdict "a later block in an earlier one's place" /tmp/now "$(lost 0 49)"
blk if=/tmp/crash.s of=$S skip="$B" seek="$C" count=1
verdict "an earlier block in a later one's place" /tmp/now "$(lost 20 49)"
blk if=/tmp/crash.s of=$S skip="$C" seek="$B" count=1
blk if=/tmp/crash.s of=$S skip="$B" seek="$C" count=1
verdict "two blocks swapped" /tmp/now "$(lost 0 49)"
for place in "$B" "$C"; do
	blk if=/tmp/base.s of=$S skip=17 seek="$place" count=1
	verdict "a block of an earlier log" /tmp/now "$(lost $((place == B ? 0 : 20)) 49)"
done
blk if=/tmp/base.s of=$S skip=16 seek=16 count=128
verdict "the whole ring of before" /tmp/now "$(lost 0 49)"

say "a forked copy"
put snap
open
cp /tmp/now /tmp/keep
overwrite /tmp/f 20 20 fsync
sleep 0.8
take fork
inocrypt close vol
cp /tmp/keep /tmp/now
put crash
blk if=/tmp/fork.s of=$S skip="$C" seek="$C" count=1
verdict "its block" /tmp/now "$(lost 20 49)"
blk if=/tmp/fork.s of=$S skip=16 seek=16 count=128
verdict "its ring" /tmp/now "$(lost 20 49)"
part fork 22 1
verdict "its sector" /tmp/now "$(lost 22 22)"
whole if=/tmp/fork.s of=$S
verdict "its sidecar" /tmp/now "$(lost 20 49)"

say "superblocks"
blk if=/tmp/base.s of=$S count=16
verdict "those of before, and the log of now" /tmp/now "$(lost 0 49)"
blk if=/tmp/snap.s of=$S count=16
verdict "those of now from another time, which are the same" /tmp/now
whole if=/tmp/base.s of=$S
verdict "the sidecar of before" /tmp/now "$(lost 0 49)"
# All of it: a rollback, which only the anchor tells.
put snap
verdict "both devices of before" /tmp/snapref
verdict "all put back" /tmp/now
say "data blocks"
# synced FILE FIRST COUNT: with FUA, so that the data is logged, too. Not over a multiple of 64: that is two bios.
synced()
{
	dd if="$1" of=/dev/mapper/vol bs=$(($3 * 4096)) count=1 seek=$(($2 * 4096)) \
		oflag=direct,dsync,seek_bytes conv=notrunc status=none
	blk if="$1" of=/tmp/now seek="$2" count="$3"
}
# open_still: and then the data device stands still, so that what is synced can only be in the log.
open_still()
{
	dmsetup create still --table "0 $(blockdev --getsz $D) linear $D 0"
	inocrypt open /dev/mapper/still vol --sidecar $S -k $vk || fail "open"
	dmsetup suspend --noflush --nolockfs still
}
for ((try = 1; ; try++)); do
	put base
	cp /tmp/a /tmp/now
	open_still
	synced /tmp/c 20 4
	synced /tmp/e 66 6
	take crash
	dmsetup resume still
	inocrypt close vol
	dmsetup remove still
	put crash
	inocrypt dump $D --sidecar $S -k $vk --log >/tmp/log
	mapfile -t at < <(awk '$1 == "offset" { o = $2 } $1 == "data_blocks" && $2 { print o / 4096 + 1 }' /tmp/log)
	inocrypt check $D --sidecar $S -k $vk --json >/tmp/check || fail "check: $(</tmp/check)"
	! { [ ${#at[@]} = 2 ] && grep -q '"redone": 10,' /tmp/check; } || break
	[ $try -lt 8 ] || fail "no log with two blocks and their data: $(</tmp/log) $(grep redone /tmp/check)"
done
C=${at[0]} E=${at[1]}
verdict "data in the log only" /tmp/now
open
inocrypt close vol
take placed
put crash
# flip BLOCK: one bit of a block of the sidecar.
flip()
{
	local b

	b=$(dd if=/tmp/crash.s bs=1 skip=$(($1 * 4096 + 1234)) count=1 status=none | od -An -tu1)
	# shellcheck disable=SC2059 # made for it
	printf "\\x$(printf %x $((b ^ 16)))" |
		dd of=$S bs=1 seek=$(($1 * 4096 + 1234)) conv=notrunc status=none
}
ref without_e a 66 6
cp /tmp/without_e /tmp/without
blk if=/tmp/a of=/tmp/without skip=20 seek=20 count=4
for i in 0 5; do
	flip $((E + i))
	verdict "a bit of a data block" /tmp/without_e
done
flip $((C + 3))
verdict "a bit of a data block before others" /tmp/without
# What is in place without its record is an error.
flip "$E"
part placed 66 6
verdict "a bit of a data block, its data being in place" /tmp/without_e "$(lost 66 71)"
blk if=/tmp/crash.s of=$S skip=$((E + 1)) seek="$E" count=1
blk if=/tmp/crash.s of=$S skip="$E" seek=$((E + 1)) count=1
verdict "two data blocks swapped" /tmp/without_e
blk if=/tmp/crash.s of=$S skip="$E" seek="$C" count=1
blk if=/tmp/crash.s of=$S skip="$C" seek="$E" count=1
verdict "data blocks of two log blocks swapped" /tmp/without
blk if=/tmp/crash.d of=$S skip=$((data + 66)) seek="$E" count=1
verdict "older contents of the sector in its data block" /tmp/without_e
blk if=/dev/urandom of=$D seek=$((data + 68)) count=1
verdict "garbage where the log's data will be put" /tmp/now
say "$n attacks: no wrong byte; rolled back only where the whole tail of the log went with it"

say "read-only, over data in the log only"
# Until long after the next checkpoint would be due.
ro_then_rw /tmp/now 10 25
put crash
open
inocrypt close vol

open_still
synced /tmp/b 100 6 &
for ((i = 0; i < 100; i++)); do
	inocrypt dump $D --sidecar $S -k $vk --log >/tmp/log
	! grep -q "data_blocks *6" /tmp/log || break
	sleep 0.1
done
grep -q "data_blocks *6" /tmp/log || fail "not in the log: $(</tmp/log)"
blk if=/tmp/b of=/tmp/now seek=100 count=6
cp /tmp/now /results/now
vm-powercut

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Recovery meets devices that fail: while data that only the log has can't be put in place the
# volume isn't opened, whatever the device calls the error, and all is there once that has passed;
# giving it up takes an option, which names the sectors. A block behind the log's end that can't be
# read, or the older superblock, keeps nothing shut; one that the log goes on behind does, and the
# newer superblock, until it can be read or is given up. A sector that fails for ever, however
# often it is written, stops nothing else, and keeps what was synced.
# vm: --disk data:18M --disk side:1M --timeout 400
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

D=/run/disks/data S=/run/disks/side
vk=/tmp/vk
blocks=200
whole() { dd "$@" bs=1M status=none conv=notrunc; }
# Nothing but zeros is in the first 16 MiB of the data device.
take() { whole if=$S of="/tmp/$1.s" iflag=direct; whole if=$D of="/tmp/$1.d" skip=16 seek=16 iflag=direct; }
put() { whole if="/tmp/$1.d" of=$D skip=16 seek=16; whole if="/tmp/$1.s" of=$S; sync; }
number() { sed "s/.* $1=\([^ ]*\).*/\1/" <<<"$(dmsetup status vol) "; }
# opened CODE WORDS ARGUMENTS...: open ends with that, and says so.
opened()
{
	local want=$1 words=$2 rc=0

	shift 2
	inocrypt open /dev/mapper/d vol --sidecar /dev/mapper/s -k $vk "$@" 2>/tmp/said || rc=$?
	[ $rc = "$want" ] || fail "open $*: exit code $rc, not $want: $(</tmp/said)"
	[ -z "$words" ] || grep -q -- "$words" /tmp/said || fail "open $*: no '$words' in $(</tmp/said)"
}
# compare ERRORS...: all of the volume is as written, but that these sectors are errors.
compare()
{
	blkcmp /dev/mapper/vol /tmp/now 4096 >/tmp/cmp || true
	[ "$(tail -n 1 /tmp/cmp)" = "same $((blocks - $#)) errors $# dirty 0 zeros 0 wrong 0" ] || fail "$(tail -n 5 /tmp/cmp)"
	[ "$(awk '/EILSEQ/ { print $1 }' /tmp/cmp | paste -sd' ')" = "$*" ] || fail "not sectors $*: $(</tmp/cmp)"
}
# device NAME DEV [FIRST COUNT]: /dev/mapper/NAME, of which these 512-byte sectors fail.
device()
{
	local name=$1 dev=$2 size at=${3-} n=${4-}

	size=$(blockdev --getsz "$dev")
	if [ -z "$at" ]; then
		echo "0 $size linear $dev 0"
	else
		[ "$at" = 0 ] || echo "0 $at linear $dev 0"
		echo "$at $n error"
		echo "$((at + n)) $((size - at - n)) linear $dev $((at + n))"
	fi >/tmp/table
	if [ -e "/dev/mapper/$name" ]; then
		dmsetup reload "$name" /tmp/table
		dmsetup resume "$name"
	else
		dmsetup create "$name" /tmp/table
	fi
}
# synced FILE FIRST COUNT: with FUA, so that the data is logged, too. Not over a multiple of 64: that is two bios.
synced()
{
	dd if="$1" of=/dev/mapper/vol bs=$(($3 * 4096)) count=1 seek=$(($2 * 4096)) \
		oflag=direct,dsync,seek_bytes conv=notrunc status=none || return
	dd if="$1" of=/tmp/now bs=4096 seek="$2" count="$3" conv=notrunc status=none
}

head -c 32 /dev/urandom >$vk
inocrypt format $D --sidecar $S -k $vk -y --owners 1000 --log-size 512K >/dev/null
for f in now c; do head -c $((blocks * 4096)) /dev/urandom >/tmp/$f; done
device d $D
# Where it can't be read it can still be written.
device reads $S
modprobe dm-delay
dmsetup create s --table "0 $(blockdev --getsz $S) delay /dev/mapper/reads 0 0 $S 0 0"
opened 0 ""
whole if=/tmp/now of=/dev/mapper/vol oflag=direct conv=notrunc,fsync
inocrypt close vol
take base
cp /tmp/now /tmp/a
data=$(($(inocrypt dump $D --sidecar $S -k $vk --record 0 | awk '$1 == "data_offset" { print $2 }') / 512))
# The data device stands still, so that what is synced can only be in the log.
for ((try = 1; ; try++)); do
	put base
	cp /tmp/a /tmp/now
	opened 0 ""
	dmsetup suspend --noflush --nolockfs d
	synced /tmp/c 20 4
	synced /tmp/c 66 6
	take crash
	dmsetup resume d
	inocrypt close vol
	put crash
	inocrypt check /dev/mapper/d --sidecar /dev/mapper/s -k $vk --json >/tmp/check || fail "check: $(</tmp/check)"
	! grep -q '"redone": 10,' /tmp/check || break
	[ $try -lt 8 ] || fail "no log with both writes' data: $(grep redone /tmp/check)"
done
cp /tmp/now /tmp/crash.now
# Both devices as the crash left them, and what is there.
crash()
{
	put crash
	cp /tmp/crash.now /tmp/now
}

say "a place that can't be written"
device d $D $((data + 21 * 8)) 16
for ((try = 0; try < 2; try++)); do
	opened 5 "sector 21, whose data only the log has, can't be put in place"
	grep -q "nothing is lost" /tmp/said || fail "what becomes of it isn't said: $(</tmp/said)"
	[ ! -e /dev/mapper/vol ] || fail "a volume that could not be opened is there"
done
# What it reads from the log it doesn't need the device for.
opened 0 "" -r
compare
inocrypt close vol
device d $D
opened 0 ""
[ "$(number recovered_redone) $(number sectors_given_up)" = "10 0" ] || fail "$(dmsetup status vol)"
compare
inocrypt close vol

crash
device d $D $((data + 21 * 8)) 16
opened 12 "given up: sectors 21 to 22" --give-up-unwritable
grep -q "vol is open, but 2 sectors were given up" /tmp/said || fail "$(</tmp/said)"
[ "$(number recovered_redone) $(number sectors_given_up)" = "8 2" ] || fail "$(dmsetup status vol)"
[[ "$(dmsetup table vol)" == *" 1 give_up_unwritable" ]] || fail "$(dmsetup table vol)"
device d $D
compare 21 22
synced /tmp/a 21 1
compare 22
inocrypt close vol
opened 0 "" --give-up-unwritable
[ "$(number sectors_given_up)" = 0 ] || fail "$(dmsetup status vol)"
compare 22
inocrypt close vol

say "what was promised, and can't be put in place, doesn't read as what was there before"
at=$((data + 21 * 8)) size=$(blockdev --getsz $D)
dmsetup create refuses --table "0 16 error"
# The write ends before it is refused, unless the machine has other things to do.
for ((late = 4000; ; late *= 3)); do
	put base
	cp /tmp/a /tmp/now
	opened 0 ""
	dmsetup reload d <<EOF
0 $at linear $D 0
$at 16 delay $D $at 0 /dev/mapper/refuses 0 $late
$((at + 16)) $((size - at - 16)) linear $D $((at + 16))
EOF
	dmsetup resume d
	! synced /tmp/c 20 4 || break
	[ $late -lt 30000 ] || fail "a synced write fails before its data is refused"
	device d $D
	inocrypt close vol || true
done
for ((try = 0; try < late / 100 + 50 * ${VM_SLOW:-1}; try++)); do
	! dmsetup status vol | grep -q ' inocrypt failed ' || break
	sleep 0.1
done
dmsetup status vol | grep -q ' inocrypt failed ' || fail "not stopped: $(dmsetup status vol)"
! dd if=/dev/mapper/vol of=/tmp/read bs=4096 skip=21 count=1 iflag=direct status=none 2>/dev/null ||
	fail "sector 21 is read, and is $(cmp -s /tmp/read <(tail -c +$((21 * 4096 + 1)) /tmp/a | head -c 4096) && echo old)"
dd if=/dev/mapper/vol bs=4096 skip=24 count=8 iflag=direct status=none | cmp - <(tail -c +$((24 * 4096 + 1)) /tmp/now | head -c 32768)
device d $D
dmsetup remove refuses
inocrypt close vol 2>/tmp/said || [ $? = 5 ] || fail "$(</tmp/said)"
opened 0 ""
compare
inocrypt close vol

# bad BLOCK [COUNT]: blocks of the sidecar that can't be read; none: all can.
bad() { device reads $S ${1:+$(($1 * 8)) $((${2-1} * 8))}; }
field() { inocrypt dump $D --sidecar $S -k $vk ${2-} | awk -v f="$1" '$1 == f { print $2 }'; }
# good_again: what was given up nothing for is all there.
good_again()
{
	bad
	opened 0 ""
	[ ! -s /tmp/said ] || fail "$(</tmp/said)"
	compare
	inocrypt close vol
}

say "behind the log's end"
# Closed, and its log is empty: a stretch that begins with the first block of the next.
crash
good_again
seq=$(field first --log)
bad $(($(field end_offset --log) / 4096)) 3
for how in -r ""; do
	# shellcheck disable=SC2086 # no word or one
	opened 0 "block $seq of the log.*taken for the log's end" $how
	compare
	[ "$(number log_given_up)" = 0 ] || fail "$(dmsetup status vol)"
	[ -n "$how" ] || synced /tmp/a 20 4
	inocrypt close vol
done
[ "$(field first --log)" -ge $((seq + 3)) ] || fail "the log went on at $(field first --log)"
# It isn't met again.
opened 0 ""
[ ! -s /tmp/said ] || fail "$(</tmp/said)"
compare
inocrypt close vol
bad
# After a crash.
crash
bad $(($(field end_offset --log) / 4096))
opened 0 "taken for the log's end"
[ "$(number recovered_redone)" = 10 ] || fail "$(dmsetup status vol)"
compare
inocrypt close vol
good_again
# Given up by a repair, it is there no more; what is before it is.
crash
bad $(($(field end_offset --log) / 4096))
rc=0
inocrypt check /dev/mapper/d --sidecar /dev/mapper/s -k $vk --repair >/tmp/check 2>&1 </dev/null || rc=$?
# On this device it can't be read either when it has been written.
[ $rc = 5 ] || fail "check --repair: $rc, $(</tmp/check)"
grep -q "what was written to .* can't be read .*copy it to another device" /tmp/check || fail "$(</tmp/check)"
grep -q "^repair: end the log before block .*; it costs: if it was the newest one" /tmp/check || fail "$(</tmp/check)"
good_again

say "in the middle of the log"
crash
mapfile -t at < <(inocrypt dump $D --sidecar $S -k $vk --log |
	awk '$1 == "offset" { o = $2 } $1 == "data_blocks" && $2 { print o / 4096 }')
[ ${#at[@]} = 2 ] || fail "${#at[@]} blocks with data"
for ((i = 0; i < 3; i += 2)); do
	bad $((at[0] + i))
	opened 5 "block .* of the log (.* of the sidecar) can't be read, and seems not to be its end"
	opened 5 "seems not to be its end" -r
	rc=0
	inocrypt check /dev/mapper/d --sidecar /dev/mapper/s -k $vk >/tmp/check 2>&1 || rc=$?
	[ $rc = 5 ] || fail "check: $rc, $(</tmp/check)"
	grep -q "seems not to be its end" /tmp/check || fail "$(</tmp/check)"
done
good_again
crash
bad "${at[0]}"
opened 12 "given up, and what the log has behind it" --give-up-unreadable
[ "$(number log_given_up) $(number recovered_redone)" = "1 0" ] || fail "$(dmsetup status vol)"
cp /tmp/a /tmp/now
compare
inocrypt close vol

say "superblocks"
crash
good_again
# The older one: of a closed volume, and after a crash.
older() { echo $((8 - 8 * $(field current_copy))); }
for state in closed crash; do
	[ $state = closed ] || crash
	bad "$(older)"
	opened 0 "a superblock can't be read: it is the older one"
	[ "$(number super_lost)" = 1 ] || fail "$(dmsetup status vol)"
	compare
	bad
	inocrypt close vol
	good_again
done
# The newer one, with a log of its own.
opened 0 ""
synced /tmp/a 20 4
take open
inocrypt close vol
put open
bad $((8 - $(older)))
opened 5 "a superblock can't be read, and may be the newer one"
opened 0 "superblock" -r
inocrypt close vol
take after
cmp /tmp/open.s /tmp/after.s || fail "a volume that could not be opened has changed"
good_again
put open
bad $((8 - $(older)))
opened 12 "a superblock can't be read: given up" --give-up-unreadable
[ "$(number log_given_up)" = 1 ] || fail "$(dmsetup status vol)"
bad
inocrypt close vol

say "a sector that fails for ever"
put base
cp /tmp/a /tmp/now
modprobe dm-badblock
dmsetup reload d --table "0 $(blockdev --getsz $D) badblock $D 0"
dmsetup resume d
opened 0 ""
dmsetup message d 0 bad $((data + 50 * 8)) 8 write
rewrite /dev/mapper/vol 50 10000 60 >/tmp/failed
# The last ones have ended before their data fails.
for ((try = 0; try < 50 * ${VM_SLOW:-1}; try++)); do
	[ "$(number io_errors)" -lt 10000 ] || break
	sleep 0.1
done
[ "$(number io_errors)" -ge 10000 ] || fail "$(dmsetup status vol)"
[[ "$(dmsetup status vol)" == *" inocrypt ok "* ]] || fail "$(dmsetup status vol)"
[ "$(number sectors_failed)" = 1 ] || fail "$(dmsetup status vol)"
# An eighth of the log, and what came while a checkpoint ran.
[ "$(number log_unsettled)" -lt 64 ] || fail "the mark stands: $(dmsetup status vol)"
compare=$(blkcmp /dev/mapper/vol /tmp/now 4096 | tail -n 1) || true
[ "$compare" = "same $((blocks - 1)) errors 0 dirty 0 zeros 0 wrong 1" ] || fail "$compare"
dd if=/dev/mapper/vol of=/tmp/now bs=4096 skip=60 seek=60 count=1 conv=notrunc status=none iflag=direct
# What ended early fails the next flush, and no other.
! dd if=/tmp/c of=/dev/mapper/vol bs=4096 seek=70 skip=70 count=1 conv=notrunc,fsync status=none 2>/dev/null ||
	fail "a write that failed wasn't told of"
dd if=/tmp/c of=/dev/mapper/vol bs=4096 seek=70 skip=70 count=1 conv=notrunc,fsync status=none
dd if=/tmp/c of=/tmp/now bs=4096 seek=70 skip=70 count=1 conv=notrunc status=none
take crash
inocrypt close vol || true
put crash
dmsetup message d 0 bad $((data + 50 * 8)) 8 both
opened 0 ""
[ "$(number sectors_failed)" = 1 ] || fail "$(dmsetup status vol)"
blkcmp /dev/mapper/vol /tmp/now 4096 | grep "^same $((blocks - 1)) errors 1 " >/dev/null || fail "$(dmsetup status vol)"
# Who writes it once more can, and what was there before is there.
dmsetup message d 0 good
compare
synced /tmp/c 50 1
[ "$(number sectors_failed)" = 0 ] || fail "$(dmsetup status vol)"
compare
inocrypt close vol

say "ok"

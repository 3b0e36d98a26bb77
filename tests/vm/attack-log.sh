#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What somebody who owns the storage can do to the log of a volume after a power cut: cut it off,
# swap its blocks, put back older ones or those of a forked copy, with the data or without. Each
# sector reads as it was, or as an error; as older only where the whole log behind it was cut off
# and its data put back, which is the limit that docs/threat-model.md states. inocrypt check says
# the same before the volume is opened.
# vm: --disk data:18M --disk side:1M --timeout 600
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

D=/run/disks/data S=/run/disks/side
vk=/tmp/vk
head -c 32 /dev/urandom >$vk
blocks=400
n=0
blk() { dd "$@" bs=4096 status=none conv=notrunc; }
open() { inocrypt open $D vol --sidecar $S -k $vk || fail "open"; }
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
# verdict NAME REFERENCE LINES: check, open, compare; all but the sectors in LINES is as in
# REFERENCE. check finds just as many errors, and torn sectors, which become zero.
verdict()
{
	local name=$1 ref=$2 lines=${3-} want zeros found rc=0

	n=$((n + 1))
	want=$(grep -c EILSEQ <<<"$lines") || true
	zeros=$(grep -c zeros <<<"$lines") || true
	sync
	inocrypt check $D --sidecar $S -k $vk --data --json >/tmp/check || rc=$?
	found=$(sed -n '/"kinds"/d; s/^ *"\(bad\|torn\)": \([0-9]*\),*$/\1=\2/p' /tmp/check | sort -u | paste -sd' ')
	[ "$found" = "bad=$want torn=$zeros" ] || fail "$name: check finds $found, not $want and $zeros"
	[ $rc = $((want ? 8 : 0)) ] || fail "$name: check's exit code is $rc"
	open
	blkcmp /dev/mapper/vol "$ref" 4096 >/tmp/cmp || true
	inocrypt close vol
	[ "$(tail -n 1 /tmp/cmp)" = "same $((blocks - want - zeros)) errors $want dirty 0 zeros $zeros wrong 0" ] ||
		fail "$name: $(tail -n 5 /tmp/cmp), not $want errors"
	[ "$(head -n -1 /tmp/cmp)" = "$lines" ] || fail "$name: other sectors than expected: $(head -n 5 /tmp/cmp)"
	put crash
}

inocrypt format $D --sidecar $S -k $vk -y --owners 1000 --log-size 256K >/dev/null
for f in now b c e f; do head -c $((blocks * 4096)) /dev/urandom >/tmp/$f; done
open
blk if=/tmp/now of=/dev/mapper/vol oflag=direct conv=notrunc,fsync
inocrypt close vol
take base
cp /tmp/now /tmp/a

# Three overwrites: flushed and marked; flushed and marked; neither. All in one log: once more if a
# checkpoint came between.
for ((try = 1; ; try++)); do
	open
	cp /tmp/a /tmp/now
	overwrite /tmp/b 0 20 fsync
	sleep 0.8
	take snap
	overwrite /tmp/c 20 20 fsync
	sleep 0.8
	overwrite /tmp/e 40 10
	take crash
	inocrypt close vol
	put crash
	inocrypt dump $D --sidecar $S -k $vk --log >/tmp/log
	# Offsets of the blocks that hold entries.
	mapfile -t at < <(awk '$1 == "offset" { o = $2 } $1 == "entries" && $2 { print o / 4096 }' /tmp/log)
	[ ${#at[@]} != 3 ] || break
	[ $try -lt 5 ] || fail "no log of three writes: $(</tmp/log)"
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
inocrypt check $D --sidecar $S -k $vk --json >/tmp/check || fail "check"
grep -q '"candidates": 10,' /tmp/check && grep -q '"kept": 10,' /tmp/check ||
	fail "not just the last write is above the mark: $(grep -E 'facts|cand|kept|low' /tmp/check)"

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
# As if it had been cut off in the middle: nobody can tell.
verdict "garbage above the mark" /tmp/now "45 zeros"

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
blk if=/tmp/base.s of=$S skip=16 seek=16 count=64
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
blk if=/tmp/fork.s of=$S skip=16 seek=16 count=64
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
say "$n attacks: no wrong byte; rolled back only where the whole tail of the log went with it"

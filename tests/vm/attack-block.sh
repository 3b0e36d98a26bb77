#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What somebody who owns the storage can do to a closed volume: flip bits, swap, put back
# older contents, move things.  Whatever it is, each sector then reads as what it was, or as
# an error with zeros in the buffer; never as anything else.  And nothing else is lost.
# vm: --disk data:20M --disk side:16M --disk data2:20M --disk side2:16M --timeout 300
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

D=/run/disks/data S=/run/disks/side
vk=/tmp/vk
head -c 32 /dev/urandom >$vk
ref=/tmp/ref old=/tmp/old
blocks=400
n=0

get() { dmsetup status vol | tr ' ' '\n' | sed -n "s/^$1=//p"; }
open() { inocrypt open $D vol --sidecar $S -k $vk; }
# dump FIELD ARGUMENTS...: the first value of that name.
dump()
{
	inocrypt dump $D --sidecar $S -k $vk "${@:2}" | awk -v f="$1" '$1 == f && !n++ { print $2 }'
}
blk() { dd "$@" bs=4096 status=none conv=notrunc; }
# save / back: the volume as it is, and again
save() { cp $D /tmp/save.d; cp $S /tmp/save.s; }
back() { blk if=/tmp/save.d of=$D; blk if=/tmp/save.s of=$S; }
cp() { blk if="$1" of="$2"; }

# verdict NAME EXPECTED [LINES]: open, compare everything with the reference; the last line
# of blkcmp must be EXPECTED and the lines before it LINES.
verdict()
{
	local name=$1 want=$2 lines=${3-} out

	n=$((n + 1))
	open
	blkcmp /dev/mapper/vol $ref 4096 >/tmp/cmp || true
	out=$(tail -n 1 /tmp/cmp)
	# shellcheck disable=SC2053 # a pattern is meant
	[[ $out == $want ]] || fail "$name: $(tail -n 5 /tmp/cmp), not $want"
	[ -z "$lines" ] || [ "$(head -n -1 /tmp/cmp)" = "$lines" ] || fail "$name: $(head -n 5 /tmp/cmp)"
	# Past the cache or through it, the same.
	if [[ $lines == *EILSEQ* ]]; then
		! dd if=/dev/mapper/vol bs=4096 skip="${lines%% *}" count=1 of=/dev/null status=none \
			2>/tmp/err || fail "$name: a buffered read gives data"
		grep -q "Input/output error" /tmp/err || fail "$name: $(</tmp/err)"
	fi
	st=$(dmsetup status vol)
	inocrypt close vol
}
count() { [[ $st == *" $1=$2 "* ]] || fail "$1 isn't $2: $st"; }

inocrypt format $D --sidecar $S -k $vk -y --owners 1000 >/dev/null
open
head -c $((blocks * 4096)) /dev/urandom >$old
blk if=$old of=/dev/mapper/vol oflag=direct
inocrypt close vol
cp $D /tmp/old.d
cp $S /tmp/old.s
leaf0=$(dump sector_leaf)

# The same sectors again with other contents: the copies are old now.
open
head -c $((blocks * 4096)) /dev/urandom >$ref
blk if=$ref of=/dev/mapper/vol oflag=direct
inocrypt close vol
save
verdict "untouched" "same $blocks errors 0 dirty 0 zeros 0 wrong 0"
count auth_failures 0
off=$(($(dump data_offset --record 0) / 4096))

say "ciphertext"
printf '\x00' >/tmp/byte
flip()
{
	local b

	b=$(dd if="$1" bs=1 skip="$2" count=1 status=none | od -An -tu1)
	printf "\\x$(printf %02x $((b ^ $3)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
flip $D $(((off + 100) * 4096 + 1234)) 1
verdict "one bit of a sector" "same $((blocks - 1)) errors 1 dirty 0 zeros 0 wrong 0" "100 EILSEQ zeroed"
[ "$(sed 's/.* auth_failures=\([0-9]*\).*/\1/' <<<"$st")" -ge 1 ] || fail "the failure isn't counted: $st"
back
blk if=/tmp/save.d of=$D skip=$((off + 10)) seek=$((off + 11)) count=1
blk if=/tmp/save.d of=$D skip=$((off + 11)) seek=$((off + 10)) count=1
verdict "two sectors swapped" "same $((blocks - 2)) errors 2 dirty 0 zeros 0 wrong 0" $'10 EILSEQ zeroed\n11 EILSEQ zeroed'
back
blk if=/tmp/old.d of=$D skip=$((off + 20)) seek=$((off + 20)) count=1
verdict "a sector's older contents" "same $((blocks - 1)) errors 1 dirty 0 zeros 0 wrong 0" "20 EILSEQ zeroed"
back
blk if=/dev/zero of=$D seek=$((off + 30)) count=1
verdict "a sector zeroed" "same $((blocks - 1)) errors 1 dirty 0 zeros 0 wrong 0" "30 EILSEQ zeroed"
back
# In a read of many sectors the rest of them are lost to that read, but no wrong byte comes.
flip $D $(((off + 300) * 4096)) 128
open
blkcmp /dev/mapper/vol $ref 65536 >/tmp/cmp || fail "a large read: $(</tmp/cmp)"
grep -q "^18 EILSEQ zeroed" /tmp/cmp && [ "$(grep -c EILSEQ /tmp/cmp)" = 1 ] || fail "a large read: $(</tmp/cmp)"
inocrypt close vol
back

say "the tree"
# Sectors 127 to 253 are those of the second leaf.
leaf=$((leaf0 + 1))
node=$(dump node_offset --node 0:$leaf) other=$(dump other_offset --node 0:$leaf)
range="same $((blocks - 127)) errors 127 dirty 0 zeros 0 wrong 0"
for at in 0 20 28 4095; do
	flip $S $((node + at)) 4
	verdict "one bit of a leaf, byte $at" "$range" ""
	count owner_mismatches 0
	[ "$(head -n 1 /tmp/cmp)" = "127 EILSEQ zeroed" ] || fail "not sector 127: $(head -n 1 /tmp/cmp)"
	back
done
[ "$(sed 's/.* node_auth_failures=\([0-9]*\).*/\1/' <<<"$st")" -ge 1 ] || fail "not counted: $st"
# The leaf as it was before is in its other place.
blk if=$S of=$S skip=$((other / 4096)) seek=$((node / 4096)) count=1
verdict "a leaf's other place over it" "$range" ""
back
blk if=/tmp/old.s of=$S skip=$((node / 4096)) seek=$((node / 4096)) count=1
blk if=/tmp/old.s of=$S skip=$((other / 4096)) seek=$((other / 4096)) count=1
blk if=/tmp/old.d of=$D skip=$((off + 127)) seek=$((off + 127)) count=127
verdict "a leaf and its sectors from an older copy" "$range" ""
back
# One sector with its leaf, as the issue of it has: the sector has to stay an error.
blk if=/tmp/old.s of=$S skip=$((other / 4096)) seek=$((node / 4096)) count=1
blk if=/tmp/old.d of=$D skip=$((off + 130)) seek=$((off + 130)) count=1
verdict "one sector and its leaf from an older copy" "$range" ""
back
next=$(dump node_offset --node 0:$((leaf + 1)))
blk if=/tmp/save.s of=$S skip=$((node / 4096)) seek=$((next / 4096)) count=1
blk if=/tmp/save.s of=$S skip=$((next / 4096)) seek=$((node / 4096)) count=1
verdict "two leaves swapped" "same $((blocks - 254)) errors 254 dirty 0 zeros 0 wrong 0" ""
back
for how in zero urandom; do
	blk if=/dev/$how of=$S seek=$((node / 4096)) count=1
	verdict "a leaf of $how" "$range" ""
	back
done
# What is not current may be anything.
blk if=/dev/urandom of=$S seek=$((other / 4096)) count=1
verdict "garbage in the place that isn't current" "same $blocks errors 0 dirty 0 zeros 0 wrong 0"
back

# refused NAME: neither the tool nor the kernel opens it.
refused()
{
	n=$((n + 1))
	! open 2>/tmp/err || fail "$1: it opens"
	[ -s /tmp/err ] || fail "$1: no word from the tool"
	[ ! -e /dev/mapper/vol ] || fail "$1: a device is left"
}
levels=$(dump levels)
root=$(dump node_offset --node $((levels - 1)):0) rother=$(dump other_offset --node $((levels - 1)):0)
flip $S $((root + 50)) 1
refused "one bit of the root"
back
blk if=$S of=$S skip=$((rother / 4096)) seek=$((root / 4096)) count=1
refused "the root's other place over it"
back

say "superblocks"
cur=$(dump current_copy)
# The newest superblock lost or spoilt: the one before it, and its tree, with data that is newer:
# what has changed since is an error, and what hasn't reads.
flip $S $((cur * 32768 + 300)) 1
open
blkcmp /dev/mapper/vol $ref 4096 >/tmp/cmp || fail "the older superblock: $(tail -n 3 /tmp/cmp)"
inocrypt close vol
tail -n 1 /tmp/cmp | grep -q "zeros 0 wrong 0" || fail "the older superblock: $(tail -n 1 /tmp/cmp)"
say "   without the newest superblock: $(tail -n 1 /tmp/cmp)"
back
# Both superblocks of the older copy, all else new.
blk if=/tmp/old.s of=$S count=16
if open 2>/tmp/err; then
	blkcmp /dev/mapper/vol $ref 4096 >/tmp/cmp || fail "old superblocks: $(tail -n 3 /tmp/cmp)"
	inocrypt close vol
	say "   older superblocks: $(tail -n 1 /tmp/cmp)"
else
	say "   older superblocks: refused: $(head -n 1 /tmp/err)"
fi
n=$((n + 2))
back
# The whole sidecar is older than the data.
cp /tmp/old.s $S
verdict "an older sidecar" "same 0 errors $blocks dirty 0 zeros 0 wrong 0" ""
back
blk if=/dev/zero of=$S count=16
refused "both superblocks gone"
back
blk if=/tmp/save.s of=$S skip=0 seek=8 count=1
blk if=/tmp/save.s of=$S skip=8 seek=0 count=1
refused "superblocks in each other's places"
back

say "another volume of the same keys"
D2=/run/disks/data2 S2=/run/disks/side2
inocrypt format $D2 --sidecar $S2 -k $vk -y --owners 1000 >/dev/null
inocrypt open $D2 vol --sidecar $S2 -k $vk
blk if=$old of=/dev/mapper/vol oflag=direct
blk if=$old of=/dev/mapper/vol oflag=direct
inocrypt close vol
blk if=$D2 of=$D skip=$((off + 5)) seek=$((off + 5)) count=1
verdict "its sector" "same $((blocks - 1)) errors 1 dirty 0 zeros 0 wrong 0" "5 EILSEQ zeroed"
back
blk if=$S2 of=$S skip=$((node / 4096)) seek=$((node / 4096)) count=1
blk if=$D2 of=$D skip=$((off + 127)) seek=$((off + 127)) count=127
verdict "its leaf and sectors" "$range" ""
back
blk if=$S2 of=$S skip=$((root / 4096)) seek=$((root / 4096)) count=1
refused "its root"
back
# Its superblocks and tree: it is that volume then, with none of its data.
cp $S2 $S
verdict "its whole sidecar" "same 0 errors $blocks dirty 0 zeros 0 wrong 0" ""
blk if=$S2 of=$S count=16
back
flip $S 20 1
flip $S $((32768 + 20)) 1
refused "another uuid"
back

say "with the volume key"
forge $vk $D $S copy 40 50
verdict "a record and its sector moved" "same $((blocks - 1)) errors 1 dirty 0 zeros 0 wrong 0" "50 EILSEQ zeroed"
back
forge $vk $D $S swap 41 390
verdict "two sectors swapped with their records" "same $((blocks - 2)) errors 2 dirty 0 zeros 0 wrong 0" \
	$'41 EILSEQ zeroed\n390 EILSEQ zeroed'
[ "$(sed 's/.* node_auth_failures=\([0-9]*\).*/\1/' <<<"$st")" = 0 ] || fail "the forged tree isn't sound: $st"
back
forge $vk $D $S owner 42 77
verdict "a record given to an owner" "same $((blocks - 1)) errors 1 dirty 0 zeros 0 wrong 0" "42 EILSEQ zeroed"
[ "$(sed 's/.* owner_mismatches=\([0-9]*\).*/\1/' <<<"$st")" -ge 1 ] || fail "not counted: $st"
back
verdict "all put back" "same $blocks errors 0 dirty 0 zeros 0 wrong 0"
say "$n attacks: no wrong byte, and nothing lost but what was touched"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A leaf that is damaged, of sectors, owners or keys, or can't be read: the volume opens all the same,
# read-only and read-write, closed or cut while the log changes that leaf; what is below it is an
# error, never zeros, and nothing else is; and it can be written, discarded and deleted again.
# vm: --disk data:40M --disk side:2M --timeout 300
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

D=/run/disks/data S=/run/disks/side
vol_setup $D $S
export VOL_NO_JUDGE=1
vk=$VOL_KEYS/volume
whole() { dd "$@" bs=1M status=none conv=notrunc; }
take() { whole if=$S of="/tmp/$1.s" iflag=direct; whole if=$D of="/tmp/$1.d" iflag=direct skip=16; }
put() { whole if="/tmp/$1.d" of=$D seek=16; whole if="/tmp/$1.s" of=$S; sync; }
open() { inocrypt open $D vol --sidecar ${side:-$S} -k "$vk" "$@" || fail "$what: open $*"; }
# is FIELD VALUE: of the status line
is() { [ "$(vol_status "$1")" = "$2" ] || fail "$what: $1 is $(vol_status "$1"), not $2"; }
# lost_some N: recovery left out so many changes, or some more of the same records
lost_some() { [ "$(vol_status lost_records)" -ge "$1" ] || fail "$what: $(vol_status lost_records) lost, not $1"; }
# dump FIELD ARGUMENTS...: the first value of that name
dump() { inocrypt dump $D --sidecar $S -k "$vk" "${@:2}" | awk -v f="$1" '$1 == f && !n++ { print $2 }'; }
# flip BYTE of the sidecar
flip()
{
	local b

	b=$(dd if=$S bs=1 skip="$1" count=1 status=none | od -An -tu1)
	# shellcheck disable=SC2059 # made for it
	printf "\\x$(printf %x $((b ^ 1)))" | dd of=$S bs=1 seek="$1" conv=notrunc status=none
	sync
}
blk() { dd bs=4096 status=none conv=notrunc "$@"; }
# put_new SECTOR COUNT: new contents, synced, and noted
put_new()
{
	blk if=/dev/urandom of=/tmp/now seek="$1" count="$2"
	blk if=/tmp/now of=$VOL_DEV skip="$1" seek="$1" count="$2" oflag=direct conv=notrunc,fsync 2>/tmp/err ||
		fail "$what: write of sector $1: $(</tmp/err)"
}
# judge ERRORS: so many of the 1000 sectors are errors, the others as noted, and zeros where noted so.
judge()
{
	blkcmp $VOL_DEV /tmp/now 4096 >/tmp/cmp || true
	grep -q "^same $((1000 - $1)) errors $1 dirty 0 zeros 0 wrong 0$" /tmp/cmp ||
		fail "$what: $(tail -n 3 /tmp/cmp), not $1 errors"
}
error() { ! blk if=$VOL_DEV of=/dev/null skip="$1" count=1 iflag=direct 2>/dev/null || fail "$what: sector $1 can be read"; }

vol_format --owners 1000 --log-size 512K
what="new"
open
blk if=/dev/urandom of=/tmp/now count=1000
whole if=/tmp/now of=$VOL_DEV oflag=direct
inocrypt close vol
# Sectors 254 to 380; not the place that a lost leaf would be written to.
[ "$(dump place --record 300)" = 1 ] || { open; put_new 300 1; inocrypt close vol; }
leaf=$(dump node_offset --record 300)
open
# All of it has to be in the log still: a slow machine's checkpoint may come in between.
for try in 1 2 3 4 5; do
	dmsetup message vol 0 checkpoint
	n=$(vol_status checkpoints)
	put_new 300 1
	put_new 900 1
	# Six of these eight are of that leaf.
	blk if=$VOL_DEV of=/tmp/discarded skip=375 count=8 iflag=direct
	blkdiscard -f -o $((375 * 4096)) -l $((8 * 4096)) $VOL_DEV 2>/dev/null
	blk if=/dev/zero of=/tmp/now seek=375 count=8
	sync $VOL_DEV
	take crash
	[ "$(vol_status checkpoints)" != "$n" ] || break
	blk if=/dev/urandom of=$VOL_DEV seek=375 count=8
done
inocrypt close vol
cp /tmp/now /tmp/then

say "cut, and the leaf damaged"
put crash
flip $((leaf + 2000))
for how in --readonly ""; do
	what="a damaged leaf that the log changes, $how"
	# shellcheck disable=SC2086 # no word or one
	# shellcheck disable=SC2086 # no word or one
	open $how
	lost_some 7
	judge 127
	dmesg | grep "left out changes of sector records 375 to 380" >/dev/null || fail "$what: not said"
	[ -n "$how" ] || break
	inocrypt close vol
done
what="written again"
put_new 301 2
blkdiscard -f -o $((310 * 4096)) -l $((5 * 4096)) $VOL_DEV 2>/dev/null
sync $VOL_DEV
blk if=/dev/zero of=/tmp/now seek=310 count=5
is leaves_replaced 1
judge 120
take crash2
inocrypt close vol
what="cut after it was written again"
put crash2
open
is lost_records 0
judge 120
what="all of it written"
put_new 254 127
judge 0
inocrypt close vol
check_volume
[ "$(check_field lost)" = 0 ] || fail "$what: check finds lost records"

say "a leaf that can't be read, and then can"
put crash
cp /tmp/then /tmp/now
what="a leaf that can't be read"
size=$(blockdev --getsz $S) at=$((leaf / 512))
hole $S $at
side=/dev/mapper/holes
open --readonly
lost_some 7
judge 127
inocrypt close vol
! inocrypt open $D vol --sidecar $side -k "$vk" 2>/tmp/err || fail "$what: the log was given up"
grep -q "the leaf of sector .* can't be read" /tmp/err || fail "$what: not said: $(</tmp/err)"
grep -q -- "--give-up-unreadable" /tmp/err || fail "$what: what to type isn't said: $(</tmp/err)"
what="a leaf that can't be read, and what the log has of it, given up"
rc=0
inocrypt open $D vol --sidecar $side -k "$vk" --give-up-unreadable 2>/tmp/err || rc=$?
[ $rc = 12 ] || fail "$what: exit code $rc, $(</tmp/err)"
grep -q "vol is open, but .* changes in the log were given up" /tmp/err || fail "$what: $(</tmp/err)"
[ -z "$(sort /tmp/err | uniq -d)" ] || fail "$what: said twice: $(</tmp/err)"
lost_some 7
judge 127
put_new 901 1
inocrypt close vol
dmsetup reload holes --table "0 $size linear $S 0"
dmsetup resume holes
# What the log didn't change is as it was.
what="a leaf that can be read again, without what the log had of it"
open
is lost_records 0
blk if=/tmp/discarded of=/tmp/now seek=375 count=6
judge 1
error 300
inocrypt close vol
what="a leaf that can't be read, given up by a repair"
put crash
cp /tmp/then /tmp/now
dmsetup reload holes <<-END
	0 $at linear $S 0
	$at 8 error
	$((at + 8)) $((size - at - 8)) linear $S $((at + 8))
END
dmsetup resume holes
inocrypt check $D --sidecar $side -k "$vk" --repair </dev/null >/tmp/out && rc=0 || rc=$?
[ $rc = 9 ] || fail "$what: check --repair: $rc, $(</tmp/out)"
grep -q "^repair: give up node 0:.* sectors 254 to 380; it costs: they read as errors" /tmp/out || fail "$what: $(</tmp/out)"
what="a leaf that couldn't be read, given up"
# It can be written, as most bad places can.
dmsetup reload holes --table "0 $size linear $S 0"
dmsetup resume holes
open
is lost_records 0
# What the log had of it is kept.
judge 120
put_new 303 1
judge 119
inocrypt close vol
side=
dmsetup remove holes
put crash
cp /tmp/then /tmp/now
what="a leaf that can be read again"
open
is lost_records 0
judge 0
inocrypt close vol

say "owners"
what="owners"
vol_format --force --owners 1000 --log-size 512K
vol_open
vol_mkfs -b 4096
vol_mount
M=$VOL_MNT
alice=$(key_new alice)
keyed_dir $M/alice "$alice"
mkdir $M/open
for f in alice/one alice/two open/one; do
	head -c 65536 /dev/urandom >"/tmp/${f/\//.}"
	cp "/tmp/${f/\//.}" "$M/$f"
done
same() { cmp -s "/tmp/${1/\//.}" "$M/$1" || fail "$what: $1"; }
gone() { ! cat "$M/$1" >/dev/null 2>&1 || fail "$what: $1 can be read"; }
vol_umount
vol_close
vol_open
vol_mount
ln -f /tmp/alice.one /tmp/alice.three
for try in 1 2 3 4 5; do
	rm -f $M/alice/three
	dmsetup message vol 0 checkpoint
	n=$(vol_status checkpoints)
	cp /tmp/alice.one $M/alice/three
	fsfreeze -f $M
	take crash
	fsfreeze -u $M
	[ "$(vol_status checkpoints)" != "$n" ] || break
done
vol_umount
vol_close
put crash
leaf=$(dump node_offset --owner 12)
flip $((leaf + 2000))
take crash
blk if=$S of=/tmp/salts skip=$((leaf / 4096)) count=1
for how in --readonly ""; do
	what="a damaged leaf of owners that the log changes, $how"
	VOL_OPEN_ARGS=$how vol_open
	lost_some 1
	VOL_MOUNT_OPTS=${how:+ro,noload} vol_mount
	same open/one
	gone alice/one
	[ -z "$how" ] || gone alice/three
	[ -n "$how" ] || break
	vol_umount
	vol_close
done
what="files under a damaged leaf of owners"
rm $M/alice/one
sync
cp /tmp/alice.one $M/alice/one
sync
is leaves_replaced 1
# What was forgotten may have its salt in the damaged place: that is written over, too.
! blk if=$S skip=$((leaf / 4096)) count=1 iflag=direct | cmp -s - /tmp/salts || fail "$what: the damaged leaf is still there"
gone alice/two
same alice/one
vol_remount
same alice/one
gone alice/two
# Written from the start, it is a file again.
cat /tmp/alice.two >$M/alice/two
sync
vol_umount
vol_close
check_volume
vol_open
vol_mount
what="files written again"
for f in alice/one alice/two open/one; do same $f; done
vol_umount
vol_fsck
vol_close

say "owners whose keys are in use while their leaf is found damaged"
what="a key in the cache of an owner whose record is lost"
vol_open
vol_mount
same alice/two
flip $(($(dump node_offset --owner 12) + 2000))
# The leaf is read again. (Were it changed, it would stay.)
sync
dmsetup message vol 0 checkpoint
dmsetup message vol 0 checkpoint
echo 3 >/proc/sys/vm/drop_caches
for try in 1 2 3 4 5 6 7 8; do
	cp /tmp/alice.one "$M/alice/new$try" 2>/dev/null || true
	sync
	[ "$(vol_status leaves_replaced)" = 0 ] || break
	echo 3 >/proc/sys/vm/drop_caches
done
is leaves_replaced 1
dd if=/tmp/alice.two of=$M/alice/two bs=64K conv=notrunc,fsync status=none
same alice/two
vol_remount
same alice/two
for f in one three new1; do cat /tmp/alice.one >$M/alice/$f; done
rm -f $M/alice/new*
sync
vol_umount
vol_close
check_volume

say "keys"
what="a key with two slots"
at=$(($(dump node_offset --node 0:0) / 512))
hole $S $at
side=/dev/mapper/holes
open
is key_slots_lost 127
[ "$(key_add alice)" = "$alice" ] || fail "$what: another id"
vol_mount
cp /tmp/alice.one $M/alice/five
vol_umount
vol_close
side=
dmsetup remove holes
open
key_add alice >/dev/null
[ "$(dmsetup message vol 0 key list | grep -o "$alice slot=[0-9]*" | wc -l)" = 2 ] ||
	fail "$what: $(dmsetup message vol 0 key list)"
vol_mount
ln -f /tmp/alice.one /tmp/alice.five
for f in alice/one alice/two alice/five open/one; do same $f; done
# What is written doesn't take a record of the other slot for another file's.
for f in one five; do
	cp /tmp/alice.two $M/alice/new
	dd if=$M/alice/new of=$M/alice/$f bs=4096 count=1 conv=notrunc status=none
	dd if=/tmp/alice.two of=/tmp/alice.$f.new bs=4096 count=1 status=none
	dd if=/tmp/alice.$f of=/tmp/alice.$f.new bs=4096 skip=1 seek=1 status=none
	sync
	echo 1 >/proc/sys/vm/drop_caches
	cmp -s /tmp/alice.$f.new $M/alice/$f || fail "$what: alice/$f, written to"
	cp /tmp/alice.$f $M/alice/$f
done
rm $M/alice/new
is owners_replaced 0
vol_umount
# While files are under one of its slots none of them is called unused.
dmsetup message vol 0 key remove "$alice"
! dmsetup message vol 0 key delete "$alice" 2>/dev/null || fail "$what: it is deleted, with files under it"
vol_close
what="a damaged leaf of keys"
flip $(($(dump node_offset --node 0:0) + 2000))
for how in --readonly ""; do
	# shellcheck disable=SC2086 # no word or one
	open $how
	is key_slots_lost 127
	[ -n "$how" ] || break
	vol_close
done
[ "$(key_add alice)" = "$alice" ] || fail "$what: another id"
[[ $(dmsetup message vol 0 key list) == "$alice slot=127 loaded "* ]] || fail "$what: $(dmsetup message vol 0 key list)"
vol_mount
for f in alice/one alice/two open/one; do same $f; done
cp /tmp/alice.one $M/alice/four
vol_umount
# A key that was in one of these slots isn't called unused.
bob=$(key_new bob)
for k in "$alice" "$bob"; do
	dmsetup message vol 0 key remove "$k"
	! dmsetup message vol 0 key delete "$k" 2>/dev/null || fail "$what: a key that files are under is deleted"
done
vol_close
vol_open
vol_mount
ln -f /tmp/alice.one /tmp/alice.four
for f in alice/one alice/two alice/four open/one; do same $f; done
vol_umount
vol_close
inocrypt check $D --sidecar $S -k "$vk" --repair </dev/null >/tmp/out && rc=0 || rc=$?
[ $rc = 9 ] || fail "$what: check --repair: $rc, $(</tmp/out)"
check_volume
[ "$(check_field lost)" -ge 1 ] || fail "$what: no slots are lost"
vol_open
is key_slots_lost 127
vol_mount
what="a leaf of keys given up"
for f in alice/one alice/two alice/four open/one; do same $f; done
vol_umount
vol_close
say "ok"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a volume is on, under and beside: devices that are read-only, file systems that don't begin
# where it does, a snapshot that is open beside it, and the file system that was on it before.
# vm: --disk d:64M --disk copy:64M --disk side:8M --timeout 300
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$INOCRYPT_TOP/tests/vm/lib.sh"

D=$(readlink /run/disks/d) C=$(readlink /run/disks/copy) S=$(readlink /run/disks/side)
export VOL_NO_JUDGE=1
cd /tmp
printf 'a passphrase' >pw

# expect RC REGEX COMMAND...: its exit code, and what it says.
expect()
{
	local want=$1 regex=$2 rc=0

	shift 2
	"$@" >out 2>&1 </dev/null || rc=$?
	[ $rc = "$want" ] || fail "$*: exit code $rc, not $want: $(cat out)"
	[ -z "$regex" ] || grep -qE -- "$regex" out || fail "$*: no '$regex' in: $(cat out)"
}
sums() { md5sum "$D" "$S" anchor; }

say "read-only devices"
vol_setup "$D" "$S"
vk=$VOL_KEYS/volume
export VOL_OPEN_ARGS="--anchor /tmp/anchor"
vol_format
vol_open
vol_mkfs
key=$(key_new one)
vol_mount
keyed_dir $VOL_MNT/dir "$key"
echo text >$VOL_MNT/dir/file
sync
vol_umount
# Recovery finds something to write.
vol_mount
for i in {1..20}; do echo "$i" >$VOL_MNT/dir/$i; done
sync
umount $VOL_MNT
vol_close
args=(--sidecar "$S" -k "$vk" --anchor /tmp/anchor)
table="0 $((32 * 2048)) inocrypt $D 32768 $S 0 :32:logon:inocrypt:$(inocrypt dump "$D" --sidecar "$S" -k "$vk" | sed -n 's/^uuid *//p')"
keyctl padd logon "${table##*:logon:}" @u <"$vk" >/dev/null
sums >before
for ro in "$D" "$S"; do
	blockdev --setro "$ro"
	expect 0 "$ro is read-only, and so is vol" inocrypt open "$D" vol "${args[@]}"
	[ "$(blockdev --getro $VOL_DEV)" = 1 ] || fail "$ro is read-only, its volume is not"
	key_add one >/dev/null
	mount -t ext4 -o ro $VOL_DEV $VOL_MNT
	[ "$(cat $VOL_MNT/dir/file)" = text ] || fail "dir/file"
	umount $VOL_MNT
	inocrypt close vol
	# The target itself.
	! dmsetup create vol --table "$table" 2>/dev/null || fail "the target writes to $ro"
	dmesg | tail -n 5 | grep -q "A device is read-only" || fail "no word of why: $(dmesg | tail -n 5)"
	dmsetup create -r vol --table "$table"
	dmsetup remove vol
	# Those that would write say so before they do anything else, or ask.
	expect 1 "$ro is read-only" inocrypt format --force -d /tmp/nothere "$D" --sidecar "$S"
	expect 1 "$ro is read-only" inocrypt check "$D" --sidecar "$S" -d /tmp/nothere --repair
	expect 0 clean inocrypt check "$D" --sidecar "$S" -k "$vk"
	blockdev --setrw "$ro"
	# A table that was loaded before.
	dmsetup create vol --notable
	dmsetup load vol --table "$table"
	blockdev --setro "$ro"
	! dmsetup resume vol 2>/dev/null || fail "a table for writing is resumed"
	dmsetup remove vol
	blockdev --setrw "$ro"
done
sums | cmp - before || fail "something was written"

say "a snapshot beside its origin"
vol_open
vol_mount
fsfreeze -f $VOL_MNT
inocrypt checkpoint vol
dd if="$D" of="$C" bs=1M status=none
fsfreeze -u $VOL_MNT
dd if="$S" of=side bs=1M status=none
modprobe loop
side=$(losetup -f --show side)
echo later >$VOL_MNT/dir/later
sync
expect 4 "in use already" inocrypt open "$C" snap --sidecar "$side" -k "$vk" --anchor none --readonly
expect 2 "with --readonly only" inocrypt open "$C" snap --sidecar "$side" -k "$vk" --snapshot
expect 0 "" inocrypt open "$C" snap --sidecar "$side" -k "$vk" --readonly --snapshot
expect 4 "in use" inocrypt open "$C" snap2 --sidecar "$side" -k "$vk" --readonly --snapshot
[[ $(dmsetup table snap) == *" 1 snapshot" ]] || fail "table: $(dmsetup table snap)"
! dmsetup create snap2 --table "$(dmsetup table snap)" 2>/dev/null || fail "a snapshot that is written to"
mkdir -p /mnt/snap
mount -t ext4 -o ro,noload /dev/mapper/snap /mnt/snap
! cat /mnt/snap/dir/file 2>/dev/null || fail "keys are one volume's, not its snapshot's"
inocrypt key add snap -k "$VOL_KEYS/mk.one" >/dev/null
[ "$(cat /mnt/snap/dir/file)" = text ] && [ ! -e /mnt/snap/dir/later ] || fail "the snapshot"
umount /mnt/snap
expect 7 "no anchor is kept for snap" inocrypt anchor refresh snap
expect 0 "" inocrypt close snap
[ "$(cat $VOL_MNT/dir/later)" = later ] || fail "the origin beside it"
vol_umount
inocrypt open "$C" snap --sidecar "$side" -k "$vk" --readonly --snapshot
vol_close
vol_open
expect 0 "" inocrypt close snap
expect 0 "valid" inocrypt anchor show vol
vol_close
losetup -d "$side"

say "an earlier file system's keys"
export VOL_OPEN_ARGS=
vol_setup "$D"
rm -f "$VOL_KEYS"/mk.*
vol_format
vol_open
vol_mkfs
vol_mount
inocrypt key setup --mount $VOL_MNT 1001
kdf=(--pbkdf pbkdf2 --pbkdf-force-iterations 1000)
as_user() { setpriv --reuid 1001 --clear-groups "$@"; }
install -d -o 1001 $VOL_MNT/home
as_user inocrypt key new --mount $VOL_MNT -d pw "${kdf[@]}" work >/dev/null
as_user inocrypt policy set $VOL_MNT/home work
as_user bash -c "echo x >$VOL_MNT/home/file"
for i in {2..16}; do
	as_user inocrypt key new --mount $VOL_MNT -d pw "${kdf[@]}" work$i >/dev/null
done
expect 1 "as many as one user may" as_user inocrypt key new --mount $VOL_MNT -d pw "${kdf[@]}" more
vol_umount
inocrypt raw on vol
vol_mkfs
inocrypt raw off vol
vol_mount
expect 0 "16 keys .* forgotten" inocrypt key setup --mount $VOL_MNT 1001
[ -z "$(inocrypt key slots vol)" ] || fail "slots: $(inocrypt key slots vol)"
as_user inocrypt key new --mount $VOL_MNT -d pw "${kdf[@]}" work >/dev/null || fail "a key on the new file system"
vol_umount
vol_close

say "file systems that begin further in"
vol_format
vol_open
len=$(blockdev --getsz $VOL_DEV)
dmsetup create piece --table "0 $((len - 2048)) linear $VOL_DEV 2048"
mkfs.ext4 -q /dev/mapper/piece
M=/mnt/snap
mount -t ext4 /dev/mapper/piece $M || fail "without owners: $(dmesg | tail -n 3)"
mkdir $M/dir
echo text >$M/dir/file
sync -f $M
expect 1 "must begin at the volume's first sector" inocrypt policy set $M/dir 00112233445566778899aabbccddeeff
expect 6 "must begin at the volume's first sector" inocrypt key list --mount $M
for o in owner_key=00112233445566778899aabbccddeeff require_key; do
	! mount -o remount,$o $M 2>/dev/null || fail "$o was taken"
	dmesg | tail -n 3 | grep -q "must begin at the volume's first sector" || fail "no word of why: $(dmesg | tail -n 3)"
done
umount $M
mount -t ext4 /dev/mapper/piece $M
[ "$(cat $M/dir/file)" = text ] || fail "dir/file"
umount $M
e2fsck -fn /dev/mapper/piece >out 2>&1 || fail "e2fsck: $(cat out)"
# Where there are owners nobody else writes.
dmsetup create all --table "0 $len linear $VOL_DEV 0"
mkfs.ext4 -q -F /dev/mapper/all
mount -t ext4 /dev/mapper/all $VOL_MNT
! mount -t ext4 /dev/mapper/piece $M 2>/dev/null || fail "mounted within a file system that is mounted"
umount $VOL_MNT
dmsetup remove all
dmsetup remove piece
vol_close
say "surroundings: ok"

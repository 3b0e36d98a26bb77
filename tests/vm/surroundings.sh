#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a volume is on, under and beside: devices that are read-only, LVM, md and partitions, by their
# own tools, a snapshot that is open beside it, and the file system that was on it before. And what
# quota tools and e4defrag say of keyed files.
# vm: --disk d:64M --disk copy:64M --disk side:8M --packages mdadm,lvm2,quota,kpartx,fdisk --timeout 400
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$INOCRYPT_TOP/tests/vm/lib.sh"

D=$(readlink /run/disks/d) C=$(readlink /run/disks/copy) S=$(readlink /run/disks/side)
export VOL_NO_JUDGE=1
cd /tmp
printf 'a passphrase' >pw

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
	says 0 "$ro is read-only, and so is vol" inocrypt open "$D" vol "${args[@]}"
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
	says 1 "$ro is read-only" inocrypt format --force -d /tmp/nothere "$D" --sidecar "$S"
	says 1 "$ro is read-only" inocrypt check "$D" --sidecar "$S" -d /tmp/nothere --repair
	says 0 clean inocrypt check "$D" --sidecar "$S" -k "$vk"
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
says 4 "in use already" inocrypt open "$C" snap --sidecar "$side" -k "$vk" --anchor none --readonly
says 2 "with --readonly only" inocrypt open "$C" snap --sidecar "$side" -k "$vk" --snapshot
says 0 "" inocrypt open "$C" snap --sidecar "$side" -k "$vk" --readonly --snapshot
says 4 "in use" inocrypt open "$C" snap2 --sidecar "$side" -k "$vk" --readonly --snapshot
[[ $(dmsetup table snap) == *" 1 snapshot" ]] || fail "table: $(dmsetup table snap)"
! dmsetup create snap2 --table "$(dmsetup table snap)" 2>/dev/null || fail "a snapshot that is written to"
mkdir -p /mnt/snap
mount -t ext4 -o ro,noload /dev/mapper/snap /mnt/snap
! cat /mnt/snap/dir/file 2>/dev/null || fail "keys are one volume's, not its snapshot's"
inocrypt key add snap -k "$VOL_KEYS/mk.one" >/dev/null
[ "$(cat /mnt/snap/dir/file)" = text ] && [ ! -e /mnt/snap/dir/later ] || fail "the snapshot"
umount /mnt/snap
says 7 "no anchor is kept for snap" inocrypt anchor refresh snap
says 0 "" inocrypt close snap
[ "$(cat $VOL_MNT/dir/later)" = later ] || fail "the origin beside it"
vol_umount
inocrypt open "$C" snap --sidecar "$side" -k "$vk" --readonly --snapshot
vol_close
vol_open
says 0 "" inocrypt close snap
says 0 "valid" inocrypt anchor show vol
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
says 1 "as many as one user may" as_user inocrypt key new --mount $VOL_MNT -d pw "${kdf[@]}" more
vol_umount
inocrypt raw on vol
vol_mkfs
inocrypt raw off vol
vol_mount
says 0 "16 keys .* forgotten" inocrypt key setup --mount $VOL_MNT 1001
[ -z "$(inocrypt key slots vol)" ] || fail "slots: $(inocrypt key slots vol)"
as_user inocrypt key new --mount $VOL_MNT -d pw "${kdf[@]}" work >/dev/null || fail "a key on the new file system"
vol_umount
vol_close

say "refused: quota files, defragmentation"
vol_format
vol_open
vol_mkfs
key=$(key_new one)
VOL_MOUNT_OPTS=owner_key=$key,usrquota vol_mount
quotacheck -cum $VOL_MNT
says 1 "aquota.user .*Operation not supported" quotaon -u $VOL_MNT
# Two files whose blocks take turns, and one that is whole.
fsops <<-END >out || fail "fsops: $(cat out)"
	$(for i in {0..15}; do printf 'ok write %s %d %d 4k\nok fsync %s\n' $VOL_MNT/a 1 $((i * 4096)) $VOL_MNT/a $VOL_MNT/b 2 $((i * 4096)) $VOL_MNT/b; done)
END
echo whole >$VOL_MNT/c
sync
extents() { filefrag "$1" | sed 's/.*: \([0-9]*\) extent.*/\1/'; }
n=$(extents $VOL_MNT/a)
[ "$n" -gt 4 ] || fail "a is in $n pieces: nothing to defragment"
e4defrag -v $VOL_MNT/a >out 2>&1 || true
grep -q "EXT4_IOC_MOVE_EXT.*NG" out || fail "e4defrag: $(cat out)"
[ "$(extents $VOL_MNT/a)" = "$n" ] || fail "a was moved"
# It has nothing to do there, and asks for nothing.
e4defrag $VOL_MNT/c >out 2>&1
grep -q "OK" out || fail "e4defrag: $(cat out)"
vol_umount
vol_close
rm "$VOL_KEYS/mk.one"

export LVM_SYSTEM_DIR=/tmp/lvm
mkdir lvm
cat >lvm/lvm.conf <<-END
	devices { obtain_device_list_from_udev=0 external_device_info_source="none" use_devicesfile=0 }
	activation { udev_sync=0 udev_rules=0 monitoring=0 }
END
M=/mnt/snap

# no_keys DEVICE: a file system there is mounted without owners; whoever asks for keys is told why not.
no_keys()
{
	local o id=00112233445566778899aabbccddeeff why="must begin at the volume's first sector"

	mkfs.ext4 -q -F "$1"
	mount -t ext4 "$1" $M || fail "without owners: $(dmesg | tail -n 3)"
	mkdir $M/dir
	echo text >$M/dir/file
	sync -f $M
	says 1 "$why" inocrypt policy set $M/dir $id
	says 6 "$why" inocrypt key list --mount $M
	for o in owner_key=$id require_key; do
		says 32 "mount point not mounted or bad option" mount -o remount,$o $M
		dmesg | tail -n 3 | grep -q "$why" || fail "$1: no word of why: $(dmesg | tail -n 3)"
	done
	umount $M
	says 32 "wrong fs type, bad option, bad superblock" mount -t ext4 -o require_key "$1" $M
	dmesg | tail -n 3 | grep -q "$why" || fail "$1: no word of why: $(dmesg | tail -n 3)"
	mount -t ext4 "$1" $M
	[ "$(cat $M/dir/file)" = text ] || fail "$1: dir/file"
	umount $M
	e2fsck -fn "$1" >out 2>&1 || fail "$1: e2fsck: $(cat out)"
}

say "a file system on LVM on a volume"
vol_format
vol_open
pvcreate -q $VOL_DEV >out && vgcreate -q vg $VOL_DEV >out && lvcreate -q -Zn -Wn -l 100%FREE -n lv vg >out 2>&1 || fail "LVM: $(cat out)"
no_keys /dev/vg/lv
vgremove -q -f vg >out 2>&1 || fail "vgremove: $(cat out)"
pvremove -q $VOL_DEV >out
say "on a partition"
echo ',,L' | sfdisk -q $VOL_DEV >out 2>&1 || fail "sfdisk: $(cat out)"
kpartx -as $VOL_DEV
no_keys ${VOL_DEV}1
kpartx -d $VOL_DEV
say "on a RAID1 of two volumes"
inocrypt format --yes --force -k "$vk" "$C" >out
inocrypt open -k "$vk" "$C" second
for place in 1.2 1.0; do
	# 1.0: the data begins where the volumes do.
	mdadm -q --create /dev/md0 --run --level=1 --raid-devices=2 --assume-clean --metadata=$place \
		$VOL_DEV /dev/mapper/second >out 2>&1 || fail "mdadm: $(cat out)"
	no_keys /dev/md0
	mdadm -q --stop /dev/md0
	mdadm -q --zero-superblock $VOL_DEV /dev/mapper/second
done
inocrypt close second

say "within a file system that is mounted"
len=$(blockdev --getsz $VOL_DEV)
dmsetup create piece --table "0 $((len - 2048)) linear $VOL_DEV 2048"
mkfs.ext4 -q /dev/mapper/piece
# Where there are owners nobody else writes.
dmsetup create all --table "0 $len linear $VOL_DEV 0"
mkfs.ext4 -q -F /dev/mapper/all
mount -t ext4 /dev/mapper/all $VOL_MNT
! mount -t ext4 /dev/mapper/piece $M 2>/dev/null || fail "mounted within a file system that is mounted"
umount $VOL_MNT
dmsetup remove all
dmsetup remove piece
vol_close

say "a snapshot, as docs/tool.md has it"
pvcreate -q -ff -y "$D" >out 2>&1 && vgcreate -q vg "$D" >out && lvcreate -q -Zn -Wn -L 32M -n disk vg >out 2>&1 || fail "LVM: $(cat out)"
inocrypt format --yes -d pw --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/vg/disk >out
inocrypt open -d pw /dev/vg/disk vault
mkfs.ext4 -q /dev/mapper/vault
mount /dev/mapper/vault /srv
inocrypt key setup --mount /srv
mkdir /srv/dir
inocrypt key new -m /srv -d pw "${kdf[@]}" work >out
inocrypt policy set /srv/dir work
echo text >/srv/dir/file
# Each of its lines is a command; the volume's passphrase is on the standard input.
sed -n '/^## Snapshots$/,/^## /s/^    //p' "$INOCRYPT_TOP/docs/tool.md" >recipe
grep -q lvcreate recipe && grep -q -- --snapshot recipe && grep -q lvremove recipe || fail "recipe: $(cat recipe)"
line=0
while read -r command; do
	bash -e -c "$command" <pw >out 2>&1 || fail "$command: $(cat out)"
	[[ $command != *fsfreeze* ]] || echo later >/srv/dir/later
	if [[ $command = "mount "* ]]; then
		inocrypt key unlock -m /mnt -d pw work
		[ "$(cat /mnt/dir/file)" = text ] && [ ! -e /mnt/dir/later ] || fail "the snapshot: $(ls /mnt/dir)"
	fi
	line=$((line + 1))
done <recipe
[ $line -ge 4 ] && [ ! -e /dev/vg/snap ] || fail "$line lines: $(cat recipe)"
[ "$(cat /srv/dir/later)" = later ] || fail "the origin beside it"
umount /srv
inocrypt close vault
say "surroundings: ok"

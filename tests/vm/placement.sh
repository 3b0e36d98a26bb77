#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Where files with a key may be on the device: not where it is probed, so that whatever looks for a
# file system finds it, however full it is; and inodes that the volume keeps owners for, wherever
# the directories are.
# vm: --disk d:64M --disk big:12G --timeout 400
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$INOCRYPT_TOP/tests/vm/lib.sh"

vol_setup "$(readlink /run/disks/d)"
M=$VOL_MNT
END=2097152

# fill NAME: a file with a key, as large as it gets.
fill() { ! dd if=/dev/zero of="$M/$1" bs=1M 2>/tmp/out || fail "$1 has an end"; sync; }

# nothing_probed FILE...: none of their blocks are where the device is probed; they have the rest.
nothing_probed()
{
	local size

	size=$(blockdev --getsize64 $VOL_DEV)
	for f in "$@"; do filefrag -v -b1024 "$f"; done | awk -v size="$size" -v end=$END '
		$1 ~ /^[0-9]+:$/ { gsub(/[.:]/, " "); from = $4 * 1024; to = ($5 + 1) * 1024; sum += to - from
			bad = bad || from < 589824 || to > size - end
			for (i = 1; i <= 4; i *= 2)
				bad = bad || (from < i * 1048576 + 65536 && to > i * 1048576) }
		END { exit bad || sum < size / 2 }' || fail "a file where the device is probed: $(filefrag -v "$@")"
}

# found STATE: every tool finds the file system, and nobody is alarmed.
found()
{
	local i

	blkid -p $VOL_DEV >/tmp/out || fail "$1: blkid -p: $?"
	grep -q 'LABEL="lab".* TYPE="ext4"' /tmp/out || fail "$1: blkid -p: $(</tmp/out)"
	[ "$(blkid -c /dev/null -o value -s LABEL $VOL_DEV)" = lab ] || fail "$1: blkid"
	[ "$(findfs LABEL=lab)" -ef $VOL_DEV ] || fail "$1: findfs"
	[ "$(lsblk -n -r -o FSTYPE,LABEL $VOL_DEV)" = "ext4 lab" ] || fail "$1: lsblk: $(lsblk -n -o FSTYPE,LABEL $VOL_DEV)"
	wipefs -n -i $VOL_DEV | grep -q ext4 || fail "$1: wipefs"
	wipefs -n -i $VOL_DEV >/tmp/out 2>&1 || fail "$1: wipefs"
	[ /dev/disk/by-label/lab -ef $VOL_DEV ] || fail "$1: udev"
	for i in auth_failures owner_mismatches writes_refused; do
		[ "$(vol_status $i)" = 0 ] || fail "$1: $i=$(vol_status $i)"
	done
}

say "udev"
mkdir -p /run/udev/rules.d
cp "$INOCRYPT_TOP/userspace/boot/udev/61-inocrypt.rules" /run/udev/rules.d/
/lib/systemd/systemd-udevd --daemon 2>/tmp/udevd
unset DM_DISABLE_UDEV
for ((i = 0; i < 100; i++)); do
	! udevadm control --ping 2>/dev/null || break
	sleep 0.1
done
# udev is asked anew: what it knew of the device before is no answer.
probe_anew()
{
	udevadm trigger --action=change "/sys/class/block/$(basename "$(readlink -f $VOL_DEV)")"
	udevadm settle
}

# freed OPTION of mkfs...: mounted without owners, files may be there; what takes their place may not.
freed()
{
	vol_format
	vol_open
	vol_mkfs -b 4096 -N 64 "$@" -L lab
	probe_anew
	key=$(key_new one)
	dmsetup create plain --table "0 $(blockdev --getsz $VOL_DEV) flakey $VOL_DEV 0 600 0"
	mount -t ext4 /dev/mapper/plain $M
	fill before
	umount $M
	dmsetup remove plain
	VOL_MOUNT_OPTS=owner_key=$key vol_mount
	rm $M/before
	sync
	fill file
	nothing_probed $M/file
}

say "few inodes, no journal: what is freed is free at once"
freed -O ^has_journal
vol_umount
vol_close
say "few inodes: data from 1 MiB on"
freed -J size=4
probe_anew
found mounted
vol_umount
probe_anew
found unmounted
for what in $VOL_DEV LABEL=lab "UUID=$(blkid -o value -s UUID $VOL_DEV)"; do
	mount "$what" $M || fail "mount $what"
	umount $M
done
inocrypt key drop "$VOL_NAME" "$key" >/dev/null
probe_anew
found "without the key"
key_add one >/dev/null

say "an end that was none before"
size=$(($(blockdev --getsize64 $VOL_DEV) / 1024))
inocrypt raw on "$VOL_NAME"
mkfs.ext4 -q -F -b 4096 -L lab $VOL_DEV "$((size / 2))k"
inocrypt raw off "$VOL_NAME"
VOL_MOUNT_OPTS=owner_key=$key vol_mount
fill first
resize2fs $VOL_DEV >/tmp/out 2>&1 || fail "resize2fs: $(</tmp/out)"
fill second
nothing_probed $M/first $M/second
vol_umount
probe_anew
found "after a resize"
inocrypt fsck "$VOL_NAME" -- -fn >/tmp/out 2>&1 || fail "e2fsck: $(</tmp/out)"

say "a probe that fails"
# A damaged sector of the volume's own where libblkid looks: boot doesn't wait for this device.
inocrypt raw on "$VOL_NAME"
dd if=/dev/urandom of=$VOL_DEV bs=4096 seek=512 count=1 oflag=direct conv=notrunc status=none
inocrypt raw off "$VOL_NAME"
at=$(inocrypt dump "$VOL_DATA" -k "$VOL_KEYS/volume" | sed -n 's/^data_offset *//p')
inocrypt checkpoint "$VOL_NAME"
dd if=/dev/urandom of="$VOL_DATA" bs=4096 seek=$((at / 4096 + 512)) count=1 oflag=direct conv=notrunc status=none
! blkid -p $VOL_DEV >/tmp/out 2>&1 || fail "blkid finds: $(</tmp/out)"
probe_anew
udevadm info --query=property $VOL_DEV >/tmp/out
! grep -q SYSTEMD_READY=0 /tmp/out || fail "boot would wait: $(</tmp/out)"
VOL_NO_JUDGE=1 vol_close
# But for one with nothing on it systemd has to wait.
vol_format
vol_open
udevadm info --query=property $VOL_DEV >/tmp/out
grep -q SYSTEMD_READY=0 /tmp/out || fail "an empty volume is ready: $(</tmp/out)"
vol_close
udevadm control --exit
export DM_DISABLE_UDEV=1

say "inodes beyond the volume's owners"
vol_setup "$(readlink /run/disks/big)"
vol_format
grep -q -- "-T news" "$VOL_KEYS/format.out" && grep -q -- "--owners [0-9]" "$VOL_KEYS/format.out" || fail "format: $(<"$VOL_KEYS/format.out")"
vol_open
rm "$VOL_KEYS/mk.one"
max=$(($(vol_status owners_max) - 1))
mkfs.ext4 -q -F -T news $VOL_DEV 4G
key=$(key_new one)
vol_mount
resize2fs $VOL_DEV >/tmp/out 2>&1 || fail "resize2fs: $(</tmp/out)"
[ "$(stat -f -c %c $M)" -gt $((2 * max)) ] || fail "not more inodes than owners: $(stat -f -c %c $M)"
beyond=0
for i in {1..16}; do
	mkdir $M/$i
	[ "$(stat -c %i $M/$i)" -le $max ] || beyond=$((beyond + 1))
	inocrypt policy set $M/$i "$key"
done
[ $beyond -gt 0 ] || fail "no directory is beyond the owners: nothing is shown"
# Many directories under keyed ones, each with a file: both are near each other, and can have a key.
for i in {1..16}; do
	mkdir $M/$i/sub
	echo x >$M/$i/file || fail "a file in $i ($(stat -c %i $M/$i))"
	echo x >$M/$i/sub/file || fail "a file in $i/sub"
done
stat -c "%i %n" $M/*/file $M/*/sub $M/*/sub/file | awk -v max=$max '$1 > max' >/tmp/out
[ ! -s /tmp/out ] || fail "beyond the owners: $(</tmp/out)"
groups=$(stat -c %i $M/*/file | awk -v n="$(dumpe2fs -h $VOL_DEV 2>/dev/null | sed -n 's/^Inodes per group: *//p')" \
	'{ g[int(($1 - 1) / n)] = 1 } END { print length(g) }')
[ "$groups" -gt 2 ] || fail "all files in $groups groups"
vol_remount
for i in {1..16}; do cmp -s $M/$i/file $M/$i/sub/file || fail "$i/file"; done
vol_umount
vol_close

say "none left"
vol_format --owners 1024
vol_open
vol_mkfs -N 100000
VOL_MOUNT_OPTS=owner_key=$(key_add one) vol_mount
(cd $M && fsops) >/tmp/out 2>&1 <<-END || fail "files up to the last owner: $(</tmp/out)"
	ENOSPC many f 1100 1
END
n=$(find $M -name "f*" | wc -l)
[ "$n" -gt 1000 ] && [ "$n" -lt 1024 ] || fail "$n files with a key, of 1023 that could be"
rm $M/f1
echo x >$M/g || fail "the number that is free again isn't found"
vol_umount
vol_close
say "placement: ok"

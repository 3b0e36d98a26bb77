#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Policies: how they are set and inherited, what the absence of a key forbids, what can't be
# done to an owned file, and what a device without owners makes of all that.
# vm: --disk d:256M --timeout 300
set -euo pipefail
# shellcheck source=tests/vm/ext4.inc
. "$INOCRYPT_TOP/tests/vm/ext4.inc"
K3=33333333333333333333333333333333

what="rules"
start 4096
mkfs.ext4 -q -F -O encrypt,verity,quota -I 256 $DEV
do_mount

what="setting and inheriting"
ops <<-END
	ok mkdir a
	ok mkdir b
	ok mkdir n
	ENODATA haspolicy a $K1
	ENOKEY setpolicy a $K3
	EINVAL setpolicy a $K1 1
	ok setpolicy a $K1
	ok setpolicy a $K1
	EEXIST setpolicy a $K2
	ok setpolicy b $K2
	ok write n/f 1 0 100
	ENOTDIR setpolicy n/f $K1
	ENOTEMPTY setpolicy n $K1
	ENOTEMPTY setpolicy . $K1
	ok write a/f 1 0 5000
	ok haspolicy a/f $K1
	ENODATA haspolicy n/f $K1
	ok mkdir a/d
	ok mkdir a/d/e
	ok write a/d/e/f 1 0 100
	ok haspolicy a/d/e/f $K1
	ok symlink a/link a/symlink
	ok mkfifo a/fifo
	ok tmpfile a a/tmp
	ok haspolicy a/tmp $K1
	ok noxattr a
	ok noxattr a/f
	ok setxattr a/f user.test
	EEXIST setpolicy a/d $K2
	ok write b/f 2 0 5000
	ok mkdir n/d
END

what="links and renames"
ops <<-END
	EXDEV link a/f b/g
	EXDEV link n/f a/g
	EXDEV link b/f a/d/g
	ok link a/f a/d/g
	ok link a/f n/a
	ok rename n/a n/a2
	EXDEV rename n/f a/g
	EXDEV rename b/f a/g
	EXDEV rename a/d b/d
	EXDEV rename n/d a/n
	EXDEV exchange a/f b/f
	EXDEV exchange n/f a/f
	ok exchange n/a2 a/f
	ok rename a/d/g a/g
	ok rename a/g n/g
	ok haspolicy n/g $K1
	ok rename n/g a/d/g
	ok symlink x n/s
	ok rename n/s a/s
	EXDEV tmpfile b a/t2
	EXDEV tmpfile n a/t2
	ok tmpfile b n/t2
	ok haspolicy n/t2 $K2
END

what="refusals"
ops <<-END
	ENOTTY setversion a/f
	EINVAL swapboot a/f
	EOPNOTSUPP journaldata a/f
	EOPNOTSUPP verity a/f
	ok mkdir a/empty
	EOPNOTSUPP fscrypt a/empty
	ok mkdir n/crypt
	ok fscrypt n/crypt
	EOPNOTSUPP setpolicy n/crypt $K1
	ok write a/m1 1 0 64k
	ok write a/m2 2 0 64k
	ok write n/m3 3 0 64k
	ok fsync a/m1
	ok fsync a/m2
	ok fsync n/m3
	EOPNOTSUPP moveext a/m1 a/m2 4
	EOPNOTSUPP moveext n/m3 a/m2 4
	EOPNOTSUPP moveext a/m2 n/m3 4
END
dd if=/dev/zero of=$MNT/a/swap bs=64k count=16 status=none
mkswap -q $MNT/a/swap 2>/dev/null >&2
chmod 600 $MNT/a/swap
ops <<<"EOPNOTSUPP swapon a/swap"
cp $MNT/a/swap $MNT/n/swap && chmod 600 $MNT/n/swap
ops <<<"ok swapon n/swap"
# A copy takes everything that can be seen, and the policy of where it goes.
cp -a $MNT/a/f $MNT/n/copy
ops <<-END
	ENODATA haspolicy n/copy $K1
	ok check n/copy 1 0 5000
END

what="a key taken away"
ops <<<"ok drop"
msg key remove $K1
ops <<-END
	ENOKEY open a/f r
	ENOKEY open a/f w
	ENOKEY open a/f t
	ENOKEY truncate a/f 0
	ENOKEY open a/new c
	ENOKEY mkdir a/new
	ENOKEY tmpfile a a/new
	ok symlink x a/new
	ok unlink a/new
	ok open a r
	ok unlink a/m1
	ok check b/f 2 0 5000
	ok check n/f 1 0 100
	ok rename a/m2 a/m4
END
[ "$(ls $MNT/a | wc -l)" -gt 5 ] || fail "$what: the directory can't be listed"
umount $MNT
do_mount
ops <<<"ENOKEY open a/f r"
msg key add $K1
ops <<-END
	ok check a/f 1 0 5000
	ok check a/m4 2 0 64k
	ok drop
	ok hold a/m4
	ok check a/m4 2 0 4k
	ok drop
END
# Opened while the key was there: what isn't cached can't be read, and is no zeros.
exec 8<$MNT/a/m4
ops <<<"ok drop"
msg key remove $K1
! head -c 65536 <&8 >/tmp/out 2>/dev/null || fail "$what: read without the key"
[ ! -s /tmp/out ] || fail "$what: data was read without the key"
exec 8<&-
msg key add $K1
ops <<-END
	ok check a/m4 2 0 64k
END

what="a directory removed with all it holds, without its key"
msg key remove $K1
rm -r $MNT/a
msg key add $K1
judge
umount $MNT
clean

what="directories without a key, in memory that keyed inodes had"
do_mount
ops <<-END
	ok mkdir b/many
	ok many b/many/f 1000 1
	ok mkdir none
	ok setpolicy none 00000000000000000000000000000000 2
	ok unlinkmany b/many/f 1000
END
sync -f $MNT
echo 2 >/proc/sys/vm/drop_caches
mkdir $MNT/none/d{1..1000}
umount $MNT
do_mount
stat -c "inode_dump <%i>" $MNT/none/d* >/tmp/dumps || fail "$what"
umount $MNT
debugfs -f /tmp/dumps $DEV >/tmp/dump 2>/dev/null
[ "$(grep -c '^0000 ' /tmp/dump)" = 1000 ] || fail "$what: not dumped"
! grep -q "2222 2222" /tmp/dump || fail "$what: a key's id is in the inode"

what="mount options"
do_mount -o owner_key=$K1
ops <<-END
	ok mkdir o
	ENODATA haspolicy o $K1
	ok write o/f 1 0 5000
	ok haspolicy o/f $K1
	ok write b/g 1 0 100
	ok haspolicy b/g $K2
END
grep -q "$MNT ext4 .*,owner_key=$K1" /proc/mounts || fail "$what: not shown"
umount $MNT
do_mount -o require_key
ops <<-END
	ENOKEY open o/new c
	ENOKEY tmpfile o o/new
	ok mkdir o/d
	ok setpolicy o/d $K2
	ok open o/d/new c
	ok check o/f 1 0 5000
END
mount -o remount,owner_key=$K2 $MNT
ops <<-END
	ok open o/new c
	ok haspolicy o/new $K2
END
umount $MNT
for o in owner_key=12 owner_key=${K1}00 owner_key=x1111111111111111111111111111111; do
	! mount -t ext4 -o $o $DEV $MNT 2>/dev/null || fail "$what: $o was taken"
done
do_mount -o ro
[ "$(counter bound)" = 1 ] || fail "$what: not bound read-only"
ops <<-END
	ok check o/f 1 0 5000
	EROFS open o/new2 c
	EROFS setpolicy n/d $K1
END
mount -o remount,rw $MNT
ops <<-END
	ENOENT open o/new2 r
	ok write o/f 2 0 100
END
umount $MNT

what="one file system at a time"
mkdir -p /mnt/u
for i in first second; do
	dmsetup create $i --table "0 $(blockdev --getsz $DEV) linear $DEV 0"
done
mount -t ext4 /dev/mapper/first $MNT
! mount -t ext4 /dev/mapper/second /mnt/u 2>/dev/null || fail "$what"
klog_has "a file system is mounted from this volume" || fail "$what: no message"
umount $MNT
dmsetup remove first
dmsetup remove second

what="the largest number that can own"
do_mount
msg max_ino 12
ops <<-END
	ENOSPC open b/large c
	ok mkdir b/dir
	ok open n/large c
END
# Wherever its directory is: one below the largest, to the last.
max=$(($(find $MNT -printf '%i\n' | awk '$1 < 30000' | sort -n | tail -n 1) + 40))
msg max_ino $max
ops <<-END
	ENOSPC many b/dir/f 2000
END
[ "$(find $MNT/b/dir -name "f*" -printf '%i\n' | sort -n | tail -n 1)" = $max ] ||
	fail "$what: not up to $max: $(ls -i $MNT/b/dir | tail -n 3)"
ops <<-END
	ok unlink b/dir/f7
	ok open b/large c
	ok unlink b/large
	ENOSPC many b/dir/g 2
END
rm -r $MNT/b/dir
msg max_ino 4294967295
ops <<<"ok open b/large c"
umount $MNT

what="a mount of something else"
dd if=/dev/zero of=$DEV bs=1M count=1 seek=200 status=none
dmsetup create piece --table "0 8192 linear $DEV 409600"
! mount -t ext4 /dev/mapper/piece $MNT 2>/dev/null || fail "$what"
[ "$(counter bound)" = 0 ] || fail "$what: still bound"
dmsetup remove piece
clean
judge
stop

what="a device that keeps no owners"
mount -t ext4 $DISK $MNT
grep -q "$MNT ext4 .*discard" /proc/mounts && fail "$what: discard by default"
ops <<-END
	ENOKEY open o/f r
	ENOKEY open o/f t
	ENOKEY truncate o/f 0
	ENOKEY open b/new c
	ENOKEY mkdir b/new
	EOPNOTSUPP setpolicy n/d $K1
	ok check n/f 1 0 100
	ok write n/new 5 0 100000
	EXDEV rename n/new b/new
	ok unlink o/f
END
umount $MNT
! mount -t ext4 -o owner_key=$K1 $DISK $MNT 2>/dev/null || fail "$what: owner_key was taken"
! mount -t ext4 -o require_key $DISK $MNT 2>/dev/null || fail "$what: require_key was taken"
e2fsck -fn $DISK >/tmp/fsck 2>&1 || fail "$what: $(cat /tmp/fsck)"
echo "rules: ok"

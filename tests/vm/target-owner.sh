#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The target and the file system that is bound to it: counters, keys that come and go, raw mode,
# reads and writes of those who are not bound, a second mount, a reload under a mount,
# owners that are forgotten and erased, keys that are deleted.
# vm: --disk data:160M --disk side:16M --timeout 300
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

vol_setup /run/disks/data /run/disks/side
export VOL_NO_JUDGE=1
M=$VOL_MNT
get() { dmsetup status vol | tr ' ' '\n' | sed -n "s/^$1=//p"; }
# is FIELD VALUE: of the status line
is() { [ "$(get "$1")" = "$2" ] || fail "$1 is $(get "$1"), not $2"; }
rises() { [ "$(get "$1")" -gt "$2" ] || fail "$1 is still $2 $3"; }
no() { ! "${@:2}" >/tmp/out 2>&1 || fail "$1"; }
# block of the device where a file begins
place() { filefrag -v -b4096 "$1" | awk '$1 == "0:" { print $4 + 0 }'; }
blk() { dd "$@" bs=4096 status=none; }

vol_format
vol_open
is bound 0
is owned 0
vol_mkfs -b 4096
vol_mount
is bound 1
is bios_tagged 0
alice=$(key_new alice)
bob=$(key_new bob)
keyed_dir $M/alice "$alice"
keyed_dir $M/bob "$bob"
mkdir $M/open
for d in alice bob open; do
	head -c 262144 /dev/urandom >/tmp/$d
	cp /tmp/$d $M/$d/file
done
sync

say "counters and the list of keys"
is owners 2
is owned 1
is keys_loaded 2
rises bios_tagged 1 "after two keyed files"
is bios_malformed 0
[ "$(dmsetup message vol 0 key list)" = "$(printf '%s slot=0 loaded uid=0\n%s slot=1 loaded uid=0' "$alice" "$bob")" ] ||
	fail "key list: $(dmsetup message vol 0 key list)"
at=$(place $M/alice/file)

say "while it is mounted"
no "raw mode under a mount" inocrypt raw on vol
grep -q -i mounted /tmp/out || fail "raw mode under a mount: $(</tmp/out)"
is raw 0
no "a second device-mapper user under a mount" dmsetup create lin1 --table "0 8 linear $VOL_DEV 0"
# An untagged read of an owner's sector, past the file system.
was=$(get owner_mismatches)
no "an untagged read of alice's sector" blk if=$VOL_DEV of=/dev/null skip="$at" count=1 iflag=direct
rises owner_mismatches "$was" "after an untagged read"
# Who looks at the device as blkid does is told, but is no alarm; and nothing of it stays for others.
was=$(get owner_mismatches)
no "a look at alice's sector" blk if=$VOL_DEV of=/tmp/seen skip="$at" count=1
[ ! -s /tmp/seen ] || fail "a look at alice's sector gives something"
is owner_mismatches "$was"

say "a table reloaded under the mount, with I/O"
uuid=$(get uuid)
keyctl padd logon "inocrypt:$uuid" @u <"$VOL_KEYS/volume" >/dev/null
table=$(dmsetup table vol)
(for ((i = 0; i < 12; i++)); do
	dd if=/tmp/alice of=$M/alice/busy bs=64k conv=fsync status=none
	cmp /tmp/alice $M/alice/busy
done) &
pid=$!
for ((i = 0; i < 3; i++)); do
	dmsetup reload vol --table "$table"
	dmsetup suspend vol
	dmsetup resume vol
done
wait $pid || fail "I/O under a reload"
is bound 1
is keys_loaded 2
wipe_caches
for d in alice bob open; do
	cmp /tmp/$d $M/$d/file || fail "$d/file after a reload"
done
cp /tmp/bob $M/bob/more
sync
is bios_malformed 0
is auth_failures 0

say "a key that goes"
inocrypt key drop vol "$alice" >/dev/null
is keys_loaded 1
dmsetup message vol 0 key list | grep -q "^$alice slot=0 absent" || fail "key list: $(dmsetup message vol 0 key list)"
wipe_caches
no "alice/file reads without its key" cat $M/alice/file
no "alice/new is made without the key" cp /tmp/alice $M/alice/new
cmp /tmp/bob $M/bob/file || fail "bob/file has gone with alice's key"
cmp /tmp/open $M/open/file || fail "open/file has gone with alice's key"
no "an absent key is removed again" inocrypt key drop vol "$alice"
key_add alice >/dev/null
cmp /tmp/alice $M/alice/file || fail "alice/file with its key there again"

say "owners forgotten, and erased"
was=$(get owners)
dmsetup message vol 0 erase || fail "erase with nothing to erase"
epoch=$(get epoch)
dmsetup message vol 0 erase || fail "erase with nothing to erase"
is epoch "$epoch"
rm $M/alice/busy $M/bob/more
vol_umount
is owners $((was - 2))
is forgets 2
is bound 0
epoch=$(get epoch)
dmsetup message vol 0 erase || fail "erase"
[ "$(get epoch)" -le $((epoch + 2)) ] || fail "erase took more than two checkpoints"
epoch=$(get epoch)
dmsetup message vol 0 erase || fail "erase again"
is epoch "$epoch"

say "keys deleted"
eve=$(key_new eve)
dmsetup message vol 0 key list | grep -q "^$eve slot=2 loaded uid=0" || fail "key list: $(dmsetup message vol 0 key list)"
no "a key that is loaded is deleted" dmsetup message vol 0 key delete "$eve"
no "a key that nobody knows is deleted" dmsetup message vol 0 key delete 0123456789abcdef0123456789abcdef
inocrypt key drop vol "$bob" >/dev/null
no "a key with files under it is deleted" dmsetup message vol 0 key delete "$bob"
inocrypt key drop vol "$eve" >/dev/null
dmsetup message vol 0 key delete "$eve" || fail "a key without files is not deleted"
! dmsetup message vol 0 key list | grep -q "$eve" || fail "a deleted key is still there"
no "a deleted key is deleted again" dmsetup message vol 0 key delete "$eve"
key_add eve >/dev/null
dmsetup message vol 0 key list | grep -q "^$eve slot=2 loaded" || fail "the deleted key's slot is not used again"
inocrypt key drop vol "$eve" >/dev/null
dmsetup message vol 0 key delete "$eve" || fail "a key without files is not deleted"
rm "$VOL_KEYS/mk.eve"
key_add bob >/dev/null

say "nobody bound"
was=$(get writes_refused)
blk if=$VOL_DEV of=/tmp/sb count=1 iflag=direct
no "a write to a volume of owners" blk if=/tmp/sb of=$VOL_DEV count=1 oflag=direct conv=notrunc
no "a discard on a volume of owners" blkdiscard -f -o 0 -l 4096 $VOL_DEV
rises writes_refused $((was + 1)) "after a write and a discard"
blk if=$VOL_DEV count=1 iflag=direct | cmp - /tmp/sb || fail "a refused write has changed something"
vol_fsck
inocrypt raw on vol
is raw 1
blk if=/tmp/sb of=$VOL_DEV count=1 oflag=direct conv=notrunc || fail "a write in raw mode"
blk if=$VOL_DEV skip="$at" count=1 iflag=direct | cmp -n 4096 - /tmp/alice || fail "raw mode, with alice's key"
no "mounted in raw mode" mount -t ext4 $VOL_DEV $M
e2fsck -fy $VOL_DEV >/tmp/out 2>&1 || fail "e2fsck -fy in raw mode: $(</tmp/out)"
inocrypt key drop vol "$alice" >/dev/null
no "raw mode reads alice's sector without the key" blk if=$VOL_DEV of=/dev/null skip="$at" count=1 iflag=direct
key_add alice >/dev/null
inocrypt raw off vol
no "an untagged read after raw mode" blk if=$VOL_DEV of=/dev/null skip="$at" count=1 iflag=direct
no "a write after raw mode" blk if=/tmp/sb of=$VOL_DEV count=1 oflag=direct conv=notrunc

say "through dm-linear; one file system only"
len=$(blockdev --getsz $VOL_DEV)
for i in 1 2; do
	dmsetup create lin$i --table "0 $len linear $VOL_DEV 0"
done
mount -t ext4 /dev/mapper/lin1 $M || fail "mount through dm-linear"
is bound 1
mkdir /mnt/two
no "a second mount" mount -t ext4 /dev/mapper/lin2 /mnt/two
dmesg | tail -n 5 | grep -q "a file system is mounted from this volume" || fail "no word of why: $(dmesg | tail -n 5)"
cmp /tmp/alice $M/alice/file || fail "alice/file through dm-linear"
cp /tmp/alice $M/alice/lin
sync
umount $M
is bound 0
mount -t ext4 -o ro /dev/mapper/lin2 $M || fail "mount through the other dm-linear"
cmp /tmp/alice $M/alice/lin || fail "alice/lin"
umount $M
dmsetup remove lin1
dmsetup remove lin2

# Owners are one file system's inode numbers: another one further in must not sweep them.
dmsetup create lin3 --table "0 65536 linear $VOL_DEV 65536"
was=$(get owners)
no "a mount of a piece further in" mount -t ext4 /dev/mapper/lin3 /mnt/two
is bound 0
is owners "$was"
dmsetup remove lin3

say "close, open, with one key and with none"
mv "$VOL_KEYS/mk.bob" /tmp/mk.bob
vol_close
vol_open
is keys_loaded 1
! dmsetup message vol 0 key list | grep -q "$eve" || fail "a deleted key is back after open"
is owned 1
vol_mount
cmp /tmp/alice $M/alice/file || fail "alice/file after close and open"
no "bob/file without its key" cat $M/bob/file
grep -q "Required key not available" /tmp/out || fail "bob/file without its key: $(</tmp/out)"
vol_umount
mv "$VOL_KEYS/mk.alice" /tmp/mk.alice
inocrypt close vol
vol_open
is keys_loaded 0
vol_mount
no "alice/file without its key" cat $M/alice/file
cmp /tmp/open $M/open/file || fail "open/file without any key"
# A key of the wrong bytes is another key.
head -c 32 /dev/urandom >/tmp/wrong
other=$(inocrypt key add vol -k /tmp/wrong | grep -o -E '[0-9a-f]{32}')
[ "$other" != "$alice" ] && [ "$other" != "$bob" ] || fail "two keys of one id"
no "alice/file with another key" cat $M/alice/file
vol_umount
vol_fsck
is bios_malformed 0
inocrypt close vol
say "done"

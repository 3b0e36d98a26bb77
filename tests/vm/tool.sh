#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The tool on real devices and a mounted volume: what it prints, refuses and returns.
# vm: --disk a:256M --disk s:64M --timeout 400
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$INOCRYPT_TOP/tests/vm/lib.sh"
cd /tmp
BACKEND=inocrypt

# expect RC REGEX ARGS...: run the tool; its exit code and its message.
expect() { says "$1" "$2" inocrypt "${@:3}"; }

a=/run/disks/a s=/run/disks/s
vol_setup $a
vk=$VOL_KEYS/volume
head -c 32 /dev/urandom >other

# A user's process, with keys in it, is root's to look at, and dumps no core.
mkfifo fifo
setpriv --reuid 65534 --clear-groups inocrypt key id 00112233445566778899aabbccddeeff -k - <fifo >id &
pid=$!
exec 9>fifo
for ((i = 0; i < 100; i++)); do
	[ "$(stat -c %u "/proc/$pid/environ")" != 0 ] || break
	sleep 0.1
done
[ $i -lt 100 ] || fail "a core could be dumped: $(stat "/proc/$pid/environ")"
cat "$vk" >&9
exec 9>&-
wait $pid

# Nothing there yet.
expect 6 "no inocrypt superblock at 16 MiB" open $a vol -k "$vk"
expect 6 "No such file" open /dev/nothing vol -k "$vk"
expect 6 "no open volume vol" close vol
expect 6 "no open volume vol" status vol
expect 6 "no open volume vol" key add vol -k other
expect 2 "letters, digits and" open $a x/y -k "$vk"
mkfs.ext4 -q $a
expect 1 "holds ext4 already" format $a -k "$vk" --yes
mkdir -p m
mount -t ext4 $a m
expect 4 "$a is in use" format $a -k "$vk" --force
umount m
expect 0 "^volume" format $a -k "$vk" --force
! mount $a m 2>/dev/null || fail "the old file system can still be mounted"

# No module for this kernel; the kernel's own ext4: said so, before a passphrase is asked for.
k=/lib/modules/$(uname -r)
modprobe -r ext4 dm-inocrypt
: >empty
for f in $k/modules.dep{,.bin}; do mount --bind empty "$f"; done
expect 1 "no volume can be opened: there is no module of inocrypt's, dm-inocrypt, for the kernel that runs, $(uname -r): build it" \
	open $a vol -k "$vk"
[ "$(wc -l <out)" = 1 ] || fail "says more than that: $(cat out)"
umount $k/modules.dep{,.bin}
# It is loaded when it is wanted.
if [ -e $k/kernel/fs/ext4/ext4.ko ]; then
	modprobe -a jbd2 mbcache crc16
	insmod $k/kernel/fs/ext4/ext4.ko
	own="the ext4 that is loaded is the kernel's own, not inocrypt's: unmount all ext4 file systems"
	expect 0 "no file on vol can have a key of its own yet: $own" open $a vol -k "$vk" --anchor none
	mkfs.ext4 -q /dev/mapper/vol
	mount -t ext4 /dev/mapper/vol m
	expect 6 "isn't on an inocrypt volume with keys of files: $own" key setup --mount m
	expect 6 "no inocrypt volume is mounted with keys of files: $own" key setup
	expect 1 "isn't on an inocrypt volume with keys of files: $own" policy get m
	umount m
	modprobe -r ext4
else
	inocrypt open $a vol -k "$vk" --anchor none
fi
modprobe ext4
inocrypt close vol
expect 0 "^volume" format $a -k "$vk" --force

# Open and close.
expect 3 "does not authenticate" open $a vol -k other
expect 1 "the kernel says: .*cache_bytes" open $a vol -k "$vk" --cache-size 100
[ ! -e /dev/mapper/vol ] || fail "a node is left after a failed open"
vol_open
[ -b /dev/mapper/vol ] || fail "no node for the volume"
no_key inocrypt: || fail "a logon key is left: $(cat /proc/keys)"
expect 4 "$a is in use" open $a vol2 -k "$vk"
expect 4 "$a is in use" format $a -k "$vk" --force
expect 0 . format $s -k "$vk" --yes
expect 4 "in use already" open $s vol -k "$vk"
exec 9<"$VOL_DEV"
expect 4 "vol is in use" close /dev/mapper/vol
exec 9<&-
expect 0 "^state  *ok$" status /dev/mapper/vol
expect 0 '"state": "ok"' status vol --json
expect 0 '"epoch": [0-9]+,' status vol --json
dmsetup create zero --table "0 8 zero"
for c in status close checkpoint; do
	expect 6 "not an inocrypt volume" $c zero
done
dmsetup remove zero

# Keys and policies.
id=$(key_new one)
expect 0 "^$id$" key add vol -k "$VOL_KEYS/mk.one"
expect 0 "^$id$" key id vol -k "$VOL_KEYS/mk.one"
expect 0 "^$id slot 0 loaded$" key slots vol
expect 0 '"loaded": true' key slots vol --json
expect 2 "32 hexadecimal digits" key drop vol 1234
expect 7 "isn't loaded" key drop vol 00112233445566778899aabbccddeeff
vol_mkfs
vol_mount
expect 4 "vol is in use" close vol
m=$VOL_MNT
mkdir "$m/keyed" "$m/full" "$m/plain"
touch "$m/full/file"
expect 0 "^none$" policy get "$m/keyed"
expect 7 "no key xyz" policy set "$m/keyed" xyz
expect 7 "isn't loaded" policy set "$m/keyed" 00112233445566778899aabbccddeeff
expect 1 "isn't empty" policy set "$m/full" "$id"
expect 2 "isn't a directory" policy set "$m/full/file" "$id"
expect 1 "isn't on an ext4" policy set /tmp "$id"
inocrypt policy set "$m/keyed" "$id"
inocrypt policy set "$m/keyed" "$id"
expect 0 "^$id$" policy get "$m/keyed"
key_new two >two
expect 1 "under another key" policy set "$m/keyed" "$(cat two)"
head -c 100000 /dev/urandom >"$m/keyed/file"
expect 0 "\"key_id\": \"$id\"" policy get "$m/keyed/file" --json
ino=$(stat -c %i "$m/keyed/file")
expect 4 "busy|in use" raw on vol
sync -f "$m"
vol_umount

# Dump, of the open volume and the closed one.
inocrypt checkpoint vol
expect 0 "^used  *true$" dump $a -k "$vk" --owner "$ino"
grep -q "^key_id  *$id$" out || fail "owner $ino isn't under $id: $(cat out)"
expect 0 "$id" dump $a -k "$vk" --keys
expect 0 "^root_tag|root_tag  *[0-9a-f]*[1-9a-f]" dump $a -k "$vk"
expect 0 "^raw  *0$" status vol
inocrypt raw on vol
expect 0 "^raw  *1$" status vol
inocrypt raw off vol
# Somebody who looks at the device for a moment, as udev does, doesn't keep e2fsck away.
mkfifo seen
(exec 9<"$VOL_DEV" && read -r _ <seen && sleep 1) &
until [ "$(dmsetup info -c --noheadings -o open vol)" = 1 ]; do sleep 0.1; done
echo >seen
expect 0 "" fsck vol -- -p
inocrypt key drop vol "$id"
expect 0 "^$id slot 0 absent$" key slots vol
vol_close
expect 0 "^owner  *0$" dump $a -k "$vk" --record 0
grep -q "^data  *verifies$" out || fail "record 0: $(cat out)"

# A changed node is found and named; both copies of the superblock stay in charge.
inocrypt dump $a -k "$vk" --owner "$ino" >out
offset=$(awk '$1 == "node_offset" { print $2 }' out)
dd if=$a of=node bs=4096 skip=$((offset / 4096)) count=1 status=none
dd if=/dev/urandom of=$a bs=1 seek=$((offset + 4000)) count=16 conv=notrunc,fsync status=none
expect 3 "byte $offset of $a isn't the one its parent names" dump $a -k "$vk" --owner "$ino"
expect 0 "verifies" dump $a -k "$vk" --record 0
dd if=node of=$a bs=4096 seek=$((offset / 4096)) conv=notrunc,fsync status=none
expect 0 "^used  *true$" dump $a -k "$vk" --owner "$ino"

# Read-only; a regular file; sidecar elsewhere.
inocrypt open $a vol -k "$vk" --readonly
expect 0 "^access  *read-only$" status vol
! dd if=/dev/zero of=$VOL_DEV bs=4096 count=1 oflag=direct 2>/dev/null || fail "written read-only"
inocrypt close vol
truncate -s 100M file
expect 0 . format file -k "$vk" --yes
expect 2 "losetup --find" open file vol -k "$vk"
modprobe loop
loop=$(losetup -f --show file)
expect 4 "file is in use by $loop; name that instead" format file -k "$vk" --force
expect 4 "file is in use by $loop" format $a --sidecar file -k "$vk" --force
losetup -d "$loop"
# Sectors must not be smaller than a device's blocks.
loop=$(losetup -f --show --sector-size 4096 file)
expect 1 "$loop has blocks of 4096 bytes: sectors of 2048 are too small" format "$loop" -k "$vk" --force -s 2048
expect 0 . format "$loop" -k "$vk" --force
inocrypt open "$loop" vol -k "$vk"
inocrypt close vol
losetup -d "$loop"
expect 1 "volume already" format $a --sidecar $s -k "$vk" --yes
expect 2 "are the same" format $a --sidecar "$(readlink -f $a)" -k "$vk" --force
expect 0 . format $a --sidecar $s -k "$vk" --force
expect 6 "give --sidecar" open $a vol -k "$vk"
inocrypt open $a vol --sidecar $s -k "$vk" --allow-discards --raw --cache-size 8M
dmsetup table vol >out
grep -q " 3 allow_discards raw cache_bytes:8388608$" out || fail "options: $(cat out)"
inocrypt close vol
say "the tool: ok"

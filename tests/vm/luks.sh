#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The volume's LUKS2 header on block devices: opening with it, cryptsetup's commands on it, also
# while the volume is open, and that cryptsetup never maps it. What needs no kernel target is in
# tests/unit/luks.sh.
# vm: --disk a:64M --disk b:64M --disk s:16M --timeout 300
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$INOCRYPT_TOP/tests/vm/lib.sh"
cd /tmp

# expect RC REGEX ARGS...: run the tool; its exit code and its message.
expect() { says "$1" "$2" inocrypt "${@:3}"; }

cs() { cryptsetup "$@" >cs.out 2>&1 </dev/null || fail "cryptsetup $*: $(cat cs.out)"; }

# cryptsetup must not map it, whatever it is asked, and must leave nothing behind.
refuses()
{
	local dev=$1 rc=0 before

	shift
	before=$(dmsetup ls)
	timeout 60 cryptsetup open "$@" "$dev" stolen >cs.out 2>&1 </dev/null || rc=$?
	[ $rc != 0 ] || fail "cryptsetup open $* maps it"
	[ "$(dmsetup ls)" = "$before" ] || fail "cryptsetup open $* left something: $(dmsetup ls)"
	[ ! -e /dev/mapper/stolen ] || fail "cryptsetup open $* left a node"
}

no_volume() { [ "$(dmsetup ls)" = "No devices found" ] || fail "mapped: $(dmsetup ls)"; }

a=/run/disks/a b=/run/disks/b s=/run/disks/s
kdf=(--pbkdf pbkdf2 --pbkdf-force-iterations 1000)
printf 'secret' >pw
printf 'other' >pw2
echo secret >line
modprobe -q -a dm-crypt algif_skcipher || true

# A device that was a LUKS2 device, and is a volume then.
cs luksFormat -q "${kdf[@]}" $a pw2
expect 6 "ordinary LUKS2 device" open $a vol -d pw2
no_volume
expect 1 "holds crypto_LUKS already" format $a -q "${kdf[@]}" -d pw
expect 0 "^header" format $a -q -f "${kdf[@]}" -d pw --label disk
uuid=$(blkid -p -s UUID -o value $a)
[[ $(blkid -p $a) == *'LABEL="disk"'*'SUBSYSTEM="inocrypt"'*'TYPE="crypto_LUKS"'* ]] || fail "blkid: $(blkid -p $a)"
expect 3 "no key slot opens" open $a vol -d pw2
no_volume
refuses $a -d pw
refuses $a -d pw --readonly
refuses $a -d pw --type luks2 --allow-discards

# The README's way: a passphrase, a file system, data that is there again.
STDIN=line expect 0 "" open $a vol
grep -q "^uuid  *$uuid" <(inocrypt status vol) || fail "another UUID: $(inocrypt status vol)"
mkfs.ext4 -q /dev/mapper/vol
mkdir -p m
mount /dev/mapper/vol m
head -c 300000 /dev/urandom >m/data
cp m/data copy
sync

# The header is managed while the volume is open.
refuses $a -d pw
cs luksHeaderBackup $a --header-backup-file backup
cs luksAddKey -d pw "${kdf[@]}" $a pw2
cs luksChangeKey -q -d pw "${kdf[@]}" $a line
cmp copy m/data || fail "data changed"
umount m
expect 0 "" close vol
expect 3 "no key slot" open $a vol -d pw
STDIN=line expect 0 "" open $a vol -d -
expect 0 "" close vol
cs luksKillSlot -q $a 0
STDIN=line expect 3 "no key slot" open $a vol -d -

# A token opens it without anybody being asked: here the passphrase is in a keyring.
cs token add --key-description inocrypt-test $a
keyctl new_session >/dev/null 2>&1 || true
keyctl padd user inocrypt-test @u <pw2 >/dev/null
keyctl link @u @s 2>/dev/null || true
expect 0 "" open $a vol
mount /dev/mapper/vol m
cmp copy m/data || fail "data changed"
umount m
expect 0 "" close vol
keyctl purge user inocrypt-test >/dev/null
expect 2 "no passphrase" open $a vol
STDIN=pw2 expect 0 "" open $a vol
expect 0 "" close vol
expect 0 "clean|nothing" check $a -d pw2 --data
no_volume

# Header lost: its backup brings the volume back.
dd if=/dev/zero of=$a bs=1M count=8 conv=fsync,notrunc status=none
expect 6 "there is an inocrypt volume.*luksHeaderRestore" open $a vol -d pw
cs luksHeaderRestore -q $a --header-backup-file backup
refuses $a -d pw
expect 0 "" open $a vol -d pw
mount /dev/mapper/vol m
cmp copy m/data || fail "data changed"
umount m
expect 0 "" close vol

# The sidecar elsewhere: of this volume, and of none.
expect 0 "^header" format $b --sidecar $s -q "${kdf[@]}" -d pw
expect 0 "" open $b vol --sidecar $s -d pw
expect 4 "in use" format $b --sidecar $s -q -f "${kdf[@]}" -d pw
expect 0 "" close vol
expect 3 "don't belong together" open $a vol --sidecar $s -d pw
expect 6 "give --sidecar" open $b vol -d pw
no_volume

# An anchor is verified with the key in the header.
INOCRYPT_ANCHOR_DIR="" expect 0 "" open $b vol --sidecar $s -d pw --anchor /tmp/anchor
expect 0 "" close vol
expect 0 "valid" anchor show /tmp/anchor --header $b -d pw
expect 11 "another volume" anchor show /tmp/anchor --header $a -d pw
expect 3 "no key slot" anchor show /tmp/anchor --header $b -d pw2

# Formatted without a header: nothing is left of the old one.
head -c 32 /dev/urandom >vk
expect 0 "^volume" format $a -q -f -k vk
cmp -n $((16 << 20)) $a /dev/zero || fail "the header area isn't zero"
say "all pass"

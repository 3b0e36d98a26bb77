#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a volume offers to a file system whose users bring keys: limits, all slots, deletion, keys
# that go under I/O (tests/kmod/volume-keys-test.c); and that it knows the same after it was closed,
# and after a table that was read-only.
# vm: --disk data:64M --disk side:16M --disk data2:64M --disk side2:16M --timeout 240
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

vol_setup /run/disks/data /run/disks/side
export VOL_NO_JUDGE=1
keys() { dmsetup message vol 0 key list | cut -d' ' -f2-; }
field() { dmsetup status vol | tr ' ' '\n' | sed -n "s/^$1=//p"; }

vol_format
vol_open
modprobe volume-keys-test dev="$VOL_DEV" || fail "see the kernel log: $(dmesg | tail -n 3)"
rmmod volume-keys-test
say "the operations: ok"
[ "$(field keys_loaded)" = 2 ] || fail "$(field keys_loaded) keys are loaded"
[ "$(field owners) $(field auth_failures)" = "0 0" ] || fail "owners are left, or failures"
want="slot=0 absent uid=1000
slot=1 loaded uid=0
slot=3 loaded uid=7"
[ "$(keys)" = "$want" ] || fail "keys: $(keys)"

# As if the machine had lost its power: what was deleted stays so, and what is new is there, from
# the log.  Again if a checkpoint of the background came between.
for ((i = 0; ; i++)); do
	[ $i -lt 5 ] || fail "checkpoints all the time"
	dmsetup message vol 0 checkpoint
	epoch=$(field epoch)
	key_new "new$i" >/dev/null
	id=$(key_new "gone$i")
	dmsetup message vol 0 key remove "$id"
	dmsetup message vol 0 key delete "$id"
	sync "$VOL_DEV"
	dd if="$VOL_SIDECAR" iflag=direct of=/run/disks/side2 bs=1M conv=fsync status=none
	[ "$(field epoch)" != "$epoch" ] || break
done
dd if="$VOL_DATA" iflag=direct of=/run/disks/data2 bs=1M conv=fsync status=none
want=$(keys | sed 's/ loaded / absent /')
[ "$(wc -l <<<"$want")" = $((4 + i)) ] || fail "keys: $want"
inocrypt close vol
VOL_DATA=/run/disks/data2 VOL_SIDECAR=/run/disks/side2
rm "$VOL_KEYS"/mk.*
vol_open
[ "$(field recovered_entries)" -ge 2 ] || fail "there was nothing in the log: $(dmsetup status vol)"
[ "$(keys)" = "$want" ] || fail "keys after recovery: $(keys)"
inocrypt close vol
check_volume
say "after a crash: ok"

say "read-only"
vol_open --readonly
[ "$(keys)" = "$want" ] || fail "keys, read-only: $(keys)"
! dmsetup message vol 0 erase 2>/dev/null || fail "a read-only volume says that it has erased"
head -c 32 /dev/urandom >/tmp/mk
! inocrypt key add vol -k /tmp/mk 2>/tmp/out || fail "a new key on a read-only volume"
grep -q -i "read-only" /tmp/out || fail "a new key on a read-only volume: $(</tmp/out)"
id=$(dmsetup message vol 0 key list | sed -n 's/ slot=0 .*//p')
! dmsetup message vol 0 key delete "$id" 2>/tmp/out || fail "a key of a read-only volume is deleted"
inocrypt close vol

# Who is at a message keeps device mapper from suspending the device, and everybody's I/O back as
# soon as somebody tries: so it waits for nobody, and gives up what takes long.
say "a key that somebody is still making"
VOL_DATA=/run/disks/data VOL_SIDECAR=/dev/mapper/slow
size=$(blockdev --getsz /run/disks/side)
slow()
{
	dmsetup suspend slow
	dmsetup load slow --table "0 $size $1"
	dmsetup resume slow
}
dmsetup create slow --table "0 $size linear /run/disks/side 0"
for k in used unused; do head -c 32 /dev/urandom >/tmp/$k; done
vol_format --owners 30000
# An owner in each leaf of owner records.
{
	echo "key 0 /tmp/used nolog"
	echo "key 1 /tmp/unused nolog"
	for ((ino = 1; ino < 30000; ino += 127)); do
		echo "owner $ino 1 0 /tmp/used nolog"
	done
	echo commit
} | mkvol "$VOL_KEYS/volume" $VOL_DATA $VOL_SIDECAR
vol_open
printf '#!/bin/sh\nexec sleep 1000\n' >/tmp/request-key
chmod +x /tmp/request-key
# keyutils' own: the root file system is read-only.
mount --bind /tmp/request-key /sbin/request-key
keyctl request2 logon inocrypt:slow please @u >/dev/null 2>&1 &
maker=$!
for ((i = 0; i < 100; i++)); do
	! grep -q inocrypt:slow /proc/keys || break
	sleep 0.1
done
grep inocrypt:slow /proc/keys || fail "nobody makes the key"
[[ $(keyctl show @s 2>/dev/null) == *inocrypt:slow* ]] || keyctl link @u @s
rc=0
timeout $((60 * ${VM_SLOW:-1})) dmsetup message vol 0 key add :32:logon:inocrypt:slow 2>/tmp/out || rc=$?
[ $rc != 124 ] || fail "key add waits for who makes the key"
[ $rc != 0 ] || fail "a key that isn't there yet was added"
grep -q "Required key not available" /tmp/out || fail "key add of a key to come: $(</tmp/out)"
umount /sbin/request-key
kill $maker "$(pidof sleep)" 2>/dev/null || true

say "a long look at owner records"
modprobe dm-delay
id=$(dmsetup message vol 0 key list | sed -n 's/ slot=1 .*//p')
slow "delay /run/disks/side 0 2000 /run/disks/side 0 0"
reads=$(field node_reads)
(
	rc=0
	dmsetup message vol 0 key delete "$id" 2>/tmp/out || rc=$?
	echo $rc >/tmp/rc
) &
for ((i = 0; i < 100 && $(field node_reads) == reads; i++)); do sleep 0.1; done
[ "$(field node_reads)" -gt "$reads" ] || fail "key delete doesn't read"
# All of them take 8 minutes.
timeout $((60 * ${VM_SLOW:-1})) dmsetup suspend vol || fail "suspending waits for key delete"
wait
[ "$(</tmp/rc)" != 0 ] || fail "key delete hasn't looked at all, and succeeds"
grep -q "temporarily unavailable" /tmp/out || fail "key delete was cut short: $(</tmp/out)"
dmsetup resume vol
slow "linear /run/disks/side 0"
dmsetup message vol 0 key list | grep -q "^$id slot=1 absent" || fail "the key is gone"
dmsetup message vol 0 key delete "$id"
id=$(dmsetup message vol 0 key list | sed -n 's/ slot=0 .*//p')
! dmsetup message vol 0 key delete "$id" 2>/tmp/out || fail "a key that is in use was deleted"
grep -q "busy" /tmp/out || fail "a key in use: $(</tmp/out)"
inocrypt key add vol -k /tmp/unused >/dev/null || fail "the deleted key can't come back"
dmsetup message vol 0 owner 128 >/dev/null || fail "owner 128 is gone"
! dmsetup message vol 0 owner 129 2>/dev/null || fail "who is owner 129?"
dmsetup message vol 0 erase
vol_close
check_volume -m /tmp/used
dmsetup remove slow
say "done"

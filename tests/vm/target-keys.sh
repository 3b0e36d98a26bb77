#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a volume offers to a file system whose users bring keys: limits, all slots, deletion, keys
# that go under I/O (tests/kmod/volume-keys-test.c); and that it knows the same after it was closed,
# and after a table that was read-only.
# vm: --disk data:64M --disk side:16M --disk data2:64M --disk side2:16M --timeout 120
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
say "done"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Nothing keeps a key from being locked, nor a suspended volume from being replaced: a writer
# that is stuck with the file's lock held; a sync that waits for a table that never comes back.
# long
# vm: --disk d:128M --disk e:16M --timeout 240
# shellcheck disable=SC2119 # no arguments are meant
set -euo pipefail
# shellcheck source=tests/vm/keys.inc
. "$INOCRYPT_TOP/tests/vm/keys.inc"

vol_setup /run/disks/d
vol_format
vol_open
vol_mkfs
vol_mount
M=$VOL_MNT
expect 0 0 "" key setup
a=$(new_key $ALICE work)
b=$(new_key $BOB work)
user_dir $ALICE "$M/a" work
as $ALICE bash -c "head -c 100000 /dev/urandom >$M/a/f; cp $M/a/f $M/a/g; sync"

say "a writer that is stuck"
dmsetup create stuck --table "0 $(blockdev --getsz /run/disks/e) linear /run/disks/e 0"
dmsetup suspend --noflush stuck
mapwrite "$M/a/f" /dev/mapper/stuck &
writer=$!
sleep 2
t0=$SECONDS
expect $ALICE 4 "could be written back" key lock work
[ $((SECONDS - t0)) -ge 20 ] || fail "the writer wasn't stuck"
inocrypt key slots "$VOL_NAME" | grep -q "$a .*absent" || fail "the key is still there"
cat "$M/a/g" 2>/dev/null && fail "a file can be read"
PASS=pw-$BOB expect $BOB 0 "" key lock "$b"
dmsetup resume stuck
wait $writer && fail "what was written to a locked file counts as written"
dmsetup remove stuck
PASS=pw-$ALICE expect $ALICE 0 "" key unlock work
cat "$M/a/f" "$M/a/g" >/dev/null

say "a sync that waits for a table that never comes back"
rm "$M/a/g"
dmsetup suspend "$VOL_NAME"
sync -f "$M" &
syncer=$!
sleep 1
dmsetup reload "$VOL_NAME" --table "0 $(blockdev --getsz "$VOL_DEV") error"
timeout 30 dmsetup resume "$VOL_NAME" || fail "the volume can't be replaced"
for ((i = 0; i < 100; i++)); do
	kill -0 $syncer 2>/dev/null || break
	sleep 0.1
done
! kill -0 $syncer 2>/dev/null || fail "sync hangs"
umount -l "$M" || true

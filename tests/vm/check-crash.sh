#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# inocrypt check on real volumes: after a power cut, with a log to apply; after closing; with a
# sector that can't be read. And it keeps its hands off a volume that is open.
# vm: --disk d:128M --disk s:16M --timeout 300
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$INOCRYPT_TOP/tests/vm/lib.sh"
BACKEND=inocrypt
VOL_KEYS=/results/keys
VOL_MOUNT_OPTS=commit=300
D=/run/disks/d S=/run/disks/s

# refused CODE REGEX ARGUMENTS...: check ends with that, and says so.
refused()
{
	local want=$1 regex=$2 rc=0

	shift 2
	inocrypt check "$@" -k "$VOL_KEYS/volume" --data >/tmp/out 2>&1 || rc=$?
	[ $rc = "$want" ] || fail "check $*: exit code $rc, not $want: $(tail -n 3 /tmp/out)"
	grep -q -- "$regex" /tmp/out || fail "check $*: no '$regex' in $(</tmp/out)"
}

vol_setup $D $S
case $VM_STAGE in
0)
	vol_format
	check_volume
	vol_open
	vol_mkfs
	vol_mount
	keyed_dir "$VOL_MNT/a" "$(key_new alice)"
	keyed_dir "$VOL_MNT/b" "$(key_new bob)"
	for f in a/1 b/1 c; do head -c 2M /dev/urandom >"$VOL_MNT/$f"; done
	sync -f "$VOL_MNT"
	refused 4 "is in use" $D --sidecar $S
	refused 4 "is in use" $D --sidecar $S --repair
	for f in a b c e f; do head -c 256k /dev/urandom >/results/$f; done
	# From the first change on there are ten seconds until the next checkpoint.
	inocrypt checkpoint "$VOL_NAME"
	# Over what is there, and new; with a flush, and without.
	for f in a/1 b/1 c; do
		dd if=/results/${f%/1} of="$VOL_MNT/$f" bs=256k conv=notrunc,fsync oflag=direct status=none
	done
	dd if=/results/e of="$VOL_MNT/a/2" bs=256k conv=fsync status=none
	dd if=/results/f of="$VOL_MNT/a/2" bs=64k count=2 oflag=direct conv=notrunc status=none
	vm-powercut
	fail "still here after vm-powercut";;
1)
	check_volume
	cp "$VOL_KEYS/check.out" /results/crash.json
	[ "$(check_field blocks)" -gt 2 ] || fail "there is no log to speak of"
	[ "$(check_field no_key)" = 0 ] || fail "sectors without a key"
	[ "$(check_field owners)" = 3 ] || fail "$(check_field owners) owners, not 3"
	[ "$(check_field owner-count)" = 0 ] || fail "owners miscounted"
	[ "$(check_field owners_verified)" = 3 ] || fail "owners not verified"
	sectors=$(check_field sectors)
	[ "$(check_field verified)" = "$sectors" ] || fail "not all of $sectors sectors verified"
	inocrypt dump $D --sidecar $S -k "$VOL_KEYS/volume" --log >/tmp/log
	[ "$(sed -n 's/^blocks *//p' /tmp/log)" = "$(check_field blocks)" ] || fail "dump sees another log"
	say "after the power cut: $(check_field blocks) blocks of log, $(check_field kept) of" \
		"$(check_field candidates) writes in flight found, $sectors sectors verified"
	# Recovery finds what check did.
	redone=$(check_field redone)
	vol_open
	[[ "$(dmsetup status "$VOL_NAME") " == *" recovered_redone=$redone "* ]] ||
		fail "check says $redone to be put in place: $(dmsetup status "$VOL_NAME")"
	vol_judge
	vol_mount
	# The last write may be there, or not: it was never flushed. The others were.
	for f in a/1 b/1 c; do cmp -n $((256 << 10)) "$VOL_MNT/$f" "/results/${f%/1}" || fail "contents"; done
	cmp <(tail -c 128k "$VOL_MNT/a/2") <(tail -c 128k /results/e) || fail "contents"
	vol_umount
	vol_fsck
	vol_close
	check_volume
	[ "$(check_field blocks)" = 0 ] || fail "closed, but the log has $(check_field blocks) blocks"
	[ "$(check_field owner-count)" = 0 ] || fail "owners miscounted"
	say "closed: $(check_field sectors) sectors verified"

	# A sector that the device can't read: it is named, all else is still checked.
	verified=$(check_field verified)
	bad=$(inocrypt dump $D --sidecar $S -k "$VOL_KEYS/volume" --record 4 | awk '$1 == "data_offset" { print $2 }')
	at=$((bad / 512))
	hole $D $at
	refused 5 "sector 4 can't be read" /dev/mapper/holes --sidecar $S
	VOL_DATA=/dev/mapper/holes
	! (check_volume 2>/dev/null) || fail "an unreadable sector isn't an error"
	[ "$(check_field verified)" = $((verified - 1)) ] || fail "$(check_field verified) sectors verified, not $((verified - 1))"
	dmsetup remove holes
	VOL_DATA=$D

	# An image that a loop device holds.
	head -c 24M /dev/zero >/tmp/img
	inocrypt format /tmp/img -k "$VOL_KEYS/volume" --yes >/dev/null
	refused 0 clean /tmp/img
	modprobe loop
	loop=$(losetup -f --show /tmp/img)
	refused 4 "is in use by ${loop}" /tmp/img
	refused 0 clean "$loop"
	losetup -d "$loop"
	say "ok";;
esac

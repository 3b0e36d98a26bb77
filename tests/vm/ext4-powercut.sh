#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# On the real target: the power is cut while a deleted file is still open, and between a deletion
# and its commit.  The mount after that forgets the one and keeps the other.
# vm: --disk d:256M --timeout 300
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$INOCRYPT_TOP/tests/vm/lib.sh"
BACKEND=inocrypt
VOL_KEYS=/results/keys
VOL_MOUNT_OPTS=commit=300

# ops: run the lines given, in the mounted file system.
ops() { (cd "$VOL_MNT" && fsops) || fail "stage $VM_STAGE"; }

vol_setup /run/disks/d
case $VM_STAGE in
0)
	vol_format
	vol_open
	vol_mkfs -N 64
	vol_mount
	keyed_dir "$VOL_MNT/a" "$(key_new alice)"
	ops <<-END
		ok write a/keep 1 0 100000
		ok write a/open 2 0 100000
		ok write a/late 3 0 100000
		ok drop
	END
	[ "$(vol_status owners)" = 3 ] || fail "$(vol_status owners) owners, not 3"
	exec 8<"$VOL_MNT/a/open"
	ops <<-END
		ok unlink a/open
		ok fsync a
		ok unlink a/late
	END
	[ "$(vol_status owners)" = 3 ] || fail "$(vol_status owners) owners, not 3"
	vm-powercut
	fail "still here after vm-powercut";;
1)
	vol_open
	vol_mount
	sync -f "$VOL_MNT"
	for ((i = 0; i < 50 * VM_SLOW; i++)); do
		[ "$(vol_status owners)" != 2 ] || break
		sleep 0.1
	done
	[ "$(vol_status owners)" = 2 ] || fail "$(vol_status owners) owners, not 2"
	ops <<-END
		ok check a/keep 1 0 100000
		ok check a/late 3 0 100000
		ENOENT open a/open r
		ok write a/new 4 0 100000
		ok drop
		ok check a/new 4 0 100000
	END
	vol_umount
	vol_fsck
	vol_close
	echo "power cut: ok";;
esac

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The devices below fail, the data device and the metadata device in turn: writes only, reads
# and writes, now and then. Who asked gets an error and nothing hangs; after the errors have
# stopped and the volume was reopened, all that an fsync had confirmed is there.
# vm: --disk data:512M --disk meta:64M --mem 2560 --timeout 900
set -euo pipefail
. "$(dirname "$0")/lib.sh"

modprobe dm-flakey
export VOL_NO_JUDGE=1

# below NAME linear|writes|all|flaky: what the device under-NAME does from now on
below()
{
	local size dev=/run/disks/$1 table

	size=$(blockdev --getsz "$dev")
	case $2 in
	linear)	table="linear $dev 0";;
	writes)	table="flakey $dev 0 0 60 1 error_writes";;
	all)	table="error";;
	flaky)	table="flakey $dev 0 2 1 1 error_writes";;
	esac
	if [ -e "/dev/mapper/under-$1" ]; then
		dmsetup load "under-$1" --table "0 $size $table"
		timeout $((60 * ${VM_SLOW:-1})) dmsetup resume "under-$1" || fail "resume of under-$1 hangs"
	else
		dmsetup create "under-$1" --table "0 $size $table"
	fi
}

# patient COMMAND...: its exit code, but a hang is a failure of the test.
patient()
{
	local rc=0

	timeout -k 5 $((${LIMIT:-60} * ${VM_SLOW:-1})) "$@" || rc=$?
	[ $rc != 124 ] && [ $rc != 137 ] || {
		echo w >/proc/sysrq-trigger
		fail "hangs: $*"
	}
	return $rc
}

# writer DIR NAME COUNT MIN MAX: COUNT files of MIN to MAX blocks, each with fsync; those
# confirmed go to the list
: >/tmp/confirmed
writer()
{
	local i f

	for ((i = 1; i <= $3; i++)); do
		f=$1/$2-$i
		if patient dd if=/tmp/base bs=4k skip=$((RANDOM % 512)) count=$((RANDOM % ($5 - $4 + 1) + $4)) \
			of="$f" conv=fsync status=none 2>>/tmp/dd.err; then
			sha256sum "$f" >>"/tmp/confirmed.$2"
		fi
	done
}

# writers EPISODE COUNT [MIN MAX]: in all directories at once
writers()
{
	local d pids=() p min=${3:-1} max=${4:-96}

	for d in alice nokey; do
		touch "/tmp/confirmed.$1-$d"
		writer "$VOL_MNT/$d" "$1-$d" "$2" "$min" "$max" &
		pids+=($!)
	done
	for p in "${pids[@]}"; do
		wait "$p" || fail "a writer, see above"
	done
	cat /tmp/confirmed."$1"-* >>/tmp/confirmed
}

# none_confirmed EPISODE: and the reason is an I/O error
none_confirmed()
{
	local d

	for d in alice nokey; do
		[ ! -s "/tmp/confirmed.$1-$d" ] || fail "$1: an fsync succeeds"
	done
	grep -q -E 'Input/output error|Read-only file system' /tmp/dd.err ||
		fail "$1: no I/O error, but: $(sort -u /tmp/dd.err | head -n 3)"
}

# stopped: the volume has, within 5 s
stopped()
{
	local i

	for ((i = 0; i < 50 * ${VM_SLOW:-1}; i++)); do
		! dmsetup status "$VOL_NAME" | grep -q ' inocrypt failed ' || return 0
		sleep 0.1
	done
	return 1
}

check_confirmed()
{
	wipe_caches
	sha256sum --quiet -c /tmp/confirmed >/tmp/sums.out 2>&1 ||
		{ head /tmp/sums.out >&2; fail "$1: confirmed files are not intact"; }
}

# recover EPISODE: the errors are over; reopen, repair, compare
recover()
{
	below data linear
	below meta linear
	patient umount "$VOL_MNT" || fail "$1: umount"
	# Closing may report that something could not be written, but not hang.
	if [ "$BACKEND" = inocrypt ]; then
		rc=0
		patient inocrypt close "$VOL_NAME" 2>/tmp/close.err || rc=$?
		[ $rc = 0 ] || [ $rc = 5 ] || fail "$1: close: exit code $rc: $(cat /tmp/close.err)"
		[ ! -e "$VOL_DEV" ] || fail "$1: not closed"
	else
		dmsetup remove --retry "$VOL_NAME"
	fi
	vol_open
	vol_mount	# replays the journal
	vol_umount
	[ "$BACKEND" != inocrypt ] || inocrypt raw on "$VOL_NAME" || fail "raw on"
	# Errors that the file system noted itself, and blocks it leaked when its journal
	# ended, are e2fsck's to mend; anything worse is 4 or more.
	rc=0
	e2fsck -fy "$VOL_DEV" >/tmp/fsck.out 2>&1 || rc=$?
	[ $rc -le 1 ] || { cat /tmp/fsck.out >&2; fail "$1: e2fsck: exit code $rc"; }
	[ "$BACKEND" != inocrypt ] || inocrypt raw off "$VOL_NAME" || fail "raw off"
	vol_fsck
	vol_mount
	check_confirmed "$1"
	writers "$1-after" 3
	[ "$(wc -l <"/tmp/confirmed.$1-after-alice")" = 3 ] || fail "$1: can't write after reopening"
	check_confirmed "$1, after"
	vol_judge
	say "$1: $(wc -l </tmp/confirmed) confirmed files intact"
}

head -c 4M /dev/urandom >/tmp/base
below data linear
below meta linear
vol_setup /dev/mapper/under-data /dev/mapper/under-meta
vol_format
vol_open
vol_mkfs
vol_mount
keyed_dir "$VOL_MNT/alice" "$(key_new alice)"
mkdir "$VOL_MNT/nokey"
writers start 8
[ "$(wc -l </tmp/confirmed)" = 16 ] || fail "can't write at the start: $(cat /tmp/dd.err)"

devices=(data)
[ "$BACKEND" != inocrypt ] || devices+=(meta)

for dev in "${devices[@]}"; do
	# Writes fail: a sync can't be confirmed. Large files, as the log takes small ones
	# with their data.
	below "$dev" writes
	: >/tmp/dd.err
	writers "$dev-writes" 3 64 96
	none_confirmed "$dev-writes"
	! patient dd if=/tmp/base of="$VOL_MNT/alice/direct-$dev" bs=64k count=8 oflag=direct \
		conv=fsync status=none 2>/dev/null || fail "a direct write is confirmed"
	recover "$dev-writes"

	# Small ones may be confirmed while the log can be written, and are there afterwards
	# then; the volume stops when they were to be put in place.
	below "$dev" writes
	: >/tmp/dd.err
	writers "$dev-small" 1 1 8
	if [ "$dev" = data ] && [ "$BACKEND" = inocrypt ]; then
		stopped || fail "what only the log has can't be put in place, and the volume goes on"
		: >/tmp/dd.err
		writers "$dev-stopped" 2 1 8
		none_confirmed "$dev-stopped"
	else
		none_confirmed "$dev-small"
	fi
	recover "$dev-small"

	# Everything fails: a read gives an error or what was written; right again at once
	# when the errors end, without a reopen.
	mapfile -t files <<<"$(awk '{ print $2 }' /tmp/confirmed | tail -n 12)"
	wipe_caches
	ls -l "${files[@]}" >/dev/null
	echo 1 >/proc/sys/vm/drop_caches
	below "$dev" all
	errors=0
	for f in "${files[@]}"; do
		rc=0
		sum=$(patient sha256sum "$f" 2>/tmp/read.err) || rc=$?
		if [ $rc = 0 ]; then
			grep -q -F -x "$sum" /tmp/confirmed || fail "$f reads wrong while $dev fails"
		else
			errors=$((errors + 1))
			grep -q -E 'Input/output error' /tmp/read.err || fail "$f: $(cat /tmp/read.err)"
		fi
	done
	[ "$dev" != data ] || [ $errors -gt 0 ] || fail "reads succeed without a device"
	below "$dev" linear
	[ $errors = 0 ] || check_confirmed "$dev-all, no reopen"
	below "$dev" all
	writers "$dev-all" 1
	recover "$dev-all"

	# On and off.
	below "$dev" flaky
	writers "$dev-flaky" $((6 * LONG))
	recover "$dev-flaky"
done
vol_umount
vol_fsck
unset VOL_NO_JUDGE
vol_close
say "done"

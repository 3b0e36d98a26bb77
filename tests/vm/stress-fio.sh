#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Many writers at once, fio verifying what they read: on the device without a file system,
# then in keyed and unkeyed directories; again after everything was closed.
# vm: --disk data:2G --disk meta:256M --mem 2560 --timeout 900
set -euo pipefail
. "$(dirname "$0")/lib.sh"

vol_setup /run/disks/data
vol_format
vol_open

# fio_run NAME JOBFILE [OPTION...]: short when all is well.
fio_run()
{
	local name=$1 job=$2 rc=0 t=$SECONDS

	shift 2
	timeout $((400 * ${VM_SLOW:-1})) fio --output=/tmp/fio.out "$@" "$job" >/tmp/fio.err 2>&1 || rc=$?
	if [ $rc != 0 ] || ! grep -q 'err= 0' /tmp/fio.out || grep -q 'err= [^0]' /tmp/fio.out; then
		cat /tmp/fio.err >&2
		grep -v '^$' /tmp/fio.out | head -n 60 >&2
		fail "fio $name: exit code $rc"
	fi
	say "$name: $((SECONDS - t)) s,$(sed -n 's/^ *\(READ\|WRITE\): bw=[^(]*(\([^)]*\)).*io=\([^ ]*\) .*/ \1 \3 at \2/p' \
		/tmp/fio.out | tr '\n' ',' | sed 's/,$//')"
}

m=$LONG
cat >/tmp/raw.fio <<-END
	[global]
	filename=$VOL_DEV
	verify=crc32c
	verify_fatal=1
	verify_dump=1
	group_reporting=1
	[seq-direct]
	ioengine=libaio
	iodepth=16
	direct=1
	rw=write
	bs=64k
	offset=0
	size=$((32 * m))m
	[rand-direct-small]
	ioengine=libaio
	iodepth=32
	direct=1
	rw=randwrite
	bs=4k
	offset=384m
	size=$((12 * m))m
	[rand-direct-uring]
	ioengine=io_uring
	iodepth=16
	direct=1
	rw=randwrite
	bs=16k
	offset=768m
	size=$((24 * m))m
	[rand-buffered]
	ioengine=psync
	rw=randwrite
	bs=8k
	offset=1152m
	size=$((16 * m))m
	end_fsync=1
	[overwrite-rw]
	ioengine=libaio
	iodepth=8
	direct=1
	rw=randrw
	bs=4k
	offset=1536m
	size=4m
	io_size=$((16 * m))m
	verify_backlog=256
END

fio_run "device" /tmp/raw.fio
fio_run "device, again" /tmp/raw.fio
vol_judge
vol_close
vol_open
# Only jobs whose final contents the seed alone gives.
only=(--section=seq-direct --section=rand-direct-small --section=rand-direct-uring
      --section=rand-buffered)
fio_run "device after reopen, read only" /tmp/raw.fio --verify_only "${only[@]}"
vol_close

# On a file system, metadata on the other device.
export VOL_SIDECAR=/run/disks/meta
vol_format
vol_open
vol_mkfs
vol_mount
keyed_dir "$VOL_MNT/alice" "$(key_new alice)"
keyed_dir "$VOL_MNT/bob" "$(key_new bob)"
mkdir "$VOL_MNT/nokey"
cat >/tmp/fs.fio <<-END
	[global]
	verify=crc32c
	verify_fatal=1
	verify_dump=1
	group_reporting=1
	[alice-direct]
	directory=$VOL_MNT/alice
	ioengine=libaio
	iodepth=16
	direct=1
	rw=randwrite
	bs=4k
	size=$((8 * m))m
	[alice-stream]
	directory=$VOL_MNT/alice
	ioengine=psync
	rw=write
	bs=128k
	size=$((32 * m))m
	end_fsync=1
	[alice-synced]
	directory=$VOL_MNT/alice
	ioengine=psync
	rw=randwrite
	bs=4k
	size=$((2 * m))m
	fdatasync=32
	[bob-uring]
	directory=$VOL_MNT/bob
	ioengine=io_uring
	iodepth=16
	direct=1
	rw=randwrite
	bs=16k
	size=$((16 * m))m
	[bob-mmap]
	directory=$VOL_MNT/bob
	ioengine=mmap
	rw=randwrite
	bs=4k
	size=$((8 * m))m
	[bob-odd-sizes]
	directory=$VOL_MNT/bob
	ioengine=psync
	rw=randwrite
	bs=5k
	size=$((8 * m))m
	[nokey-direct]
	directory=$VOL_MNT/nokey
	ioengine=libaio
	iodepth=16
	direct=1
	rw=randwrite
	bs=64k
	size=$((32 * m))m
	[nokey-buffered]
	directory=$VOL_MNT/nokey
	ioengine=psync
	rw=randwrite
	bs=8k
	size=$((8 * m))m
END
cat >/tmp/mix.fio <<-END
	[global]
	verify=crc32c
	verify_fatal=1
	verify_dump=1
	group_reporting=1
	bsrange=4k-64k
	rw=randrw
	size=4m
	io_size=$((12 * m))m
	[alice-mix]
	directory=$VOL_MNT/alice
	ioengine=libaio
	iodepth=8
	direct=1
	numjobs=2
	[bob-mix]
	directory=$VOL_MNT/bob
	ioengine=psync
	numjobs=2
	[nokey-mix]
	directory=$VOL_MNT/nokey
	ioengine=io_uring
	iodepth=8
	direct=1
END
fio_run "files" /tmp/fs.fio
fio_run "files, mixed sizes, reads between" /tmp/mix.fio
vol_cycle
fio_run "files after reopen, read only" /tmp/fs.fio --verify_only
fio_run "files, written over" /tmp/fs.fio
vol_umount
vol_fsck
vol_close
say "done"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a write costs below: bytes at the device for each byte written, beside dm-crypt gcm(aes)
# over dm-integrity with its journal, in one run; and flushes at the disk for each fsync on ext4.
# All by the disks' own counters. Results in write-cost.json too.
# alone
# vm: --disk ino:384M --disk integ:384M --disk fs:128M --disk fua:128M:fua=on --timeout 600
# not: debug-kernel
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

region=256			# MiB that the writes go to
declare -A amount=([seq]=256 [rand]=128 [fsync32]=24)	# MiB written
declare -A fio_args=(
	[seq]="--rw=write --bs=1M --iodepth=8"
	[rand]="--rw=randwrite --bs=4k --iodepth=32"
	[fsync32]="--rw=randwrite --bs=4k --iodepth=32 --iodepth_batch=32 --iodepth_batch_complete_min=32 --fsync=32")
declare -A most=([seq]=1.03 [rand]=1.10 [fsync32]=1.30)
fsyncs=60 most_flushes=2.15 most_requests=4.7	# what goes on in the background comes on top
json=/results/write-cost.json
rows=()
bad=""
cd /tmp
head -c 32 /dev/urandom >vk
modprobe -q -a dm-crypt dm-integrity || true

# stat DISK: "requests bytes flushes", of writes, so far.
stat()
{
	local s

	read -r -a s <"/sys/class/block/$(basename "$(readlink "/run/disks/$1")")/stat"
	echo "${s[4]} $((s[6] * 512)) ${s[15]}"
}

open_it()
{
	case $1 in
	ino)	inocrypt open /run/disks/ino ino -k vk || fail "inocrypt open";;
	integ)	cryptsetup open --key-file vk /run/disks/integ integ || fail "cryptsetup open";;
	esac
}

close_it()
{
	case $1 in
	ino)	inocrypt close ino || fail "inocrypt close";;
	integ)	cryptsetup close integ || fail "cryptsetup close";;
	esac
}

# cost DISK WORK: from the first write until all is closed: what is left for later counts.
cost()
{
	local before after user out

	open_it "$1"
	read -r -a before < <(stat "$1")
	# shellcheck disable=SC2086 # several words
	out=$(fio --name=w --filename=/dev/mapper/"$1" --size=${region}M --io_size="${amount[$2]}M" --direct=1 \
		--ioengine=libaio --end_fsync=1 --output-format=terse ${fio_args[$2]} 2>fio.err |
		awk -F';' 'NF > 50 { print $47 * 1024, $48 }') || true
	[ -n "$out" ] || fail "fio $2 on $1: $(<fio.err)"
	close_it "$1"
	read -r -a after < <(stat "$1")
	user=${out% *}
	awk -v u="$user" -v r=$((after[0] - before[0])) -v b=$((after[1] - before[1])) -v f=$((after[2] - before[2])) \
		-v kib="${out#* }" 'BEGIN { printf "%.3f %.3f %d %d", b / u, r * 4096 / u, f, kib }'
}

# row NAME LIMIT COST: a line of the table, and judged if there is a limit.
row()
{
	local verdict="" v

	read -r -a v <<<"$3"
	if [ "$2" != - ]; then
		verdict="<= $2"
		awk -v a="${v[0]}" -v b="$2" 'BEGIN { exit !(a <= b) }' || { verdict="TOO MUCH, limit $2"; bad=1; }
	fi
	printf '%-36s %8s %10s %8s %8s  %s\n' "$1" "${v[@]}" "$verdict"
	rows+=("{\"work\":\"$1\",\"bytes_per_byte\":${v[0]},\"requests_per_4k\":${v[1]},\"flushes\":${v[2]},\"kib_s\":${v[3]}}")
}

printf '%-36s %8s %10s %8s %8s\n' "device per user" bytes "req./4 KiB" flushes KiB/s
for w in seq rand fsync32; do
	inocrypt format /run/disks/ino -k vk -y -f >/dev/null
	c=$(cost ino $w)
	row "inocrypt, $w, fresh" "${most[$w]}" "$c"
done
cryptsetup -q luksFormat --type luks2 --cipher aes-gcm-random --integrity aead --sector-size 4096 --integrity-no-wipe \
	--pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file vk /run/disks/integ 2>luks.err || fail "luksFormat: $(<luks.err)"
for d in ino integ; do
	cost $d seq >/dev/null
done
for w in seq rand fsync32; do
	c=$(cost ino $w)
	row "inocrypt, $w, overwrite" "${most[$w]}" "$c"
	c=$(cost integ $w)
	row "dm-crypt + dm-integrity, $w" - "$c"
done

# FUA writes don't show in a disk's counters, but in the trace of its requests.
tracing=/sys/kernel/tracing
[ -d $tracing/events ] || mount -t tracefs tracefs $tracing
trigger=$tracing/events/block/block_rq_issue/trigger
hist=$tracing/events/block/block_rq_issue/hist

# flushes DISK MODE DIR: "flushes FUA-writes requests KiB" at the disk, each per fsync.
flushes()
{
	local before after fua dev

	[ "$2" != create ] || rm -f "$3"/new*
	sync -f "$3"
	IFS=: read -r -a dev <"/sys/class/block/$(basename "$(readlink "/run/disks/$1")")/dev"
	echo "hist:keys=dev,rwbs" >$trigger
	read -r -a before < <(stat "$1")
	fsyncloop "$2" $fsyncs "$3" || fail "fsyncloop $2"
	read -r -a after < <(stat "$1")
	fua=$(awk -v dev=$((dev[0] << 20 | dev[1])) '$3 == dev "," && $5 ~ /^F?WF/ { n += $NF } END { print n + 0 }' $hist)
	echo "!hist:keys=dev,rwbs" >$trigger
	awk -v n=$fsyncs -v f=$((after[2] - before[2])) -v fua="$fua" -v r=$((after[0] - before[0])) \
		-v b=$((after[1] - before[1])) 'BEGIN { printf "%.2f %.2f %.2f %.1f", f / n, fua / n, r / n, b / 1024 / n }'
}

# flush_row NAME LIMIT DISK MODE DIR: thrice at most, as a commit block that comes late, on a
# machine that has other things to do, is a request more.
flush_row()
{
	local verdict="" v c try

	for try in 1 2 3; do
		c=$(flushes "${@:3}")
		read -r -a v <<<"$c"
		[ "$2" != - ] || break
		awk -v a="${v[2]}" -v b=$most_requests 'BEGIN { exit !(a > b) }' || break
	done
	if [ "$2" != - ]; then
		verdict="<= 2"
		awk -v a="${v[0]}" -v b="$2" 'BEGIN { exit !(a <= b) }' || { verdict="TOO MANY, limit 2"; bad=1; }
		# Two to the log; what they hold is put in place together.
		awk -v a="${v[2]}" -v b=$most_requests 'BEGIN { exit !(a <= b) }' ||
			{ verdict="TOO MANY requests, limit $most_requests"; bad=1; }
	fi
	printf '%-36s %8s %10s %8s %8s  %s\n' "$1" "${v[@]}" "$verdict"
	rows+=("{\"work\":\"$1\",\"flushes_per_fsync\":${v[0]},\"fua_per_fsync\":${v[1]},\"requests_per_fsync\":${v[2]},\"kib_per_fsync\":${v[3]}}")
}

printf '\n%-36s %8s %10s %8s %8s\n' "disk per fsync, ext4" flushes "FUA writes" requests KiB
VOL_NAME=vol
for d in fs fua; do
	disk=""
	[ $d = fs ] || disk=", FUA"
	for BACKEND in inocrypt plain; do
		what=inocrypt limit=$most_flushes
		[ $BACKEND = inocrypt ] || what="no encryption" limit=-
		VOL_KEYS=/tmp/keys.$d
		vol_setup /run/disks/$d
		wipefs -q -a -f "$VOL_DATA"
		vol_format
		vol_open
		vol_mkfs -b 4096 -N 1024 -J size=4
		vol_mount
		id=$(key_new alice)
		keyed_dir "$VOL_MNT/d" "$id"
		for f in append overwrite; do
			dd if=/dev/zero of="$VOL_MNT/d/$f" bs=4k count=64 conv=fsync status=none
		done
		for m in append create overwrite; do
			flush_row "$what$disk, $m" "$limit" $d $m "$VOL_MNT/d"
		done
		# From here on a commit overwrites: the file, and the journal's blocks once it has
		# gone round. Their data is in the log, so that needs no flush of its own;
		# checkpoints come more often.
		[ $limit = - ] || limit=2.25
		flush_row "$what$disk, rewrite" "$limit" $d rewrite "$VOL_MNT/d"
		fsyncloop append 300 "$VOL_MNT/d"
		for m in append create rewrite; do
			flush_row "$what$disk, $m, old journal" "$limit" $d $m "$VOL_MNT/d"
		done
		vol_umount
		vol_close
	done
done
(IFS=,; printf '{"rows":[%s]}\n' "${rows[*]}") >$json
[ -z "$bad" ] || fail "a write costs too much"

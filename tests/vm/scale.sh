#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scale.sh - the small end of the scale simulation (bench/scale/): the same writes to a volume of
# 256 MiB, and its counters beside what the simulation says. The devices' own counters say whether
# the volume's are right: the data device gets what was written, the sidecar 4 KiB for each block
# counted. Bytes within 5 %, nodes within 10 %. What takes the clock and the machine's pace has wider bounds: how
# many writes share a round of the log's writer (two thirds of those under way, or all), and how often a
# checkpoint follows another at once because writers waited. So log blocks are judged on their own,
# and the rest of the simulation gets the PUTs for each block as observed.
# vm: --disk data:272M --disk side:16M --timeout 240
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

scale=$INOCRYPT_BUILD/bench/scale/scale
log=256K bytes=$((256 << 20))
bad="" rows=()
cd /tmp

# disk NAME: bytes written so far.
disk()
{
	local s

	read -r -a s <"/sys/class/block/$(basename "$(readlink "/run/disks/$1")")/stat"
	echo $((s[6] * 512))
}

# counts NAME: an associative array of that name gets the status, and data= and side=; at rest.
counts()
{
	local -n into=$1
	local status last="" f

	# A low-water mark may be written half a second after a flush.
	while status="$(dmsetup status vol)"; [ "$status $(disk side)" != "$last" ]; do
		last="$status $(disk side)"
		sleep 0.6
	done
	for f in $status; do
		[[ $f != *=* ]] || into[${f%%=*}]=${f#*=}
	done
	into["data"]=$(disk data) into["side"]=${last##* }
}

# simulate ARGUMENTS...: what it says is in sim[].
declare -A sim=()
simulate()
{
	local f

	for f in $("$scale" "$@"); do sim[${f%%=*}]=${f#*=}; done
}

# judge WHAT OBSERVED PREDICTED PERCENT [below]: below: less than predicted is well, too. Numbers may be
# expressions.
judge()
{
	awk -v what="$1" -v limit="$4" -v below="${5:-}" "BEGIN { o = $2; p = $3"'
		d = (o - p) / (p ? p : 1) * 100
		ok = d <= limit && (below || d >= -limit)
		printf "  %-20s observed %14.10g  simulated %14.10g  %+6.1f %%  %s\n", what, o, p, d,
			ok ? "ok" : "WRONG, limit " limit " %"
		exit !ok }' || bad=1
}

# phase NAME CACHE LOG-PERCENT NODE-PERCENT "FIO ARGUMENTS" SIM ARGUMENTS...
phase()
{
	local name=$1 cache=$2 log_above=$3 nodes=$4 fio_args=$5 f sectors
	local -A before=() d=()
	shift 5

	counts before
	# shellcheck disable=SC2086 # several words
	fio --name=w --filename=/dev/mapper/vol --size=$bytes --direct=1 --ioengine=libaio --end_fsync=1 \
		--randrepeat=0 $fio_args >fio.out 2>&1 || fail "fio: $(<fio.out)"
	dmsetup message vol 0 checkpoint
	counts d
	for f in puts intents log_writes node_writes node_reads checkpoints data side; do
		d[$f]=$((d[$f] - before[$f]))
	done
	sectors=$((d[puts] + d[intents]))
	say "$name: $sectors sectors, ${d[puts]} without an intent"
	judge "data device, bytes" "${d[data]}" "$sectors * 4096" 0
	judge "sidecar, bytes" "${d[side]}" "(${d[log_writes]} + ${d[node_writes]} + ${d[checkpoints]}) * 4096" 0

	# The timer of 20 s is for slower writers: --rate.
	set -- "$@" --volume $bytes --log $log --cache "$cache" --writes $sectors --rate 1e9
	simulate "$@"
	judge "log blocks" "${d[log_writes]}" "${sim[log_writes]}" "$log_above" below
	[ "${d[intents]}" = 0 ] ||
		simulate "$@" --fill $((sectors / (d[log_writes] - 2 * d[checkpoints])))
	judge checkpoints "${d[checkpoints]}" "${sim[checkpoints]}" 60
	judge "nodes written" "${d[node_writes]}" "${sim[node_writes]}" "$nodes"
	[ "$cache" = 64M ] || judge "nodes read" "${d[node_reads]}" "${sim[node_reads]}" 10
	judge "bytes per byte" "(${d[data]} + ${d[side]}) / $sectors / 4096" "${sim[bytes_per_byte]}" 5
	rows+=("{\"phase\":\"$name\",\"sectors\":$sectors,\"log_writes\":${d[log_writes]},\"node_writes\":${d[node_writes]},\"checkpoints\":${d[checkpoints]},\"bytes\":$((d[data] + d[side])),\"simulated_bytes_per_byte\":${sim[bytes_per_byte]}}")
}

[ -x "$scale" ] || fail "there is no $scale: make tests"
head -c 32 /dev/urandom >vk
inocrypt format /run/disks/data --sidecar /run/disks/side --log-size $log -k vk -y -f >/dev/null
inocrypt open /run/disks/data --sidecar /run/disks/side vol -k vk || fail "inocrypt open"
[ "$(blockdev --getsize64 /dev/mapper/vol)" = $bytes ] || fail "not $bytes bytes"

# Writes complete in any order: at each checkpoint leaves at the front are half done, and written again.
phase "sequential, fresh" 64M 5 25 "--rw=write --bs=256k --iodepth=8" --pattern seq --fresh
phase "random" 64M 100 10 "--rw=randwrite --norandommap --bs=4k --iodepth=32 --io_size=24M" --pattern uniform
phase "random, one at a time" 64M 10 10 "--rw=randwrite --norandommap --bs=4k --iodepth=1 --io_size=2M" \
	--pattern uniform --depth 1
inocrypt close vol
inocrypt open /run/disks/data --sidecar /run/disks/side vol -k vk --cache-size 1M || fail "inocrypt open"
phase "random, small cache" 1M 100 10 "--rw=randwrite --norandommap --bs=4k --iodepth=8 --io_size=8M" \
	--pattern uniform --depth 8

declare -A before=() after=()
counts before
fio --name=r --filename=/dev/mapper/vol --size=$bytes --direct=1 --rw=randread --norandommap --bs=4k --iodepth=4 \
	--ioengine=libaio --io_size=10M --randrepeat=0 >fio.out 2>&1 || fail "fio: $(<fio.out)"
counts after
say "random reads, small cache"
simulate --volume $bytes --log $log --cache 1M --reads
judge "nodes read per read" "(${after[node_reads]} - ${before[node_reads]}) / 2560" "${sim[node_reads_per_read]}" 10

node=/sys/kernel/slab/ic_cnode
[ ! -e $node ] || judge "struct ic_cnode" "$(<$node/object_size)" "$(sed -n 's/^#define M_CNODE_BYTES\t*\([0-9]*\).*/\1/p' \
	"$INOCRYPT_TOP/bench/scale/model.h")" 0
inocrypt close vol
[ ! -d /results ] || (IFS=,; printf '{"rows":[%s]}\n' "${rows[*]}" >/results/scale.json)
[ -z "$bad" ] || fail "the simulation and the volume don't agree"

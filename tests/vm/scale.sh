#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scale.sh - the small end of the scale simulation (bench/scale/): the same writes to a volume of
# 192 MiB, and its counters beside what the simulation says. The devices' own counters say whether
# the volume's are right: the data device gets what was written, the sidecar 4 KiB for each block
# counted. Bytes within 5 %, nodes within 10 %. The machine's pace is an input: a round of the log's
# writer may begin by the clock.
# vm: --disk data:208M --disk side:16M --timeout 240
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

scale=$INOCRYPT_BUILD/bench/scale/scale
log=256K bytes=$((192 << 20))
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

# judge WHAT OBSERVED PREDICTED PERCENT: numbers may be expressions.
judge()
{
	awk -v what="$1" "BEGIN { o = $2; p = $3; limit = $4"'
		d = (o - p) / (p ? p : 1) * 100
		ok = d <= limit && d >= -limit
		printf "  %-20s observed %14.10g  simulated %14.10g  %+6.1f %%  %s\n", what, o, p, d,
			ok ? "ok" : sprintf("WRONG, limit %.1f %%", limit)
		exit !ok }' || bad=1
}

# pace SECTORS: written per second, flushes apart, which wait for nothing that gathers.
pace()
{
	awk -v n="$1" '
		match($0, /run=[0-9]+-/) { run = substr($0, RSTART + 4, RLENGTH - 5) / 1000 }
		match($0, /sync \(.sec\): .*avg= *[0-9.]+/) {
			avg = substr($0, RSTART, RLENGTH); sub(/.*avg= */, "", avg)
			avg *= /sync \(msec/ ? 1e-3 : /sync \(usec/ ? 1e-6 : 1e-9 }
		match($0, /issued rwts: total=[0-9]+,[0-9]+,[0-9]+,[0-9]+/) {
			split(substr($0, RSTART, RLENGTH), t, ","); syncs = t[4] }
		END { run -= syncs * avg; if (run <= 0) exit 1; printf "%d\n", n / run }' fio.out
}

timers=0	# checkpoints of the timer seen so far
# phase NAME CACHE LOG-PERCENT NODE-PERCENT "FIO ARGUMENTS" SIM ARGUMENTS...
phase()
{
	local name=$1 cache=$2 log_within=$3 nodes=$4 fio_args=$5 f sectors rate one due within more timer
	local -A d=()
	shift 5

	# shellcheck disable=SC2086 # several words
	fio --name=w --filename=/dev/mapper/vol --size=$bytes --direct=1 --ioengine=libaio --end_fsync=1 \
		--randrepeat=0 $fio_args >fio.out 2>&1 || fail "fio: $(<fio.out)"
	dmsetup message vol 0 checkpoint
	counts d
	for f in puts intents data_logged log_writes node_writes node_reads checkpoints data side; do
		d[$f]=$((d[$f] - before[$f]))
		before[$f]=$((before[$f] + d[$f]))
	done
	sectors=$((d[puts] + d[intents]))
	rate=$(pace $sectors) || fail "fio: $(<fio.out)"
	say "$name: $sectors sectors, ${d[puts]} without an intent, $rate a second"
	judge "data device, bytes" "${d[data]}" "$sectors * 4096" 0
	judge "sidecar, bytes" "${d[side]}" "(${d[log_writes]} + ${d[node_writes]} + ${d[checkpoints]}) * 4096" 0

	simulate "$@" --volume $bytes --log $log --cache "$cache" --writes $sectors --rate "$rate"
	# The last flush has up to 24 sectors' data logged, by chance.
	judge "log, without data" "${d[log_writes]} - ${d[data_logged]}" "${sim[log_writes]} - ${sim[data_logged]}" \
		"$log_within"
	judge "data, in log, too" "$sectors + ${d[data_logged]}" "$sectors + ${sim[data_logged]}" 6
	# Where the log calls for them, each turn of what was written to it is due one; how much data a flush
	# finds waiting, and logs, is by chance, and judged above. Where the cache calls there are many: a
	# quarter more if one comes twice.
	# The timer comes on top, once in 20 s since the start, whatever else began a checkpoint.
	timer=$((SECONDS / 20 - timers))
	due=${sim[checkpoints]} within=18
	[ "$cache" != 64M ] || due="$due * ${d[log_writes]} / ${sim[log_writes]}" within=60
	judge checkpoints "${d[checkpoints]}" "$due" "$within + (o > p) * 100 * $timer / p"
	awk "BEGIN { exit !(${d[checkpoints]} <= $due * (1 + $within / 100)) }" || timers=$((timers + timer))
	# The last one may have begun just before the end, or not: one is allowed for, and those due above.
	more="(1 + ($due > ${sim[checkpoints]} ? $due - ${sim[checkpoints]} : 0))"
	one="${sim[node_writes]} / ${sim[checkpoints]}"
	judge "nodes written" "${d[node_writes]}" "${sim[node_writes]}" "$nodes + 100 * $more / ${sim[checkpoints]}"
	[ "$cache" = 64M ] || judge "nodes read" "${d[node_reads]}" "${sim[node_reads]}" 10
	judge "bytes per byte" "(${d[data]} + ${d[side]}) / $sectors / 4096" "${sim[bytes_per_byte]}" \
		"5 + 100 * $more * $one / $sectors"
	rows+=("{\"phase\":\"$name\",\"sectors\":$sectors,\"log_writes\":${d[log_writes]},\"node_writes\":${d[node_writes]},\"checkpoints\":${d[checkpoints]},\"bytes\":$((d[data] + d[side])),\"simulated_bytes_per_byte\":${sim[bytes_per_byte]}}")
}

[ -x "$scale" ] || fail "there is no $scale: make tests"
head -c 32 /dev/urandom >vk
inocrypt format /run/disks/data --sidecar /run/disks/side --log-size $log -k vk -y -f >/dev/null
inocrypt open /run/disks/data --sidecar /run/disks/side vol -k vk || fail "inocrypt open"
[ "$(blockdev --getsize64 /dev/mapper/vol)" = $bytes ] || fail "not $bytes bytes"

declare -A before=()
counts before
# Writes complete in any order: at each checkpoint leaves at the front are half done, and written again.
phase "sequential, fresh" 64M 5 25 "--rw=write --bs=256k --iodepth=8" --pattern seq --fresh
phase "random" 64M 25 10 "--rw=randwrite --norandommap --bs=4k --iodepth=32 --io_size=28M" --pattern uniform
phase "random, a flush each 4" 64M 15 10 "--rw=randwrite --norandommap --bs=4k --iodepth=1 --fsync=4 --io_size=1M" \
	--pattern uniform --sync 4
phase "random, a flush each 32" 64M 25 10 "--rw=randwrite --norandommap --bs=4k --iodepth=1 --fsync=32 --io_size=6M" \
	--pattern uniform --sync 32
inocrypt close vol
inocrypt open /run/disks/data --sidecar /run/disks/side vol -k vk --cache-size 1M || fail "inocrypt open"
counts before
# One at a time: more would wait together when no more writes may end early, and share more rounds.
phase "random, small cache" 1M 25 10 "--rw=randwrite --norandommap --bs=4k --iodepth=1 --io_size=24M" \
	--pattern uniform

declare -A after=()
fio --name=r --filename=/dev/mapper/vol --size=$bytes --direct=1 --rw=randread --norandommap --bs=4k --iodepth=4 \
	--ioengine=libaio --io_size=24M --randrepeat=0 >fio.out 2>&1 || fail "fio: $(<fio.out)"
counts after
say "random reads, small cache"
simulate --volume $bytes --log $log --cache 1M --reads
judge "nodes read per read" "(${after[node_reads]} - ${before[node_reads]}) / 6144" "${sim[node_reads_per_read]}" 10

# struct_size STRUCT NAME: the kernel's, if it tells, and the model's.
struct_size()
{
	local file=/sys/kernel/slab/$1/object_size

	[ ! -e "$file" ] || judge "struct $1" "$(<"$file")" \
		"$(sed -n "s/^#define $2\t*\([0-9]*\).*/\1/p" "$INOCRYPT_TOP/bench/scale/model.h")" 0
}
# What the debug kernel adds to locks and work is not the model's.
if [ "$VM_SLOW" = 1 ]; then
	struct_size ic_cnode M_CNODE_BYTES
	struct_size ic_io M_IO_BYTES
fi
inocrypt close vol
[ ! -d /results ] || (IFS=,; printf '{"rows":[%s]}\n' "${rows[*]}" >/results/scale.json)
[ -z "$bad" ] || fail "the simulation and the volume don't agree"

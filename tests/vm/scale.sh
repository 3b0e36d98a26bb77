#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scale.sh - the small end of the scale simulation (bench/scale/): the same writes to a volume of
# 512 MiB, and its counters beside what the simulation says. The devices' own counters say whether
# the volume's are right: the data device gets what was written, the sidecar 4 KiB for each block
# counted. A checkpoint begins when the clock and the machine have it: the simulation is asked twice, for
# their number, within 25 %, and with their number as observed, for the nodes and bytes, within 5 %.
# Log blocks, too, are fewer the more writes share one, which takes timing: never more than predicted,
# and with as many PUTs in each as observed for the rest.
# vm: --disk data:528M --disk side:32M --timeout 240
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

scale=$INOCRYPT_BUILD/bench/scale/scale
log=512K bytes=$((512 << 20))
bad="" rows=()
cd /tmp

# disk NAME: bytes written so far.
disk()
{
	local s

	read -r -a s <"/sys/class/block/$(basename "$(readlink "/run/disks/$1")")/stat"
	echo $((s[6] * 512))
}

# counts: "puts intents log_writes node_writes node_reads checkpoints data-bytes sidecar-bytes"
counts()
{
	dmsetup status vol | tr ' ' '\n' | awk -F= -v data="$(disk data)" -v side="$(disk side)" '
		{ v[$1] = $2 }
		END { print v["puts"], v["intents"], v["log_writes"], v["node_writes"], v["node_reads"], v["checkpoints"], data, side }'
}

# field NAME <<<"$out"
field() { sed -n "s/^$1=//p"; }

# judge WHAT OBSERVED PREDICTED PERCENT [below]: below: less than predicted is well, too.
judge()
{
	local verdict=ok

	awk -v o="$2" -v p="$3" -v t="$4" -v below="${5:-}" 'BEGIN {
		d = (o - p) / (p ? p : 1) * 100
		exit !(d <= t && (below || d >= -t)) }' || { verdict="WRONG, within $4 %${5:+ above}"; bad=1; }
	printf '  %-26s observed %12s  simulated %12.4f  %s\n' "$1" "$2" "$3" "$verdict"
}

# phase NAME CACHE "FIO ARGUMENTS" SIM ARGUMENTS...
phase()
{
	local name=$1 cache=$2 fio_args=$3 before after d=() i out sectors fill total
	shift 3

	read -r -a before < <(counts)
	# shellcheck disable=SC2086 # several words
	fio --name=w --filename=/dev/mapper/vol --size=$bytes --direct=1 --ioengine=libaio --end_fsync=1 \
		--randrepeat=0 $fio_args >fio.out 2>&1 || fail "fio: $(<fio.out)"
	dmsetup message vol 0 checkpoint
	read -r -a after < <(counts)
	for i in "${!after[@]}"; do d[i]=$((after[i] - before[i])); done
	sectors=$((d[0] + d[1]))
	say "$name: $sectors sectors, puts ${d[0]}, intents ${d[1]}, log ${d[2]}, nodes ${d[3]}, checkpoints ${d[5]}"
	judge "data device, bytes" "${d[6]}" $((sectors * 4096)) 0
	judge "sidecar, bytes" "${d[7]}" $(((d[2] + d[3] + d[5]) * 4096)) 0

	set -- "$@" --volume $bytes --log $log --cache "$cache" --writes $sectors
	out=$("$scale" "$@" --rate 1e9)
	judge "log blocks" "${d[2]}" "$(field log_writes <<<"$out")" 5 below
	fill=$(awk -v p=$sectors -v b="${d[2]}" -v c="${d[5]}" 'BEGIN { b -= 2 * c; print p / (b > 1 ? b : 1) }')
	[ "${d[1]}" != 0 ] || fill=0
	out=$("$scale" "$@" --rate 1e9 --fill "$fill")
	judge checkpoints "${d[5]}" "$(field checkpoints <<<"$out")" 25
	out=$("$scale" "$@" --fill "$fill" --checkpoints "${d[5]}")
	judge "nodes written" "${d[3]}" "$(field node_writes <<<"$out")" 5
	[ "$cache" = 64M ] || judge "nodes read" "${d[4]}" "$(field node_reads <<<"$out")" 5
	total=$(awk -v d="${d[6]}" -v s="${d[7]}" -v n=$sectors 'BEGIN { printf "%.4f", (d + s) / n / 4096 }')
	judge "bytes per byte" "$total" "$(field bytes_per_byte <<<"$out")" 5
	rows+=("{\"phase\":\"$name\",\"observed\":$total,\"simulated\":$(field bytes_per_byte <<<"$out")}")
}

[ -x "$scale" ] || fail "there is no $scale: make tests"
head -c 32 /dev/urandom >vk
inocrypt format /run/disks/data --sidecar /run/disks/side --log-size $log -k vk -y -f >/dev/null
inocrypt open /run/disks/data --sidecar /run/disks/side vol -k vk || fail "inocrypt open"
[ "$(blockdev --getsize64 /dev/mapper/vol)" = $bytes ] || fail "not $bytes bytes"

phase "sequential, fresh" 64M "--rw=write --bs=256k --iodepth=8" --pattern seq --fresh
phase "random" 64M "--rw=randwrite --norandommap --bs=4k --iodepth=32 --io_size=40M" --pattern uniform
phase "random, one at a time" 64M "--rw=randwrite --norandommap --bs=4k --iodepth=1 --io_size=6M" \
	--pattern uniform --depth 1
phase "sequential" 64M "--rw=write --bs=256k --iodepth=8 --io_size=128M" --pattern seq
inocrypt close vol
inocrypt open /run/disks/data --sidecar /run/disks/side vol -k vk --cache-size 1M || fail "inocrypt open"
phase "random, small cache" 1M "--rw=randwrite --norandommap --bs=4k --iodepth=8 --io_size=16M" \
	--pattern uniform --depth 8

read -r -a before < <(counts)
fio --name=r --filename=/dev/mapper/vol --size=$bytes --direct=1 --rw=randread --norandommap --bs=4k --iodepth=4 \
	--ioengine=libaio --io_size=24M --randrepeat=0 >fio.out 2>&1 || fail "fio: $(<fio.out)"
read -r -a after < <(counts)
say "random reads, small cache"
judge "nodes read per read" "$(awk -v n=$((after[4] - before[4])) 'BEGIN { print n / 6144 }')" \
	"$("$scale" --volume $bytes --log $log --cache 1M --reads | field node_reads_per_read)" 5

node=/sys/kernel/slab/ic_cnode
[ ! -e $node ] || judge "struct ic_cnode" "$(<$node/object_size)" "$(sed -n 's/^#define M_CNODE_BYTES\t*\([0-9]*\).*/\1/p' \
	"$INOCRYPT_TOP/bench/scale/model.h")" 0
inocrypt close vol
[ ! -d /results ] || (IFS=,; printf '{"rows":[%s]}\n' "${rows[*]}" >/results/scale.json)
[ -z "$bad" ] || fail "the simulation and the volume don't agree"

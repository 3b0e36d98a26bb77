#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# bench.sh - inocrypt beside the raw device and dm-crypt, block level, in one run: throughput,
# and what reaches the devices for each byte written, from their own counters (exact). Rounds
# alternate between the three; figures are medians, throughput as a ratio to dm-crypt too.
# Writes bench.json and bench.md to /results. ROUNDS and SECS (per fio run) can be set.
# vm: --disk data:1G --disk side:64M --disk raw:1G --disk crypt:1G --timeout 1800
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/../tests/vm/lib.sh"

rounds=${ROUNDS:-3} secs=${SECS:-4} size=256M
results=/results
[ -d $results ] || results=$(mktemp -d)
cd /tmp

vol_setup /run/disks/data /run/disks/side
vol_format
vol_open
modprobe -q dm-crypt || true
dmsetup create crypt --table "0 $(blockdev --getsz /run/disks/crypt) crypt aes-xts-plain64 \
$(od -An -v -tx1 -N64 /dev/urandom | tr -d ' \n') 0 /run/disks/crypt 0"

declare -A dev=([raw]=/run/disks/raw [crypt]=/dev/mapper/crypt [inocrypt]=$VOL_DEV)
declare -A below=([raw]=raw [crypt]=crypt [inocrypt]="data side")
declare -A args=(
	[seq-write]="--rw=write --bs=1M" [seq-read]="--rw=read --bs=1M"
	[rand-write]="--rw=randwrite --bs=4k" [rand-read]="--rw=randread --bs=4k"
	[rand-write-fsync32]="--rw=randwrite --bs=4k --fsync=32")
works="seq-write seq-read rand-write rand-read rand-write-fsync32"

# counters NAME...: write requests, bytes written, flushes, summed over the disks
counters()
{
	local n s req=0 bytes=0 flushes=0

	for n; do
		read -r -a s <"/sys/class/block/$(basename "$(readlink -f "/run/disks/$n")")/stat"
		req=$((req + s[4])) bytes=$((bytes + s[6] * 512)) flushes=$((flushes + s[15]))
	done
	echo "$req $bytes $flushes"
}

# one WORK TARGET: a line "KiB/s userbytes requests devicebytes flushes"
one()
{
	local before after out

	# shellcheck disable=SC2086 # several words
	{
		read -r -a before < <(counters ${below[$2]})
		out=$(fio --name=b --filename="${dev[$2]}" --size=$size --direct=1 --ioengine=libaio \
			--iodepth=16 --runtime="$secs" --time_based --end_fsync=1 --output-format=terse \
			${args[$1]} 2>/tmp/fio.err | awk -F';' 'NF > 50 { print $7 + $48, $47 * 1024 }')
		[ -n "$out" ] || fail "fio $1 on $2: $(</tmp/fio.err)"
		read -r -a after < <(counters ${below[$2]})
	}
	echo "$out $((after[0] - before[0])) $((after[1] - before[1])) $((after[2] - before[2]))"
}

for t in raw crypt inocrypt; do
	# New blocks below and new records cost once; this is about overwriting.
	dd if=/dev/zero of="${dev[$t]}" bs=1M count=${size%M} oflag=direct conv=fsync status=none
done
: >/tmp/rows
for ((r = 1; r <= rounds; r++)); do
	for w in $works; do
		for t in raw crypt inocrypt; do
			echo "$w $t $(one "$w" "$t")" >>/tmp/rows
		done
	done
	say "round $r of $rounds"
done
vol_close
dmsetup remove crypt

awk -v md=$results/bench.md -v js=$results/bench.json -v order="$works" '
function median(list,    a, n, i, j, t) {
	n = split(list, a, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
	return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}
{
	k = $1 SUBSEP $2
	bw[k] = bw[k] " " $3; user[k] += $4; req[k] += $5; bytes[k] += $6; fl[k] += $7
	row[$1, $2, ++n[k]] = $3
}
END {
	print "| work | raw MiB/s | dm-crypt | inocrypt | of dm-crypt (median of rounds) | device bytes per user byte: dm-crypt, inocrypt | write requests and flushes per MiB: inocrypt |" >md
	print "|---|---|---|---|---|---|---|" >md
	printf "{\"rows\":[" >js
	m = split(order, ws, " ")
	for (i = 1; i <= m; i++) {
		w = ws[i]; ratios = ""
		c = w SUBSEP "crypt"; o = w SUBSEP "inocrypt"; r = w SUBSEP "raw"
		for (j = 1; j <= n[o]; j++)
			ratios = ratios " " row[w, "inocrypt", j] / row[w, "crypt", j]
		wr = user[o] > 0
		line = sprintf("| %s | %.1f | %.1f | %.1f | %.2f | %s | %s |", w, median(bw[r]) / 1024,
			median(bw[c]) / 1024, median(bw[o]) / 1024, median(ratios),
			wr ? sprintf("%.3f, %.3f", bytes[c] / user[c], bytes[o] / user[o]) : "-",
			wr ? sprintf("%.2f, %.3f", req[o] * 1048576 / user[o], fl[o] * 1048576 / user[o]) : "-")
		print line >md; print line
		printf "%s{\"work\":\"%s\",\"raw_kib_s\":%d,\"dm_crypt_kib_s\":%d,\"inocrypt_kib_s\":%d,\"ratio_dm_crypt\":%.3f,\"device_bytes_per_user_byte\":%.4f,\"flushes\":%d}",
			(i > 1 ? "," : ""), w, median(bw[r]), median(bw[c]), median(bw[o]), median(ratios),
			(wr ? bytes[o] / user[o] : 0), fl[o] >js
	}
	print "]}" >js
}' /tmp/rows

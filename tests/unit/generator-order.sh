#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# generator-order.sh - inocrypt-generator orders, requires and times its units as systemd's own
# systemd-cryptsetup-generator does: over all combinations of what both files know (noauto, nofail,
# _netdev, time-outs, kinds of devices and of key files), the same lines come out of both.
# timeout: 600
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }

theirs=
for d in /usr/lib /lib; do
	[ ! -x $d/systemd/system-generators/systemd-cryptsetup-generator ] ||
		theirs=$d/systemd/system-generators/systemd-cryptsetup-generator
done
if [ -z "$theirs" ]; then
	echo "there is no systemd-cryptsetup-generator"
	exit 77
fi
make -s -C "$top/userspace" "$top/build/glue/inocrypt-generator"
cd "$tmp"

# Each has a device and a name of its own: drop-ins are by device.
n=0
for auto in "" noauto auto noauto,auto; do
for nofail in "" nofail fail fail,nofail; do
for net in "" _netdev; do
for wait in "" x-systemd.device-timeout={0,30,90s,5min,1h,infinity}; do
for timeout in "" timeout=10; do
for key in none /etc/keys/k /dev/disk/by-id/usb-k:0; do
	n=$((n + 1))
	case $((n % 3)) in
	0) dev=/dev/vd$n;;
	1) dev=UUID=$(printf 01234567-89ab-cdef-0123-%012x $n);;
	2) dev=LABEL=l+$n;;
	esac
	o=$auto,$nofail,$net,$wait,$timeout
	while [[ $o == *,,* ]]; do o=${o//,,/,}; done
	o=${o#,} o=${o%,}
	echo "a-$n $dev $key ${o:--}" >&3
	echo "a-$n $dev $key ${o:+$o,}anchor=none" >&4
done; done; done; done; done; done 3>theirs.tab 4>ours.tab
chmod 600 ./*.tab

# Ours takes a thousand volumes at once.
split -l 500 -d theirs.tab theirs.
split -l 500 -d ours.tab ours.
chmod 600 theirs.* ours.*
mkdir theirs ours
for part in theirs.[0-9]*; do
	mkdir "a.$part" "b.$part"
	SYSTEMD_CRYPTTAB=$tmp/$part "$theirs" "$tmp/a.$part" "$tmp/a.$part" "$tmp/a.$part" 2>log || fail "theirs: $(head -n 3 log)"
	INOCRYPTTAB=$tmp/ours.${part#theirs.} "$top/build/glue/inocrypt-generator" "$tmp/b.$part" "$tmp/b.$part" "$tmp/b.$part" >log 2>&1 ||
		fail "ours: $(head -n 3 log)"
	[ ! -s log ] || fail "ours: $(cat log)"
	cp -a "a.$part/." theirs/
	cp -a "b.$part/." ours/
done

# What is the same in both: settings of units and drop-ins, and who pulls in what.
cat >compare.py <<'END'
import os, re, sys

def seconds(v):
	if v in ("0", "infinity"):
		return "infinity"
	m = re.fullmatch(r"(\d+)(s|sec|min|h|)", v)
	return int(m[1]) * {"": 1, "s": 1, "sec": 1, "min": 60, "h": 3600}[m[2]]

# Names, and what is run, differ as they must.
SKIP = {"Description", "Documentation", "SourcePath", "ExecStart", "ExecStop"}
# Beside what systemd's waits for: the anchor's directory has to be writable.
OURS = {("After", "systemd-remount-fs.service")}

def read(top, prefix):
	all = set()
	for where, dirs, files in os.walk(top):
		unit = os.path.relpath(where, top)
		for f in files:
			path = os.path.join(where, f)
			name = f.replace(prefix, "X@")
			if os.path.islink(path):
				all.add((unit, "pulls in", name))
				continue
			# Drop-ins have other names.
			at = name if unit == "." else unit
			for line in open(path):
				line = line.strip()
				if not line or line[0] in "#[":
					continue
				key, value = line.split("=", 1)
				if key in SKIP:
					continue
				if key.endswith("Sec"):
					all.add((at, key, seconds(value)))
					continue
				value = value.replace("%i", f[len(prefix):-len(".service")]).replace('"', "")
				for word in value.split():
					if top != "ours" or (key, word) not in OURS:
						all.add((at, key, word))
	return all

a, b = read("theirs", "systemd-cryptsetup@"), read("ours", "inocrypt@")
for x in sorted(a - b, key=str)[:10]: print("only theirs:", *x)
for x in sorted(b - a, key=str)[:10]: print("only ours:", *x)
if a != b or len(a) < 10000:
	sys.exit(f"{len(a - b)} + {len(b - a)} of {len(a)} differ")
print(f"{len(a)} settings are the same")
END
python3 compare.py || fail "ordered otherwise than systemd's"
# It would notice: one word more.
echo "After=foo.target" >>"$(find ours -name 'inocrypt@*' -type f | head -n 1)"
! python3 compare.py >/dev/null 2>&1 || fail "the comparison sees nothing"
echo "generator-order: $n combinations, as systemd's"

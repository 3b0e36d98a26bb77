#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# generator.sh - inocrypt-generator: what it makes of an inocrypttab holds before
# systemd-analyze verify, names what it should, and a hostile file gets nothing past it. Under
# ASan and UBSan; needs neither root nor a running systemd.
# timeout: 120
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

fail() { echo "FAIL: $*" >&2; exit 1; }
if ! command -v systemd-analyze >/dev/null; then
	echo "there is no systemd-analyze"
	exit 77
fi

# In an installation of its own, so that the units' commands exist.
san="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
units=$tmp/etc/units
make -s -C "$top/userspace" OUT="$top/build/asan" CFLAGS="$san" PREFIX="$tmp" UNITDIR="$units" \
	"$top/build/asan/glue/inocrypt-generator" "$top/build/asan/glue/inocrypt-anchor@.service"
gen=$top/build/asan/glue/inocrypt-generator
mkdir -p sbin "$units"
cp "$top/build/asan/glue/inocrypt-anchor@.service" "$units/"
printf '#!/bin/sh\n' >sbin/inocrypt
chmod 755 sbin/inocrypt
export INOCRYPTTAB=$tmp/tab

# generate RC: from tab, to out/
generate()
{
	local want=$1 rc=0

	rm -rf out
	mkdir out
	chmod 600 tab
	"$gen" "$tmp/out" "$tmp/out" "$tmp/out" >log 2>&1 || rc=$?
	[ $rc = "$want" ] || fail "exit code $rc, not $want: $(cat log)"
}
unit() { echo "out/inocrypt@$1.service"; }
# has UNIT LINE
has() { grep -q -x -F -- "$2" "$(unit "$1")" || fail "$1 lacks '$2': $(cat "$(unit "$1")")"; }
has_not() { ! grep -q -- "$2" "$(unit "$1")" || fail "$1 has '$2': $(cat "$(unit "$1")")"; }
linked() { [ -L "out/$1" ] || fail "no $1: $(find out)"; }

cat >tab <<'END'
vault	/dev/vdb
my-home	UUID=01234567-89ab-cdef-0123-456789abcdef none sidecar=/dev/disk/by-id/my\040disk,anchor-watch
later	PARTUUID=aa-01	/etc/keys/la"t%er  noauto,anchor=/boot/later
maybe	LABEL=x	/dev/disk/by-id/usb-key:0	nofail,_netdev,x-systemd.device-timeout=30,anchor=none
END
generate 0
[ ! -s log ] || fail "says: $(cat log)"
[ "$(find out -maxdepth 1 -name '*.service' | wc -l)" = 4 ] || fail "not four units: $(ls out)"

has vault "ExecStart=$tmp/sbin/inocrypt attach --ask-password vault"
has vault "ExecStop=$tmp/sbin/inocrypt detach vault"
has vault "BindsTo=dev-vdb.device"
has vault "After=dev-vdb.device"
has vault "Before=cryptsetup.target"
has vault "KeyringMode=shared"
has vault 'RequiresMountsFor="/var/lib/inocrypt/anchors"'
linked cryptsetup.target.requires/inocrypt@vault.service
linked dev-mapper-vault.device.requires/inocrypt@vault.service
grep -q -x JobTimeoutSec=infinity out/dev-mapper-vault.device.d/40-inocrypt.conf || fail "no time for a passphrase"

h='my\x2dhome'
has "$h" "ExecStart=$tmp/sbin/inocrypt attach --ask-password my-home"
has "$h" "BindsTo=$(systemd-escape -p --suffix=device /dev/disk/by-uuid/01234567-89ab-cdef-0123-456789abcdef)"
has "$h" "BindsTo=$(systemd-escape -p --suffix=device "/dev/disk/by-id/my disk")"
linked "inocrypt@$h.service.wants/inocrypt-anchor@$h.service"
[ -e "out/inocrypt@$h.service.wants/inocrypt-anchor@$h.service" ] || fail "the link for the anchor leads nowhere"

has later 'RequiresMountsFor="/etc/keys/la\"t%%er"'
has later 'RequiresMountsFor="/boot/later"'
has_not later anchors
[ ! -e out/cryptsetup.target.requires/inocrypt@later.service ] || fail "noauto is started"
linked dev-mapper-later.device.requires/inocrypt@later.service

has maybe "Requires=$(systemd-escape -p --suffix=device /dev/disk/by-id/usb-key:0)"
has_not maybe "Before=.*cryptsetup.target"
has maybe "After=remote-fs-pre.target"
has_not maybe "RequiresMountsFor"
linked remote-cryptsetup.target.wants/inocrypt@maybe.service
grep -q -x JobRunningTimeoutSec=30s "out/$(systemd-escape -p --suffix=device /dev/disk/by-label/x).d/40-inocrypt.conf" ||
	fail "x-systemd.device-timeout"

# What systemd itself thinks of them, manual pages apart.
verify()
{
	SYSTEMD_UNIT_PATH=$tmp/out:$units: systemd-analyze verify --man=no "$@" >verify 2>&1 || true
	grep -v -E '^(/usr)?/lib/systemd/system/|Failed to (create|add|open) .*(inotify|bus)' verify >bad || true
	[ ! -s bad ] || fail "systemd-analyze: $(cat bad)"
}
cp -r out/. "$units/"
verify "$tmp/out/inocrypt@vault.service" "$tmp/out/inocrypt@$h.service" "$tmp/out/inocrypt@later.service" \
	"$tmp/out/inocrypt@maybe.service" "$units/inocrypt-anchor@$h.service"
# It would have noticed.
sed -i 's/^Type=oneshot/Type=oneshut/' "$(unit vault)"
if (verify "$tmp/out/inocrypt@vault.service") 2>/dev/null; then
	fail "systemd-analyze verify finds nothing in a broken unit"
fi

# Nothing gets from a line into a unit as a setting, nor out of the directory.
cat >tab <<'END'
../../escape /dev/vda
a/b /dev/vda
good /dev/vda /key\012ExecStartPre=/evil
good2 /srv/image
good3 LABEL=../../../etc
good4 /dev/vda - readonly,unknown
%n /dev/vda
$(id) /dev/vda
fine LABEL=a\134n /k\134 anchor=/x"\040ExecStart=/evil
END
printf 'good5 /dev/vda - un\xffknown,\xc2\x9b2J\n' >>tab
generate 1
! LC_ALL=C grep -q '[^ -~]' log || fail "raw bytes in messages: $(cat -v log)"
[ "$(grep -c "left out" log)" = 7 ] || fail "seven lines are bad: $(cat log)"
grep -q "/srv/image isn't below /dev" log || fail "an image as device: $(cat log)"
[ "$(cd out && echo inocrypt@*.service)" = "inocrypt@fine.service inocrypt@good3.service" ] || fail "made of a hostile file: $(find out)"
[ "$(grep -c ^Exec out/inocrypt@fine.service)" = 2 ] || fail "a command more: $(cat out/inocrypt@fine.service)"
verify "$tmp/out/inocrypt@fine.service" "$tmp/out/inocrypt@good3.service"
rm -rf tab out; mkdir out
"$gen" "$tmp/out" "$tmp/out" "$tmp/out" || fail "without a file"
[ -z "$(ls out)" ] || fail "units of no file"
printf 'v /dev/vda\n' >tab
chmod 622 tab
if "$gen" "$tmp/out" "$tmp/out" "$tmp/out" 2>log; then
	fail "takes a file that anybody may write"
fi

# The names of units are those that systemd makes.
for n in plain my-vault 'a@b' '=x' 'a.b_c:d' +; do
	rm -rf out; mkdir out
	printf '%s /dev/vda\n' "$n" >tab
	chmod 600 tab
	"$gen" "$tmp/out" "$tmp/out" "$tmp/out"
	[ -f "out/$(systemd-escape --template=inocrypt@.service -- "$n")" ] || fail "unit of $n: $(ls out)"
done
echo "generator: fine"

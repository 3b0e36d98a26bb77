#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# tables.sh - what is in a table once is told the same everywhere: the ciphers of shared/derive.c by
# the tool's help, its errors, the completion, the manual and format.md; the options of the target's
# table line (shared/table_options.c) by inocrypt open. interface.md's list of those is unit/docs's.
# quick
# timeout: 60
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
make -s -C "$top/userspace"
tool=$top/build/inocrypt
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }

mapfile -t ciphers < <(sed -n 's/^\t\t\.name = "\(.*\)",$/\1/p' "$top/shared/derive.c")
[ ${#ciphers[@]} -ge 3 ] || fail "derive.c isn't understood any more: ${ciphers[*]}"

# shellcheck source=/dev/null
. "$top/userspace/completion/inocrypt"
read -ra listed <<<"$(_inocrypt_values "$tool" --cipher)"
[ "${listed[*]}" = "${ciphers[*]}" ] || fail "format --help and the completion have ${listed[*]}, not ${ciphers[*]}"
said=$("$tool" format "$tmp/img" --cipher rot13 2>&1) || true
said=${said%%$'\n'*}
said=${said#*cipher rot13: }
said=${said//,/}
[ "${said/ or / }" = "${ciphers[*]}" ] || fail "format's error has $said, not ${ciphers[*]}"

sed 's/\\-/-/g' "$top/build/glue/inocrypt.8" >"$tmp/man"
head -c 32 /dev/zero >"$tmp/vk"
n=0
for c in "${ciphers[@]}"; do
	n=$((n + 1))
	grep -q -w -e "$c" "$tmp/man" || fail "the manual has no cipher $c"
	# There with its number, and as people write it.
	grep '| cipher |' "$top/docs/format.md" | tr -d - | tr '[:upper:]' '[:lower:]' | grep -q -w "$n ${c//-/}" ||
		fail "format.md has no cipher $n, $c"
	rm -f "$tmp/img"
	truncate -s 24M "$tmp/img"
	"$tool" format "$tmp/img" -k "$tmp/vk" --yes --owners 300 --log-size 256K --cipher "$c" >/dev/null
	"$tool" dump "$tmp/img" -k "$tmp/vk" >"$tmp/out"
	grep -q -E "^cipher +$c\$" "$tmp/out" || fail "a volume with $c: $(cat "$tmp/out")"
done

# An option of the table line: its word and its tool's option.
row() { printf '%s\n' "$1" | sed -n 's/^.*FIELD(\([a-z_]*\)).*TOLD("\([a-z-]*\)".*$/\1 \2/p'; }
rows=$(tr -d '\n' <"$top/shared/table_options.c" | sed 's/{ FIELD/\n&/g')
while read -r line; do
	row "$line"
done <<<"$rows" >"$tmp/rows"
[ "$(wc -l <"$tmp/rows")" -gt 6 ] || fail "table_options.c isn't understood any more"
"$tool" open --help >"$tmp/help"
while read -r _ option; do
	grep -q -w -e "--$option" "$tmp/help" || fail "open --help has no --$option"
done <"$tmp/rows"

# The exit codes are in base.h; what they mean is told by the tool, the manual and tool.md.
mapfile -t exits < <(sed -n 's/^\tEX_[A-Z_]* = \([0-9]*\),.*/\1/p' "$top/userspace/base/base.h")
[ ${#exits[@]} -gt 12 ] || fail "base.h isn't understood any more: ${exits[*]}"
"$tool" --help | sed -n 's/^ *\([0-9]\{1,\}\)  [a-z].*/\1/p' | tr '\n' ' ' | grep -q -x "${exits[*]} " ||
	fail "inocrypt --help has other exit codes than base.h"
told=$(sed -n '/^## Exit codes/,$s/^| \([0-9, ]*\) |.*/\1/p' "$top/docs/tool.md" | tr -d ,)
[ "$(echo $told)" = "${exits[*]}" ] || fail "tool.md has exit codes $told"
for c in "${exits[@]}"; do
	grep -q -x "$c" "$tmp/man" || fail "the manual has no exit code $c"
done
# And what the completion offers is what --help says.
for o in "--sector-size 512 1024 2048 4096" "--pbkdf argon2id argon2i pbkdf2"; do
	[ "${o#* }" = "$(_inocrypt_values "$tool" "${o%% *}")" ] || fail "the completion of $o: $(_inocrypt_values "$tool" "${o%% *}")"
done
for o in "policy set get report" "anchor refresh show" "raw on off"; do
	read -ra said <<<"$(_inocrypt_verbs "$tool" "${o%% *}" | tr '\n' ' ')"
	[ "${said[*]}" = "${o#* }" ] || fail "the completion of $o: ${said[*]}"
done

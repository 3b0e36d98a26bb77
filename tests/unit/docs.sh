#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# docs.sh - all *.md: prose is wrapped, paragraphs are short, and every path, link and
# function that is named exists; and docs.py notices when one of them is not so.
# timeout: 60
# quick
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
py=/usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1

fail() { echo "FAIL: $*" >&2; exit 1; }

"$py" "$top/tests/unit/docs.py" "$top" || fail "see above"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/docs" "$tmp/src"
echo 'int ic_there(void) { return 0; }' >"$tmp/src/a.c"
# faults WHAT TEXT: docs.py says WHAT of it, or nothing.
faults()
{
	local said

	printf '# A heading: here\n\n%s\n' "$2" >"$tmp/docs/a.md"
	said=$("$py" "$top/tests/unit/docs.py" "$tmp" docs/a.md) || true
	[ "$said" = "${1:+docs/a.md: }${1:-1 files}" ] || fail "of '$2' it says: $said"
}
long=$(printf 'word %.0s' {1..21})
faults "" "[text](a.md#a-heading-here), \`src/a.c\`, \`a.{c,md}\`, \`src/*\`, \`ic_there()\`, \`build/x.c\`"
faults "3: 105 columns" "$long"
faults "" "| $long |"
faults "" "    $long"
faults "5: 107 columns" "- item

  $long"
faults "4: 109 columns" "- item
    $long"
faults "3: a paragraph of 9 lines" "$(printf 'line\n%.0s' {1..9})"
faults "" "$(printf -- '- line\n%.0s' {1..9})"
faults "links to b.md: there is no docs/b.md" "[text](b.md)"
faults "links to #there: there is no such heading" "[text](#there)"
faults "names src/b.c, which isn't there" "\`src/b.c\`"
faults "names b.c, which isn't there" "\`b.c\`"
faults "names a.{c,h}, which isn't there" "\`a.{c,h}\`"
faults "names gone[], which isn't in the sources" "\`gone[]\`"
faults "names ic_gone(), which isn't in the sources" "\`ic_gone()\`"

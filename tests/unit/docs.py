#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Documentation that can be read, and names what there is.

usage: docs.py TOP [FILE...]     without files: all *.md but what the bench makes

- Prose is wrapped at 100 columns, and a paragraph has 8 lines at most. Tables, code and what a
  program makes (between HTML comments) are left out.
- A path exists: that of a link, with its heading, and one in backquotes. A file in backquotes
  without its folder is somewhere in the tree. `*`, `{a,b}`, `[ch]`, `<...>` and NAME are patterns.
- A function of ours that is named, as `ic_write()`, is in the sources, and so is a table, as
  `ciphers[]`. In developing.md any function is.
- interface.md names each field of the status line, and each option of the table line.
"""
import fnmatch
import os
import re
import subprocess
import sys

COLUMNS, LINES = 100, 8
ITEM = re.compile(r"^\s*([-*]|\d+\.) ")
OURS = re.compile(r"^(ic_|ext4_owner_|bio_owner_|cmd_)")
MADE = ("build/", "tests/results/")
SUFFIX = re.compile(r"\.(c|h|sh|inc|md|py|patch|mk|json|svg)$")


def parts(text):
    """(number of the first line, lines) of each paragraph; prose only."""
    para, start, until = [], 0, None
    for nr, line in enumerate([*text.split("\n"), ""], 1):
        if until:
            until = None if until.match(line) else until
            continue
        if line.startswith("```"):
            until = re.compile("```")
        elif re.match(r"<!-- (make scale|bench)", line):
            until = re.compile(r"<!-- (-->|/)")
        other = not line.strip() or line.lstrip().startswith("|") or line.startswith(("#", "<!--", "![", "```"))
        # So far in, it goes on with an item, or it is code.
        other = other or line.startswith("    ") and not (para and ITEM.match(para[0]) or ITEM.match(line))
        if para and (other or ITEM.match(line)):
            yield start, para
            para = []
        if not other:
            start = start if para else nr
            para.append(line)


def slugs(text):
    """The anchors of a file's headings, as GitHub makes them."""
    for line in text.split("\n"):
        if line.startswith("#"):
            head = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().replace("`", "").lower())
            yield head.replace(" ", "-")


def expand(path):
    """Patterns for fnmatch: braces taken apart, <...> and NAME for anything."""
    brace = re.search(r"\{([^{}]*,[^{}]*)\}", path)
    if brace:
        return [p for alt in brace[1].split(",") for p in expand(path[:brace.start()] + alt + path[brace.end():])]
    return [re.sub(r"<[^>]*>|NAME", "*", path)]


class Tree:
    """What is in the repository: files, folders, and the sources' text."""

    def __init__(self, top):
        self.top = top
        if os.path.exists(f"{top}/.git"):
            out = subprocess.run(["git", "-C", top, "ls-files", "-co", "--exclude-standard"], check=True,
                                 stdout=subprocess.PIPE).stdout.decode()
            self.files = [f for f in out.split("\n") if f and os.path.exists(f"{top}/{f}")]
        else:
            self.files = [os.path.relpath(os.path.join(d, f), top) for d, _, fs in os.walk(top) for f in fs
                          if not d.startswith((f"{top}/build", f"{top}/tests/results"))]
        self.folders = {f[:i] for f in self.files for i, c in enumerate(f) if c == "/"}
        self.roots = {f.split("/")[0] for f in self.files if "/" in f}
        self.names = {f.rsplit("/", 1)[-1] for f in self.files} | {f.rsplit("/", 1)[-1] for f in self.folders}
        self.words, self.tables = set(), set()
        for f in self.files:
            if f.endswith((".c", ".h", ".patch")) and not f.startswith("tests/mutants/"):
                with open(f"{top}/{f}", encoding="utf-8", errors="replace") as src:
                    text = src.read()
                    self.words.update(re.findall(r"\b(\w+)\(", text))
                    self.tables.update(re.findall(r"\b(\w+)\[", text))

    def would_have(self, name):
        """Is it the name of something in the repository, if it is there?"""
        if not re.fullmatch(r"[\w.*{},\[\]<>-][\w.*{},\[\]<>/-]*", name):
            return False
        return SUFFIX.search(expand(name)[0]) or "/" in name and name.split("/")[0] in self.roots

    def has(self, path):
        if path.startswith(MADE):
            return True
        for p in expand(path.rstrip("/")):
            where = self.names if "/" not in p else [*self.files, *self.folders]
            if p not in where and not fnmatch.filter(where, p):
                return False
        return True


def names_of(text):
    """What stands in backquotes, code blocks left out."""
    return re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", re.sub(r"(?m)^    .*$", "", text))


def faults(tree, path):
    with open(f"{tree.top}/{path}", encoding="utf-8") as f:
        text = f.read()
    for start, lines in parts(text):
        for nr, line in enumerate(lines, start):
            if len(line) > COLUMNS:
                yield f"{nr}: {len(line)} columns"
        if len(lines) > LINES:
            yield f"{start}: a paragraph of {len(lines)} lines"
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if ":" in target:
            continue
        file, _, anchor = target.partition("#")
        full = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
        if not os.path.exists(f"{tree.top}/{full}"):
            yield f"links to {target}: there is no {full}"
        elif anchor:
            with open(f"{tree.top}/{full}", encoding="utf-8") as f:
                if anchor not in slugs(f.read()):
                    yield f"links to {target}: there is no such heading"
    for name in names_of(text):
        call = re.fullmatch(r"(\w+)\(\)", name)
        if call:
            if (OURS.match(call[1]) or path.endswith("developing.md")) and call[1] not in tree.words:
                yield f"names {name}, which isn't in the sources"
        elif name.endswith("[]") and name[:-2] not in tree.tables:
            yield f"names {name}, which isn't in the sources"
        elif tree.would_have(name) and not tree.has(name):
            yield f"names {name}, which isn't there"


def unnamed(tree):
    """What status.c and table_options.c have and interface.md has not; a field that is only there."""
    def source(name):
        with open(f"{tree.top}/{name}", encoding="utf-8") as f:
            return f.read()
    with open(f"{tree.top}/docs/interface.md", encoding="utf-8") as f:
        text = f.read()
    known, told = (set(re.findall(r"`(\w+)", " ".join(re.findall(r"^\| ([^|]*) \|", t, re.M))))
                   for t in (text, text.split("\n## Status\n")[1].split("\n## ")[0]))
    status = source("dm-target/dm/status.c").split("STATUSTYPE_IMA")[0]
    fields = re.findall(r'^\t\[\w+\] = "(\w+)"', status, re.M) + re.findall(r'[ "](\w+)=%', status)
    options = re.findall(r"\{ FIELD\((\w+)\)", source("shared/table_options.c"))
    assert len(fields) > 40 and len(options) > 4, "status.c and table_options.c aren't understood any more"
    for name in fields + options:
        if name not in known:
            yield f"docs/interface.md: has no {name}"
    for name in told.difference(fields):
        yield f"docs/interface.md: {name} isn't in the status line"


def main():
    tree = Tree(os.path.abspath(sys.argv[1]))
    docs = [f for f in tree.files if f.endswith(".md") and not f.startswith("docs/bench/")]
    files = sys.argv[2:] or sorted(docs)
    bad = [f"{path}: {fault}" for path in files for fault in faults(tree, path)]
    if "docs/interface.md" in files:
        bad.extend(unnamed(tree))
    print("\n".join(bad) if bad else f"{len(files)} files")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()

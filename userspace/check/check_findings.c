// SPDX-License-Identifier: GPL-2.0-only
/*
 * What check finds: the kinds, how bad each is, and the list of them.
 */
#include <stdarg.h>
#include <stdio.h>

#include "check/check.h"

/* What is found, as the summary names it; docs/tool.md explains each. */
const struct check_kind_name check_kinds[CK_KINDS] = {
	[CK_SUPERBLOCK] = { "superblock", CHECK_DAMAGE },
	[CK_NODE] = { "node", CHECK_DAMAGE },
	[CK_TREE_BOUNDS] = { "tree-bounds", CHECK_DAMAGE },
	[CK_KEY_RECORD] = { "key-record", CHECK_DAMAGE },
	[CK_OWNER_RECORD] = { "owner-record", CHECK_DAMAGE },
	[CK_OWNER_KEY] = { "owner-key", CHECK_DAMAGE },
	[CK_OWNER_COUNT] = { "owner-count", CHECK_NOTE },
	[CK_OWNED_FLAG] = { "owned-flag", CHECK_DAMAGE },
	[CK_SECTOR_RECORD] = { "sector-record", CHECK_DAMAGE },
	[CK_LOG] = { "log", CHECK_DAMAGE },
	[CK_RECOVERY] = { "recovery", CHECK_DAMAGE },
	[CK_DATA] = { "data", CHECK_DAMAGE },
	[CK_OWNED_DATA] = { "owned-data", CHECK_DAMAGE },
	[CK_UNREADABLE] = { "unreadable", CHECK_UNREAD },
	[CK_TORN] = { "torn", CHECK_NOTE },
	[CK_UNSETTLED] = { "unsettled", CHECK_UNREAD },
	[CK_LOST] = { "lost", CHECK_NOTE },
};

const char * const check_grades[] = {
	[CHECK_NOTE] = "note",
	[CHECK_UNREAD] = "unreadable",
	[CHECK_DAMAGE] = "damage",
};

/**
 * check_report() - something was found
 * @c: the run
 * @kind: what kind of finding
 * @place: where
 * @fmt: what, for people
 */
void check_report(struct check *c, enum check_kind kind,
		  const struct check_place *place, const char *fmt, ...)
{
	struct check_problem *p;
	va_list ap;

	c->kinds[kind]++;
	if (c->listed == CHECK_LISTED)
		return;
	p = &c->problem[c->listed++];
	p->kind = kind;
	p->place = *place;
	va_start(ap, fmt);
	vsnprintf(p->text, sizeof(p->text), fmt, ap);
	va_end(ap);
	if (c->json)
		return;
	progress_clear();
	if (place->dev)
		say("%s: %s (byte %llu of %s)", check_grades[check_kinds[kind].grade],
		    p->text, (unsigned long long)place->offset,
		    place->dev->path);
	else
		say("%s: %s", check_grades[check_kinds[kind].grade], p->text);
	if (c->listed == CHECK_LISTED)
		say("further findings are only counted");
	fflush(stdout);
}

/**
 * check_graded() - how many findings were of a grade
 * @c: the run
 * @grade: which
 *
 * Return: their number.
 */
u64 check_graded(const struct check *c, enum check_grade grade)
{
	u64 n = 0;

	for (int k = 0; k < CK_KINDS; k++)
		if (check_kinds[k].grade == grade)
			n += c->kinds[k];
	return n;
}

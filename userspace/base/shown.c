// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text that somebody else chose (names of files, labels, what a device says of
 * itself), as it may be shown: nothing of it acts on a terminal, ends a line
 * early or looks like something else.  Needs nothing but libc, so the PAM
 * module has it, too.
 */
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/**
 * shown_decode() - the next character of a text in UTF-8
 * @s: text, not at its end
 * @c: receives the code point, if there is one
 *
 * Return: its bytes; 0 if what is there isn't UTF-8.
 */
size_t shown_decode(const char *s, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s;
	size_t n = *p < 0x80 ? 1 : *p < 0xc0 ? 0 : *p < 0xe0 ? 2 :
		   *p < 0xf0 ? 3 : *p < 0xf8 ? 4 : 0;

	*c = n < 2 ? *p : *p & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (p[i] & 0x3f);
	}
	if (n && (*c < least[n] || *c > 0x10ffff ||
		  (*c >= 0xd800 && *c < 0xe000)))
		return 0;
	return n;
}

/* Control characters, and those that are unseen or turn text around. */
static bool is_plain(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} odd[] = {
		{ 0, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad }, { 0x61c, 0x61c },
		{ 0x180e, 0x180e }, { 0x200b, 0x200f }, { 0x2028, 0x202e },
		{ 0x2060, 0x206f }, { 0xfeff, 0xfeff }, { 0xfff0, 0xffff },
		{ 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		if (c >= odd[i].first && c <= odd[i].last)
			return false;
	return true;
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Are other bytes than ASCII characters, where our output goes? */
static bool has_utf8(void)
{
	static int known = -1;

	if (known < 0) {
		locale_t l = newlocale(LC_CTYPE_MASK, "", (locale_t)0);

		known = l && !strcmp(nl_langinfo_l(CODESET, l), "UTF-8");
		if (l)
			freelocale(l);
	}
	return known;
}

/**
 * shown_text() - a text as a terminal or a log may have it
 * @s: any bytes
 *
 * What can't be shown is written as octal digits, "\033"; a backslash that
 * octal digits follow is, too, so that no two texts look the same.
 *
 * Return: allocated, one line; NULL without memory.
 */
char *shown_text(const char *s)
{
	char *out = malloc(4 * strlen(s) + 1), *to = out;
	bool utf8 = has_utf8();

	while (out && *s) {
		uint32_t c;
		size_t n = shown_decode(s, &c), i;
		bool plain = n && is_plain(c) && (n == 1 || utf8) &&
			     !(c == '\\' && is_octal(s[1]));

		for (i = 0; i < (n ? n : 1); i++, s++)
			if (plain)
				*to++ = *s;
			else
				to += sprintf(to, "\\%03o", (unsigned char)*s);
	}
	if (out)
		*to = 0;
	return out;
}

/**
 * shown_format() - a message with somebody else's words in it, as a terminal may have it
 * @fmt: as printf
 * @ap: what goes into it
 *
 * Return: allocated, one line; NULL without memory.
 */
char *shown_format(const char *fmt, va_list ap)
{
	char *text, *shown;

	if (vasprintf(&text, fmt, ap) < 0)
		return NULL;
	shown = shown_text(text);
	free(text);
	return shown;
}

static char *next_word(void)
{
	static char words[4][4 * 4096 + 8];
	static unsigned int next;

	return words[next++ % 4];
}

/* These characters mean nothing to a shell. */
static bool is_safe(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("_-+=:@%,./", c));
}

/**
 * shown_word() - a text as one word of a command that is to be pasted
 * @s: any bytes
 *
 * Quoted as a shell needs it, and in no other way: it may be part of what
 * shown_text() is called for.
 *
 * Return: good until the fourth call after this one.
 */
const char *shown_word(const char *s)
{
	bool simple = true;
	size_t len = 0;
	char *to, *out;

	while (is_safe(s[len]))
		len++;
	if (len && !s[len])
		return s;
	/* A word that was cut off would be another word. */
	if (strlen(s) > 4096)
		return "...";
	for (const char *p = s; *p; p++)
		simple = simple && *p >= ' ' && *p <= '~' && *p != '\\' &&
			 *p != '\'';
	out = next_word();
	to = out + sprintf(out, simple ? "'" : "$'");
	for (; *s; s++)
		if (simple || (*s >= ' ' && *s <= '~' && *s != '\\' &&
			       *s != '\''))
			*to++ = *s;
		else
			to += sprintf(to, "\\x%02x", (unsigned char)*s);
	strcpy(to, "'");
	return out;
}

/**
 * shown_path() - a path as one word of a command that is to be pasted
 * @path: any path
 *
 * As shown_word(), and never taken for an option.
 *
 * Return: good until the fourth call of either after this one.
 */
const char *shown_path(const char *path)
{
	char below[4096 + 3];

	if (*path != '-' || strlen(path) > 4096)
		return shown_word(path);
	snprintf(below, sizeof(below), "./%s", path);
	path = shown_word(below);
	/* What needs no quotes is what it was given, and that is gone then. */
	return path == below ? strcpy(next_word(), below) : path;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Results as JSON, or as text with the same names and values.
 */
#include <string.h>

#include "base/base.h"

static const struct argp_option json_options[] = {
	{ "json", 'j', NULL, 0, "As JSON, numbers as numbers", 0 },
	{ 0 }
};

static error_t parse_json(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != 'j')
		return ARGP_ERR_UNKNOWN;
	*(bool *)state->input = true;
	return 0;
}

const struct argp json_argp = {
	.options = json_options, .parser = parse_json,
};

/**
 * put_u64() - add a number
 * @o: object
 * @name: its name
 * @n: value
 */
void put_u64(struct json_object *o, const char *name, u64 n)
{
	json_object_object_add(o, name, json_object_new_uint64(n));
}

/**
 * put_bool() - add true or false
 * @o: object
 * @name: its name
 * @b: value
 */
void put_bool(struct json_object *o, const char *name, bool b)
{
	json_object_object_add(o, name, json_object_new_boolean(b));
}

/**
 * put_str() - add a string
 * @o: object
 * @name: its name
 * @s: value, copied
 */
void put_str(struct json_object *o, const char *name, const char *s)
{
	json_object_object_add(o, name, json_object_new_string(s));
}

/**
 * put_hex() - add bytes as hexadecimal digits
 * @o: object
 * @name: their name
 * @p: bytes
 * @n: how many, at most 64
 */
void put_hex(struct json_object *o, const char *name, const u8 *p, size_t n)
{
	char digits[2 * 64 + 1];

	hex(p, n, digits);
	put_str(o, name, digits);
}

/**
 * put_list() - add an empty array
 * @o: object
 * @name: its name
 *
 * Return: the array, which @o holds.
 */
struct json_object *put_list(struct json_object *o, const char *name)
{
	struct json_object *list = json_object_new_array();

	json_object_object_add(o, name, list);
	return list;
}

/**
 * put_object() - add an empty object
 * @o: object or array
 * @name: its name, NULL if @o is an array
 *
 * Return: the new one, which @o holds.
 */
struct json_object *put_object(struct json_object *o, const char *name)
{
	struct json_object *j = json_object_new_object();

	if (name)
		json_object_object_add(o, name, j);
	else
		json_object_array_add(o, j);
	return j;
}

/* Write a character that ASCII doesn't have as JSON does. */
static void put_escaped(u32 c)
{
	if (c < 0x10000)
		printf("\\u%04x", c);
	else
		printf("\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
		       0xdc00 + ((c - 0x10000) & 0x3ff));
}

/**
 * out_json() - print as JSON, in ASCII
 * @o: object or array
 *
 * JSON has characters, names have bytes: those that aren't UTF-8 are written as
 * shown_text() does, "\377", and so is a backslash that octal digits follow.
 */
void out_json(struct json_object *o)
{
	const char *s = json_object_to_json_string_ext(o,
						       JSON_C_TO_STRING_PRETTY |
						       JSON_C_TO_STRING_SPACED |
						       JSON_C_TO_STRING_NOSLASHESCAPE);

	/* Outside of its strings JSON has neither backslashes nor such bytes. */
	while (*s) {
		u32 c;
		size_t n = shown_decode(s, &c);

		if (!strncmp(s, "\\\\", 2)) {
			printf(s[2] >= '0' && s[2] <= '7' ? "\\\\134" :
							    "\\\\");
			n = 2;
		} else if (!n) {
			printf("\\\\%03o", (unsigned char)*s);
			n = 1;
		} else if (n > 1 || c == 0x7f) {
			put_escaped(c);
		} else {
			putchar(*s);
		}
		s += n;
	}
	putchar('\n');
}

static void print_value(const char *name, struct json_object *val, int indent)
{
	if (!json_object_is_type(val, json_type_array)) {
		say("%*s%-*s %s", indent, "", 18 - indent, name,
		    json_object_get_string(val));
		return;
	}
	say("%*s%s", indent, "", name);
	for (size_t i = 0; i < json_object_array_length(val); i++) {
		say("%*s%zu", indent + 2, "", i);
		out_text(json_object_array_get_idx(val, i), indent + 4);
	}
}

/**
 * out_text() - print names and values, one pair a line
 * @o: object of plain values and arrays of such objects
 * @indent: columns to begin at
 */
void out_text(struct json_object *o, int indent)
{
	struct json_object_iterator it = json_object_iter_begin(o);
	struct json_object_iterator end = json_object_iter_end(o);

	for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it))
		print_value(json_object_iter_peek_name(&it),
			    json_object_iter_peek_value(&it), indent);
}

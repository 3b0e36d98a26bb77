/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Results that are built as JSON, and printed as that or as text with the same
 * names and values.
 */
#ifndef IC_OUT_H
#define IC_OUT_H

#include <json-c/json.h>

#include "inocrypt.h"

void put_u64(struct json_object *o, const char *name, u64 n);
void put_bool(struct json_object *o, const char *name, bool b);
void put_str(struct json_object *o, const char *name, const char *s);
void put_hex(struct json_object *o, const char *name, const u8 *p, size_t n);
struct json_object *put_list(struct json_object *o, const char *name);
struct json_object *put_object(struct json_object *o, const char *name);
void out_json(struct json_object *o);
void out_text(struct json_object *o, int indent);

#endif /* IC_OUT_H */

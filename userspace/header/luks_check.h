/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a LUKS2 header of ours looks like.
 */
#ifndef IC_LUKS_CHECK_H
#define IC_LUKS_CHECK_H

#include <json-c/json.h>

#include "base/base.h"

#define LUKS_CIPHER		"aes"
#define LUKS_MODE		"xts-plain64"

/* Beyond any device: 2^53 sectors of 512 bytes. */
#define LUKS_DATA_OFFSET	0x20000000000000ULL
#define LUKS_DATA_OFFSET_TEXT	"4611686018427387904"

const char *luks_judge_cost(bool argon2, u64 passes, u64 memory, u64 threads);
const char *luks_judge(struct json_object *header, int *unbound);
int luks_ignored_slot(struct json_object *header, unsigned int *ignored);
unsigned int luks_count(struct json_object *header, const char *kind);

#endif /* IC_LUKS_CHECK_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inocrypt dump, the log.
 */
#ifndef IC_DUMP_LOG_H
#define IC_DUMP_LOG_H

#include "log_format.h"
#include "out.h"
#include "volume.h"

int dump_log(struct json_object *o, struct volume *v,
	     const u8 vk[IC_KEY_SIZE]);
int dump_log_block(struct json_object *o, struct volume *v,
		   const u8 vk[IC_KEY_SIZE], u64 seq);
int dump_log_of(struct json_object *o, struct volume *v,
		const u8 vk[IC_KEY_SIZE], enum ic_log_type type, u64 nr,
		union ic_record *rec, u64 *data_at);

#endif /* IC_DUMP_LOG_H */

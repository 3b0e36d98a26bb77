/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Looking at policies: of one file, and of all below a directory.
 */
#ifndef IC_POLICY_H
#define IC_POLICY_H

#include <json-c/json.h>

#include "ext4_owner.h"
#include "inocrypt.h"

/* A key id, "user-key", "no-key" or "none" */
#define POLICY_NAME_SIZE	KEY_ID_STR_SIZE

int policy_read(int at, const char *path, struct ext4_owner_policy *policy);
void policy_name(const struct ext4_owner_policy *policy,
		 char out[POLICY_NAME_SIZE]);
void policy_put(struct json_object *o, const struct ext4_owner_policy *policy);
int policy_report(const char *path, bool json);

#endif /* IC_POLICY_H */

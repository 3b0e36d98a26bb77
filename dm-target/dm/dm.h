/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What device mapper and a file system call.
 */
#ifndef IC_DM_H
#define IC_DM_H

#include "core/table.h"

/* args.c */
int ic_parse_args(struct inocrypt *ic, unsigned int argc, char **argv);

/* volume.c */
struct ic_volume *ic_volume_get(struct inocrypt *ic);
void ic_volume_put(struct ic_volume *vol, struct inocrypt *ic);
void ic_volume_bind(struct ic_volume *vol, struct bio *bio, int err);
int ic_volume_set_raw(struct ic_volume *vol, bool raw);

/* message.c, status.c */
int ic_message(struct dm_target *ti, unsigned int argc, char **argv,
	       char *result, unsigned int maxlen);
void ic_status(struct dm_target *ti, status_type_t type,
	       unsigned int status_flags, char *result, unsigned int maxlen);

#endif /* IC_DM_H */

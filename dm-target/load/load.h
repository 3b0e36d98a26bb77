/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Activation: superblocks and recovery.
 */
#ifndef IC_LOAD_H
#define IC_LOAD_H

#include "core/table.h"

/* load.c */
int ic_read_super(struct inocrypt *ic, const u8 *vk, char **error);
int ic_load(struct inocrypt *ic);

/* recovery_io.c */
int ic_recover_log(struct inocrypt *ic);

#endif /* IC_LOAD_H */

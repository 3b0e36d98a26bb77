/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Activation: superblocks and recovery.
 */
#ifndef IC_LOAD_H
#define IC_LOAD_H

#include "core/table.h"
#include "activation_order.h"

/* load.c */
int ic_read_super(struct inocrypt *ic, const u8 *vk, char **error);
int ic_load(struct inocrypt *ic);

/* recovery_io.c */
struct ic_recovery_home;

struct ic_recovery_home *ic_recovery_home_new(struct inocrypt *ic);
void ic_recovery_home_free(struct ic_recovery_home *r);
int ic_recovery_run(struct ic_recovery_home *r, struct ic_activation *a);
void ic_recovery_adopt(struct ic_recovery_home *r);
int ic_recovery_commit(struct ic_recovery_home *r);

#endif /* IC_LOAD_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checkpoints, and the erasures that wait for them.
 */
#ifndef IC_CHECKPOINT_H
#define IC_CHECKPOINT_H

#include "core/table.h"

/* checkpoint.c */
int ic_checkpoint_init(struct inocrypt *ic);
void ic_checkpoint_exit(struct inocrypt *ic);
int ic_checkpoint_run(struct inocrypt *ic);
int ic_checkpoint_same(struct inocrypt *ic);
int ic_checkpoint_sync(struct inocrypt *ic);
void ic_checkpoint_stop(struct inocrypt *ic);

/* erase.c */
bool ic_erase_pending(struct inocrypt *ic);
int ic_erase_look(struct inocrypt *ic);
int ic_erase_sync(struct inocrypt *ic);

#endif /* IC_CHECKPOINT_H */

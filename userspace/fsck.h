/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * e2fsck on an open volume, for the commands fsck and attach.
 */
#ifndef IC_FSCK_H
#define IC_FSCK_H

#include "inocrypt.h"

/* e2fsck's exit codes, as far as we give them ourselves. */
#define FSCK_ERRORS_LEFT	4
#define FSCK_OPERATIONAL	8
#define FSCK_USAGE		16

int fsck_run(const char *name, char *const *options);

#endif /* IC_FSCK_H */

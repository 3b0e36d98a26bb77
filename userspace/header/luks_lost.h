/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happened to a LUKS2 header that can't be loaded, and what brings it back.
 */
#ifndef IC_LUKS_LOST_H
#define IC_LUKS_LOST_H

#include "base/base.h"

int luks_copy_header(int fd);
u64 luks_copy_size(int fd, u64 at);
bool luks_explain_lost(int fd, const char *path);

#endif /* IC_LUKS_LOST_H */

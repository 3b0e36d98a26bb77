/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Are our kernel modules there, and if not, what is in the way?
 */
#ifndef IC_MODULES_H
#define IC_MODULES_H

#include "inocrypt.h"

#define MODULE_WHY_SIZE	1024

extern const char *modules_root;

void modules_target_trouble(const char *said, char why[MODULE_WHY_SIZE]);
bool modules_ext4_trouble(char why[MODULE_WHY_SIZE]);
int modules_nothing_mounted(int code);
int modules_not_on_volume(int code, const char *path);

#endif /* IC_MODULES_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The target's side of the table fuzzer.
 */
#ifndef SHIM_TARGET_H
#define SHIM_TARGET_H

#include <stddef.h>

void target_table(char *line);
void target_message(char *line, size_t maxlen, unsigned int answers);

#endif /* SHIM_TARGET_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device-mapper devices of the tests that are programs.
 */
#ifndef DEVMAPPER_H
#define DEVMAPPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void dm_quiet(void);
const char *dm_tell(const char *name, const char *message);
void dm_send(const char *name, const char *message);
const char *dm_make(const char *name, uint64_t sectors, const char *type,
		    const char *params, bool readonly);
bool dm_drop(const char *name);
void dm_status(const char *name, char *line, size_t size);
bool dm_status_field(const char *name, const char *field, uint64_t *value);

#endif /* DEVMAPPER_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device-mapper devices of the tests that are programs.
 */
#include <err.h>
#include <libdevmapper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devmapper.h"

static char last_error[256];

static void log_fn(int level, const char *file, int line, int dm_errno,
		   const char *fmt, ...)
{
	va_list ap;

	(void)file;
	(void)line;
	(void)dm_errno;
	if ((level & 7) > 3)
		return;
	va_start(ap, fmt);
	vsnprintf(last_error, sizeof(last_error), fmt, ap);
	va_end(ap);
}

/**
 * dm_quiet() - libdevmapper's messages are ours to print
 */
void dm_quiet(void)
{
	dm_log_with_errno_init(log_fn);
}

static struct dm_task *new_task(int type, const char *name)
{
	struct dm_task *t = dm_task_create(type);

	if (!t || !dm_task_set_name(t, name))
		errx(1, "device-mapper: %s", last_error);
	return t;
}

/**
 * dm_tell() - send a target a message
 * @name: of the device
 * @message: text
 *
 * Return: NULL, or why it was refused.
 */
const char *dm_tell(const char *name, const char *message)
{
	struct dm_task *t = new_task(DM_DEVICE_TARGET_MSG, name);
	const char *bad = NULL;

	if (!dm_task_set_sector(t, 0) || !dm_task_set_message(t, message) ||
	    !dm_task_run(t))
		bad = last_error;
	dm_task_destroy(t);
	return bad;
}

/**
 * dm_send() - send a target a message that it has to take
 * @name: of the device
 * @message: text
 */
void dm_send(const char *name, const char *message)
{
	const char *bad = dm_tell(name, message);

	if (bad)
		errx(1, "%s: %s: %s", name, message, bad);
}

/**
 * dm_make() - make a device with one target
 * @name: of the device
 * @sectors: length, in 512 bytes
 * @type: of the target
 * @params: of the target
 * @readonly: nothing may write to it
 *
 * Return: NULL, or a message.
 */
const char *dm_make(const char *name, uint64_t sectors, const char *type,
		    const char *params, bool readonly)
{
	struct dm_task *t = new_task(DM_DEVICE_CREATE, name);
	uint32_t cookie = 0;
	const char *bad = NULL;

	if (!dm_task_add_target(t, 0, sectors, type, params) ||
	    (readonly && !dm_task_set_ro(t)) ||
	    !dm_task_set_cookie(t, &cookie, 0) || !dm_task_run(t))
		bad = last_error;
	dm_udev_wait(cookie);
	dm_task_destroy(t);
	return bad;
}

/**
 * dm_drop() - take a device away
 * @name: of the device
 */
bool dm_drop(const char *name)
{
	struct dm_task *t = new_task(DM_DEVICE_REMOVE, name);
	uint32_t cookie = 0;
	bool ok;

	dm_task_retry_remove(t);
	ok = dm_task_set_cookie(t, &cookie, 0) && dm_task_run(t);
	dm_udev_wait(cookie);
	dm_task_destroy(t);
	return ok;
}

/**
 * dm_status() - a device's status line
 * @name: of the device, which has one target
 * @line: receives the target's part of it
 * @size: of @line
 */
void dm_status(const char *name, char *line, size_t size)
{
	struct dm_task *t = new_task(DM_DEVICE_STATUS, name);
	char *type, *params = NULL;
	uint64_t start, length;

	dm_task_no_flush(t);
	if (!dm_task_run(t))
		errx(1, "%s: status: %s", name, last_error);
	dm_get_next_target(t, NULL, &start, &length, &type, &params);
	snprintf(line, size, "%s", params ? params : "");
	dm_task_destroy(t);
}

/**
 * dm_status_field() - one "name=value" of a status line
 * @name: of the device
 * @field: name
 * @value: receives the value
 *
 * Return: whether it is there.
 */
bool dm_status_field(const char *name, const char *field, uint64_t *value)
{
	char line[4096], *at;
	size_t n = strlen(field);

	dm_status(name, line, sizeof(line));
	for (at = line; at; at = strchr(at, ' ')) {
		at += *at == ' ';
		if (strncmp(at, field, n) || at[n] != '=')
			continue;
		*value = strtoull(at + n + 1, NULL, 10);
		return true;
	}
	return false;
}

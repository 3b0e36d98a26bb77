/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the commands of the tool share: exit codes, messages, small parsers,
 * secrets, the device-mapper and keyring calls.
 */
#ifndef INOCRYPT_H
#define INOCRYPT_H

#include <argp.h>
#include <keyutils.h>
#include <stdbool.h>
#include <stdio.h>

#include "seam_user.h"

/* As in the kernel. */
#ifndef __printf
#define __printf(a, b)	__attribute__((format \
					(printf, a, b)))
#endif
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define TARGET_NAME	"inocrypt"
#define DM_UUID_PREFIX	"INOCRYPT-"

/* The tool's exit codes, part of its interface. */
enum {
	EX_DONE = 0,
	EX_FAIL = 1,		/* anything without a code of its own */
	EX_USAGE = 2,		/* wrong arguments */
	EX_AUTH = 3,		/* wrong key, or changed behind our back */
	EX_BUSY = 4,		/* in use */
	EX_IO = 5,		/* a device failed */
	EX_NOVOLUME = 6,	/* no such device, or no inocrypt volume there */
	EX_NOKEY = 7,		/* the key isn't loaded, or not known */
	EX_DAMAGED = 8,		/* check found damage */
	EX_REPAIRED = 9,	/* and has repaired all of it */
	EX_ROLLBACK = 10,	/* older than its anchor, or a fork */
	EX_ANCHOR = 11,		/* the anchor isn't authentic */
	EX_GIVEN_UP = 12,	/* open, but data was given up, as was asked for */
};

/* Commands; argv[0] is the command's name. */
int cmd_format(int argc, char **argv);
int cmd_open(int argc, char **argv);
int cmd_close(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_key(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_erase(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_raw(int argc, char **argv);
int cmd_checkpoint(int argc, char **argv);
int cmd_anchor(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_detach(int argc, char **argv);
int cmd_fsck(int argc, char **argv);

/* say.c */
int fail(int code, const char *fmt, ...) __printf(2, 3);
void warn(const char *fmt, ...) __printf(1, 2);
void tell(const char *fmt, ...) __printf(1, 2);
void say(const char *fmt, ...) __printf(1, 2);
void say_part(const char *fmt, ...) __printf(1, 2);
void say_end(void);
void args_error(const struct argp_state *state, const char *fmt, ...)
	__printf(2, 3);
void say_begin(void);

/* util.c */
#define UUID_STR_SIZE	37
#define KEY_ID_STR_SIZE	(2 * IC_KEY_ID_SIZE + 1)

int errno_code(int err);
int parse_command(const struct argp *argp, int argc, char **argv, void *input);
bool parse_size(const char *s, u64 *out);
bool parse_u64(const char *s, u64 *out);
bool parse_hex(const char *s, u8 *out, size_t n);
void hex(const u8 *in, size_t n, char *out);
void uuid_format(const u8 uuid[IC_UUID_SIZE], char out[UUID_STR_SIZE]);
bool uuid_parse_any(const char *s, u8 uuid[IC_UUID_SIZE]);
int random_bytes(void *buf, size_t n);

/**
 * struct secret - a key in memory that isn't swapped out
 */
struct secret {
	u8	key[IC_KEY_SIZE];
	bool	locked;
};

int secret_read(struct secret *s, const char *path);
void secret_wipe(struct secret *s);
void stack_wipe(void);

/* dm.c */

/**
 * struct dm_volume - what device-mapper says of an open volume
 * @name: device-mapper name
 * @uuid: of the volume, if @has_uuid
 * @snapshot: it may be another one's of the same UUID: what is kept for that, the
 *	anchor, is none of its business
 * @sectors: length in 512-byte sectors
 * @table: parameters of the table line
 * @status: status line
 */
struct dm_volume {
	const char	*name;
	u8		uuid[IC_UUID_SIZE];
	bool		has_uuid;
	bool		readonly;
	bool		snapshot;
	int		open_count;
	unsigned int	major, minor;
	u64	sectors;
	char		*table;
	char		*status;
};

const char *dm_plain_name(const char *name);
int dm_volume_get(struct dm_volume *v, const char *name);
void dm_volume_put(struct dm_volume *v);
int dm_need_target(void);
int dm_volume_create(const char *name, const u8 uuid[IC_UUID_SIZE],
		     u64 sectors, const char *table, bool readonly,
		     const char *snapshot);
int dm_volume_remove(const char *name);

/**
 * struct dm_event - what device-mapper tells without asking the target
 * @nr: number of the last event; the target raises one at each checkpoint
 */
struct dm_event {
	u32	nr;
	int	open_count;
	bool	suspended;
};

int dm_volume_event(const char *name, const u32 *after, struct dm_event *ev);
bool dm_volume_in_use(const char *name);
int dm_volume_suspend(const char *name);
int dm_volume_resume(const char *name);
int dm_volume_lock_out(const char *name, u64 sectors);
void dm_volume_warn(const struct dm_volume *v);
bool dm_status_field(const struct dm_volume *v, const char *field, char *out,
		     size_t size);
int dm_volume_message(const char *name, const char *message, char **answer);

/* keyring.c */
key_serial_t keyring_add(const char *desc, const u8 key[IC_KEY_SIZE]);
void keyring_remove(key_serial_t key);

#endif /* INOCRYPT_H */

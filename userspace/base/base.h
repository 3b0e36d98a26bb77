/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all of the tool uses: exit codes, messages, text that may be shown,
 * results, small parsers, secrets.
 */
#ifndef IC_BASE_H
#define IC_BASE_H

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>

#include <json-c/json.h>

#include "base/shown.h"
#include "port/libcrypto.h"

/* As in the kernel. */
#ifndef __printf
#define __printf(a, b)	__attribute__((format \
					(printf, a, b)))
#endif

#define MIB	(1024 * 1024ULL)

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

/* parse.c */
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

/*
 * out.c: results that are built as JSON, and printed as that or as text with
 * the same names and values.
 */
void put_u64(struct json_object *o, const char *name, u64 n);
void put_bool(struct json_object *o, const char *name, bool b);
void put_str(struct json_object *o, const char *name, const char *s);
void put_hex(struct json_object *o, const char *name, const u8 *p, size_t n);
struct json_object *put_list(struct json_object *o, const char *name);
struct json_object *put_object(struct json_object *o, const char *name);
void out_json(struct json_object *o);
void out_text(struct json_object *o, int indent);

/* Option --json for a bool, as a child of a command's parser. */
extern const struct argp json_argp;

/* args.c: the same for option --yes, and for arguments that aren't options. */
#define WORDS_MAX	3

/**
 * struct words - a command's arguments that aren't options
 * @to: where each of them goes; NULL behind the last one
 * @count: how many there are
 * @min: how many there have to be
 * @ask: what is said if there are fewer, NULL for the command's usage
 */
struct words {
	const char	**to[WORDS_MAX + 1];
	int		count, min;
	const char	*ask;
};

error_t children_parse(int key, char *arg, struct argp_state *state);
error_t words_parse(int key, char *arg, struct argp_state *state);

extern const struct argp yes_argp, words_argp;

/* progress.c */
void progress_start(bool on);
void progress_show(const char *what, u64 done, u64 all, u64 bytes);
void progress_clear(void);

#endif /* IC_BASE_H */

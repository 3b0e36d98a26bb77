/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The commands, and what several of them share.
 */
#ifndef IC_CMD_H
#define IC_CMD_H

#include "keys/keys.h"
#include "log_format.h"

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

/* cmd_fsck.c: e2fsck on an open volume, for the commands fsck and attach. */

/* e2fsck's exit codes, as far as we give them ourselves. */
#define FSCK_ERRORS_LEFT	4
#define FSCK_OPERATIONAL	8
#define FSCK_USAGE		16

int fsck_run(const char *name, char *const *options);

/* dump_log.c: inocrypt dump, the log. */
int dump_log(struct json_object *o, struct volume *v,
	     const u8 vk[IC_KEY_SIZE]);
int dump_log_block(struct json_object *o, struct volume *v,
		   const u8 vk[IC_KEY_SIZE], u64 seq);
int dump_log_of(struct json_object *o, struct volume *v,
		const u8 vk[IC_KEY_SIZE], enum ic_log_type type, u64 nr,
		union ic_record *rec, u64 *data_at);

/* cmd_key.c: what the verbs of "inocrypt key" share. */
#define KEY_ARGS	16

/**
 * struct key_args - arguments of a verb that works on a mounted volume
 * @arg: what isn't an option
 * @count: how many of them
 * @min: how many there have to be
 * @max: how many there can be
 * @mount: --mount
 * @user: --user
 * @pass: where the passphrase comes from
 * @new_key_file: where a new one comes from, NULL: as @pass without its file
 * @pbkdf: for a new one
 * @json: --json
 * @yes: don't ask
 * @all: every key
 * @all_users: for all users
 * @file_only: leave the volume's record
 * @new_passphrase: --new-passphrase
 * @children: parsers for what verbs share
 */
struct key_args {
	const char			*arg[KEY_ARGS];
	int				count, min, max;
	const char			*mount, *user;
	struct passphrase_source	pass;
	const char			*new_key_file;
	struct luks_pbkdf		pbkdf;
	bool				json, yes, all, all_users, file_only;
	bool				new_passphrase;
	struct argp_child		children[6];
};

/* Options that a verb has besides --mount and --user, see key_parse(). */
enum {
	KEY_OPT_PASS = 1,		/* a passphrase */
	KEY_OPT_PBKDF = 2,		/* what makes it slow */
	KEY_OPT_JSON = 4,		/* --json */
	KEY_OPT_YES = 8,		/* --yes */
};

enum {
	OPT_ALL_USERS = 0x600,
	OPT_FILE_ONLY,
	OPT_NEW_KEY_FILE,
	OPT_NEW_PASSPHRASE,
};

int key_parse(struct key_args *a, int argc, char **argv,
	      const struct argp_option *options, unsigned int more,
	      const char *args, const char *doc);
int key_passphrase(struct passphrase *p, const struct passphrase_source *src,
		   const char *what, const char *name, bool new);
int key_new_passphrase(struct passphrase *p, const struct key_args *a,
		       const char *name);
const struct luks_pbkdf *key_pbkdf(const struct key_args *a);
bool key_confirm(const struct key_args *a, const char *question);
bool key_name_taken(const struct key_store *s, const char *name);
const char *key_ref_name(const struct key_ref *ref, char *buf, size_t size);

/* Verbs; argv[0] is "key VERB". */
int cmd_key_add(int argc, char **argv);
int cmd_key_drop(int argc, char **argv);
int cmd_key_slots(int argc, char **argv);
int cmd_key_id(int argc, char **argv);
int cmd_key_setup(int argc, char **argv);
int cmd_key_new(int argc, char **argv);
int cmd_key_list(int argc, char **argv);
int cmd_key_unlock(int argc, char **argv);
int cmd_key_lock(int argc, char **argv);
int cmd_key_passwd(int argc, char **argv);
int cmd_key_remove(int argc, char **argv);
int cmd_key_export(int argc, char **argv);
int cmd_key_import(int argc, char **argv);
int cmd_key_default(int argc, char **argv);
int cmd_key_rotate(int argc, char **argv);

#endif /* IC_CMD_H */

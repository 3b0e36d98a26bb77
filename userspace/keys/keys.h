/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Users' keys on a mounted volume, and the policies that say which is for what.
 */
#ifndef IC_KEYS_H
#define IC_KEYS_H

#include "ext4_owner.h"
#include "header/header.h"
#include "kernel/kernel.h"

/*
 * key_dir.c: the directories of wrapped master keys on a mounted volume: what
 * is in them, and which key a name means.
 *
 * .inocrypt/keys is root's and only root makes entries in it: a directory for
 * each user, named by his uid, his own, 0700.  What is in that one nobody else
 * reads, counts or is slowed by but root, who looks at so much of it and no more;
 * its owner's quota pays for it.  Its owner may put anything there.
 */

#define KEY_DIR_TOP	".inocrypt"
#define KEY_DIR_SUB	"keys"
#define KEY_DIR_PATH	KEY_DIR_TOP "/" KEY_DIR_SUB

/* "<uid>" */
#define KEY_USER_NAME_SIZE	sizeof("4294967295")

/* "<uid>/<key id>.<8 random hexadecimal digits>.luks" */
#define KEY_FILE_SUFFIX	".luks"
#define KEY_FILE_RANDOM	8
#define KEY_FILE_NAME_SIZE \
	(KEY_USER_NAME_SIZE + 2 * EXT4_OWNER_KEY_ID_SIZE + 1 + \
	 KEY_FILE_RANDOM + sizeof(KEY_FILE_SUFFIX))

/* What root looks at of another's directory: 16 keys, copies, and some room. */
#define KEY_DIR_MAX_ENTRIES	64
#define KEY_DIR_MAX_BYTES	(64 << 10)

/* What a key file can have at most, whoever made it. */
#define KEY_FILE_MAX_BYTES	(16 << 20)

/**
 * struct key_file - a file that looks like a wrapped master key
 * @file: its path below .inocrypt/keys
 * @id: the key id that its name claims
 * @uid: whose file it is, and whose directory
 * @ino: inode number
 * @readable: the caller may read it; else @label is empty
 * @label: the key's name, valid as key_name_valid() says; or empty
 */
struct key_file {
	char	file[KEY_FILE_NAME_SIZE];
	u8	id[EXT4_OWNER_KEY_ID_SIZE];
	uid_t	uid;
	ino_t	ino;
	bool	readable;
	char	label[LUKS_LABEL_SIZE];
};

/**
 * struct key_dir - what there is, and what the volume knows
 * @files: in the order of their names
 * @nr_files: their number
 * @ignored: entries that are no key files
 * @has_own: there is a directory for who asks
 * @skipped: others' directories that were not looked at, or not at all of them
 * @skipped_uid: the first one's owner
 * @known: the volume's own records of keys, in the order of their slots
 * @nr_known: their number
 */
struct key_dir {
	struct key_file			*files;
	size_t				nr_files, ignored;
	bool				has_own;
	size_t				skipped;
	uid_t				skipped_uid;
	struct ext4_owner_key_info	*known;
	size_t				nr_known;
};

/**
 * struct key_ref - the key that is meant
 * @id: key id
 * @file: its wrapped form, NULL if there is none that can be trusted
 * @known: the volume's record, NULL if it has none
 */
struct key_ref {
	u8					id[EXT4_OWNER_KEY_ID_SIZE];
	const struct key_file			*file;
	const struct ext4_owner_key_info	*known;
};

bool key_name_valid(const char *name);
void key_user_name(uid_t uid, char name[KEY_USER_NAME_SIZE]);
int key_dir_scan(struct key_dir *d, int dirfd, uid_t uid);
const struct key_file *key_dir_own(const struct key_dir *d, const u8 *id,
				   uid_t uid);
int key_open_below(int dirfd, const char *path, int flags);
int key_file_open(int dirfd, const char *file, int flags, uid_t *uid,
		  ino_t *ino);
void key_dir_free(struct key_dir *d);
const struct ext4_owner_key_info *key_dir_known(const struct key_dir *d,
						const u8 *id);
bool key_file_trusted(const struct key_dir *d, const struct key_file *f,
		      uid_t uid);
int key_dir_find(const struct key_dir *d, const char *name, uid_t uid,
		 struct key_ref *ref);

/*
 * master_key.c: master keys as users have them on a mounted volume: each in a small LUKS2
 * file of its own in .inocrypt/keys/<uid>, handed to the kernel by ioctls that
 * anybody may use (ext4_owner.h).
 *
 * All of it is done with the caller's own rights, in his name: who acts for
 * somebody else sets his effective user (and group) before key_store_open().
 * Every function says itself what is wrong (fail()), and returns 0 or an exit
 * code.
 */

/**
 * struct key_store - the keys of one mounted volume
 * @mount: where
 * @dir: .inocrypt/keys, -1 if there is none
 * @keys: what was there when key_store_open() or key_store_read() looked
 */
struct key_store {
	struct volume_mount	mount;
	int			dir;
	struct key_dir		keys;
};

int key_store_open(struct key_store *s, const char *path);
int key_store_open_known(struct key_store *s, const char *path);
int key_store_read(struct key_store *s);
int key_store_need_dir(const struct key_store *s);
int key_store_make_dir(struct key_store *s);
int key_store_add_user(struct key_store *s, uid_t uid, gid_t gid);
int key_store_find(const struct key_store *s, const char *name,
		   struct key_ref *ref);
void key_store_close(struct key_store *s);

int master_key_create(struct key_store *s, const char *name,
		      const struct passphrase *p,
		      const struct luks_pbkdf *pbkdf, u8 *id);
int master_key_unlock(struct key_store *s, const struct key_ref *ref,
		      const struct passphrase *p);
int master_key_open_file(struct key_store *s, const struct key_ref *ref,
			 int flags);
int master_key_load(struct key_store *s, const struct secret *key,
		    const char *what, bool create, u8 *id);
int master_key_lock(struct key_store *s, const u8 *id, u32 flags,
		    struct ext4_owner_key_lock *result);
int master_key_delete(struct key_store *s, const u8 *id);
int master_key_destroy_file(struct key_store *s, const char *file);
int master_key_new_file(struct key_store *s);
int master_key_enrol(struct key_store *s, int fd, const struct secret *key,
		     const char *name, u8 *id);
int master_key_finish(struct key_store *s, const struct key_ref *ref,
		      const struct passphrase *p);

/* policy.c: looking at policies, of one file and of all below a directory. */

/* A key id, "user-key", "no-key" or "none" */
#define POLICY_NAME_SIZE	KEY_ID_STR_SIZE

int policy_read(int at, const char *path, struct ext4_owner_policy *policy);
void policy_name(const struct ext4_owner_policy *policy,
		 char out[POLICY_NAME_SIZE]);
void policy_put(struct json_object *o, const struct ext4_owner_policy *policy);
int policy_report(const char *path, bool json);

#endif /* IC_KEYS_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Master keys as users have them on a mounted volume: each in a small LUKS2
 * file of its own in .inocrypt/keys/<uid>, handed to the kernel by ioctls that
 * anybody may use (ext4_owner.h).
 *
 * All of it is done with the caller's own rights, in his name: who acts for
 * somebody else sets his effective user (and group) before key_store_open().
 * Every function says itself what is wrong (fail()), and returns 0 or an exit
 * code.
 */
#ifndef IC_MASTER_KEY_H
#define IC_MASTER_KEY_H

#include "key_dir.h"
#include "mounts.h"

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

#endif /* IC_MASTER_KEY_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt key setup, new, unlock, lock, passwd, remove: what users do with
 * their keys on a mounted volume.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"

#define FIRST_USER	1000	/* below are the system's, by login.defs */
#define NOBODY		65534

static int add_user(struct key_store *s, const char *user)
{
	const struct passwd *pw = getpwnam(user);
	u64 uid;

	if (pw)
		return key_store_add_user(s, pw->pw_uid, pw->pw_gid);
	if (!parse_u64(user, &uid) || uid >= UINT32_MAX)
		return fail(EX_USAGE, "there is no user %s", user);
	return key_store_add_user(s, uid, 0);
}

/* Root, and everybody who can log in. */
static int add_all_users(struct key_store *s)
{
	int ret = key_store_add_user(s, 0, 0);
	const struct passwd *pw;

	setpwent();
	while (!ret && (pw = getpwent())) {
		const char *shell = strrchr(pw->pw_shell, '/');

		if (pw->pw_uid >= FIRST_USER && pw->pw_uid != NOBODY &&
		    !(shell && (!strcmp(shell, "/nologin") ||
				!strcmp(shell, "/false"))))
			ret = key_store_add_user(s, pw->pw_uid, pw->pw_gid);
	}
	endpwent();
	return ret;
}

/* Nobody but root makes entries there: see key_dir.h. */
static int setup(struct key_store *s, const struct key_args *a)
{
	int ret = key_store_make_dir(s);

	for (int i = 0; !ret && i < a->count; i++)
		ret = add_user(s, a->arg[i]);
	if (!ret && !a->count)
		ret = add_all_users(s);
	return ret ? ret : key_store_read(s);
}

/**
 * cmd_key_setup() - inocrypt key setup
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_setup(int argc, char **argv)
{
	struct key_args a = { .max = KEY_ARGS };
	struct key_store s;
	int ret;

	ret = key_parse(&a, argc, argv, NULL, 0, "[USER...]",
			"Make the directories where users keep their keys, wrapped, on the volume: of these users, or of all who can log in.");
	if (!ret)
		ret = key_store_open(&s, a.mount);
	if (ret)
		return ret;
	ret = geteuid() ? fail(EX_USAGE, "key setup is for root") :
			  setup(&s, &a);
	key_store_close(&s);
	return ret;
}

/*
 * A file of that name is there, but no record: somebody was killed in between,
 * and the passphrase is the same, or nothing can be done with it.
 */
static int finish(struct key_store *s, const struct key_file *f,
		  const struct passphrase *p, u8 *id)
{
	struct key_ref ref = { .file = f };
	int ret;

	memcpy(ref.id, f->id, sizeof(ref.id));
	ret = master_key_finish(s, &ref, p);
	if (ret == EX_AUTH)
		return fail(ret,
			    "a key %s was begun here, under another passphrase, and the volume doesn't know it: inocrypt key remove %s, then again",
			    f->label, f->label);
	memcpy(id, f->id, sizeof(f->id));
	return ret;
}

/* The caller's file of that name which the volume doesn't know, or NULL. */
static const struct key_file *unfinished(const struct key_store *s,
					 const char *name)
{
	for (size_t i = 0; i < s->keys.nr_files; i++) {
		const struct key_file *f = &s->keys.files[i];

		if (f->uid == geteuid() && !strcmp(f->label, name))
			return key_dir_known(&s->keys, f->id) ? NULL : f;
	}
	return NULL;
}

/**
 * cmd_key_new() - inocrypt key new
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_new(int argc, char **argv)
{
	struct key_args a = { .min = 1, .max = 1 };
	u8 id[EXT4_OWNER_KEY_ID_SIZE];
	const struct key_args all = { 0 };
	const struct key_file *begun;
	struct passphrase p = { 0 };
	char text[KEY_ID_STR_SIZE];
	struct key_store s;
	int ret;

	ret = key_parse(&a, argc, argv, NULL, KEY_OPT_PASS | KEY_OPT_PBKDF,
			"NAME",
			"Make a key, wrapped by a passphrase, and unlock it.  Prints its id.");
	if (ret)
		return ret;
	if (!key_name_valid(a.arg[0]))
		return fail(EX_USAGE,
			    "key name %s: up to %d letters, digits and ._-@+, a letter or digit first, and not a key id or \"none\"",
			    a.arg[0], LUKS_LABEL_SIZE - 1);
	ret = key_store_open(&s, a.mount);
	if (ret)
		return ret;
	if (!s.keys.has_own && !geteuid())
		ret = setup(&s, &all);
	if (!ret)
		ret = key_store_need_dir(&s);
	begun = ret ? NULL : unfinished(&s, a.arg[0]);
	if (!ret && !begun && key_name_taken(&s, a.arg[0]))
		ret = EX_FAIL;
	if (!ret)
		ret = key_passphrase(&p, &a.pass, "Passphrase", a.arg[0],
				     true);
	if (!ret)
		ret = begun ? finish(&s, begun, &p, id) :
			      master_key_create(&s, a.arg[0], &p, &a.pbkdf, id);
	passphrase_wipe(&p);
	if (!ret) {
		hex(id, sizeof(id), text);
		say("%s", text);
	}
	key_store_close(&s);
	return ret;
}

/* A token may do without a passphrase, if the file is the caller's own. */
static bool unlock_by_token(struct key_store *s, const struct key_ref *ref)
{
	struct luks_info info = { 0 };
	char path[32];
	int fd;

	if (!ref->file || ref->file->uid != geteuid())
		return false;
	fd = master_key_open_file(s, ref, O_RDONLY);
	if (fd < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (luks_info(path, LUKS_MASTER_KEY, &info))
		info.tokens = 0;
	close(fd);
	return info.tokens && !master_key_unlock(s, ref, NULL);
}

static int unlock(struct key_store *s, const struct key_ref *ref,
		  const struct key_args *a)
{
	unsigned int tries = passphrase_tries(&a->pass);
	char buf[KEY_ID_STR_SIZE];
	struct passphrase p;
	int fd, ret;

	/* See that the file can be opened before the passphrase is typed in. */
	fd = master_key_open_file(s, ref, O_RDONLY);
	if (fd < 0)
		return EX_NOKEY;
	close(fd);
	if (!a->pass.key_file && unlock_by_token(s, ref))
		return 0;
	do {
		ret = key_passphrase(&p, &a->pass, "Passphrase",
				     key_ref_name(ref, buf, sizeof(buf)),
				     false);
		if (!ret)
			ret = master_key_unlock(s, ref, &p);
		passphrase_wipe(&p);
	} while (ret == EX_AUTH && --tries);
	return ret;
}

/**
 * cmd_key_unlock() - inocrypt key unlock
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_unlock(int argc, char **argv)
{
	struct key_args a = { .min = 1, .max = 1 };
	struct key_store s;
	struct key_ref ref;
	int ret;

	ret = key_parse(&a, argc, argv, NULL, KEY_OPT_PASS, "NAME",
			"Unlock a key: the files under it can be used, by all whom their permissions let.");
	if (!ret)
		ret = key_store_open(&s, a.mount);
	if (ret)
		return ret;
	ret = key_store_find(&s, a.arg[0], &ref);
	if (!ret)
		ret = unlock(&s, &ref, &a);
	key_store_close(&s);
	return ret;
}

/* Lock, and say what that didn't achieve. */
static int lock(struct key_store *s, const u8 *id, const char *name,
		bool all_users)
{
	struct ext4_owner_key_lock result;
	int ret = master_key_lock(s, id,
				  all_users ? EXT4_OWNER_LOCK_ALL_USERS : 0,
				  &result);

	if (ret)
		return ret;
	if (result.status & EXT4_OWNER_LOCK_OTHER_USERS) {
		warn("key %s stays unlocked: other users have unlocked it, too (root: --all-users)",
		     name);
		return 0;
	}
	if (result.status & EXT4_OWNER_LOCK_WRITE_FAILED)
		ret = fail(EX_IO,
			   "key %s is locked, but not all that had been written to its files could be written back: it is lost",
			   name);
	if (result.status & EXT4_OWNER_LOCK_PINNED)
		ret = fail(EX_BUSY,
			   "key %s is locked, but a device or a program holds pages of its files in memory that could not be wiped",
			   name);
	if (result.busy)
		ret = fail(EX_BUSY,
			   "key %s is locked; still open under it: %u file%s; nothing can be read or written there any more",
			   name, result.busy,
			   result.busy == 1 ? "" : "s");
	return ret;
}

static int lock_all(struct key_store *s, bool all_users)
{
	char buf[KEY_ID_STR_SIZE];
	int ret = 0;

	for (size_t i = 0; i < s->keys.nr_known; i++) {
		const struct ext4_owner_key_info *k = &s->keys.known[i];
		struct key_ref ref;
		int one;

		if (!(k->flags & (all_users ? EXT4_OWNER_KEY_LOADED :
					      EXT4_OWNER_KEY_MINE)))
			continue;
		hex(k->key_id, sizeof(k->key_id), buf);
		if (key_store_find(s, buf, &ref))
			continue;
		one = lock(s, k->key_id, key_ref_name(&ref, buf, sizeof(buf)),
			   all_users);
		if (one && one != EX_NOKEY)
			ret = one;
	}
	return ret;
}

/**
 * cmd_key_lock() - inocrypt key lock
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_lock(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "all", 'A', NULL, 0, "All that you have unlocked", 0 },
		{ "all-users", OPT_ALL_USERS, NULL, 0,
		  "Lock it for all who have unlocked it (root)", 0 },
		{ 0 }
	};
	struct key_args a = { .max = 1 };
	char buf[KEY_ID_STR_SIZE];
	struct key_store s;
	struct key_ref ref;
	int ret;

	ret = key_parse(&a, argc, argv, options, 0, "NAME|--all",
			"Lock a key: the files under it can't be read or written, open ones neither, and what memory had of them is wiped.");
	if (ret)
		return ret;
	if (a.all == !!a.count)
		return fail(EX_USAGE, "key lock: a name, or --all");
	ret = key_store_open(&s, a.mount);
	if (ret)
		return ret;
	if (a.all) {
		ret = lock_all(&s, a.all_users);
	} else {
		ret = key_store_find(&s, a.arg[0], &ref);
		if (!ret)
			ret = lock(&s, ref.id,
				   key_ref_name(&ref, buf, sizeof(buf)),
				   a.all_users);
	}
	key_store_close(&s);
	return ret;
}

/**
 * cmd_key_passwd() - inocrypt key passwd
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_passwd(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "new-key-file", OPT_NEW_KEY_FILE, "FILE", 0,
		  "Read the new passphrase from FILE", 0 },
		{ 0 }
	};
	struct key_args a = { .min = 1, .max = 1 };
	struct passphrase old = { 0 }, new = { 0 };
	char path[32], buf[KEY_ID_STR_SIZE];
	struct key_store s;
	struct key_ref ref;
	const char *name;
	int ret, fd = -1;

	ret = key_parse(&a, argc, argv, options, KEY_OPT_PASS | KEY_OPT_PBKDF,
			"NAME",
			"Change a key's passphrase; locked or not, nothing else changes.");
	if (!ret)
		ret = key_store_open(&s, a.mount);
	if (ret)
		return ret;
	ret = key_store_find(&s, a.arg[0], &ref);
	if (!ret) {
		fd = master_key_open_file(&s, &ref, O_RDWR);
		ret = fd < 0 ? EX_NOKEY : 0;
	}
	if (!ret) {
		name = key_ref_name(&ref, buf, sizeof(buf));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ret = key_passphrase(&old, &a.pass, "Present passphrase", name,
				     false);
		if (!ret)
			ret = key_new_passphrase(&new, &a, name);
	}
	if (!ret)
		ret = luks_change_passphrase(path, LUKS_MASTER_KEY, &old, &new,
					     key_pbkdf(&a));
	if (!ret && fsync(fd))
		ret = fail(EX_IO, "%s: %s", ref.file->file, strerror(errno));
	passphrase_wipe(&old);
	passphrase_wipe(&new);
	if (fd >= 0)
		close(fd);
	key_store_close(&s);
	return ret;
}

/* All files of that key that the caller may remove. */
static int destroy_files(struct key_store *s, const u8 *id)
{
	int ret = 0, one;

	for (size_t i = 0; i < s->keys.nr_files; i++) {
		const struct key_file *f = &s->keys.files[i];

		if (memcmp(f->id, id, sizeof(f->id)) ||
		    (geteuid() && f->uid != geteuid()))
			continue;
		one = master_key_destroy_file(s, f->file);
		ret = ret ? ret : one;
	}
	return ret;
}

static int remove_key(struct key_store *s, const struct key_ref *ref,
		      const struct key_args *a, const char *name)
{
	const struct ext4_owner_key_info *k;
	struct ext4_owner_key_lock result;
	int ret = 0;

	if (!ref->known && !ref->file)
		return fail(EX_NOKEY, "no key %s; see inocrypt key list", name);
	k = ref->known;
	if (k && k->flags & EXT4_OWNER_KEY_LOADED) {
		bool mine = k->flags & EXT4_OWNER_KEY_MINE;

		if (!a->all_users && !mine)
			return fail(EX_BUSY,
				    "another user has key %s unlocked (root: --all-users)",
				    name);
		ret = master_key_lock(s, ref->id,
				      a->all_users ? EXT4_OWNER_LOCK_ALL_USERS :
						     EXT4_OWNER_LOCK_IF_LAST,
				      &result);
	}
	if (!ret)
		ret = master_key_delete(s, ref->id);
	return ret ? ret : destroy_files(s, ref->id);
}

/**
 * cmd_key_remove() - inocrypt key remove
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_remove(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "all-users", OPT_ALL_USERS, NULL, 0,
		  "Also if others have it unlocked (root)", 0 },
		{ "file-only", OPT_FILE_ONLY, NULL, 0,
		  "Only your wrapped copy; the volume goes on knowing the key",
		  0 },
		{ 0 }
	};
	struct key_args a = { .min = 1, .max = 1 };
	char question[160], buf[KEY_ID_STR_SIZE];
	struct key_store s;
	struct key_ref ref;
	const char *name;
	int ret;

	ret = key_parse(&a, argc, argv, options, KEY_OPT_YES, "NAME",
			"Destroy a key: lock it, let the volume forget it, overwrite the files it is wrapped in.  Refused while there are files under it.");
	if (!ret)
		ret = key_store_open(&s, a.mount);
	if (ret)
		return ret;
	ret = key_store_find(&s, a.arg[0], &ref);
	if (ret)
		goto out;
	name = key_ref_name(&ref, buf, sizeof(buf));
	if (a.file_only) {
		snprintf(question, sizeof(question),
			 "Your copy of key %s will be destroyed", name);
		ret = !ref.file ? fail(EX_NOKEY, "you have no copy of key %s",
				       name) :
		      !key_confirm(&a, question) ? EX_USAGE :
		      master_key_destroy_file(&s, ref.file->file);
		goto out;
	}
	snprintf(question, sizeof(question),
		 "Key %s will be destroyed; no backup of its files can be read any more",
		 name);
	ret = key_confirm(&a, question) ? remove_key(&s, &ref, &a, name) :
					  EX_USAGE;
out:
	key_store_close(&s);
	return ret;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt key list and default: what keys there are, and which one is for the
 * user's own new files.
 */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"

/* Return: true if the user has a default key; its id in @id. */
static bool get_default(u8 *id)
{
	char text[KEY_ID_STR_SIZE + 1] = { 0 };
	key_serial_t key;

	key = keyctl_search(KEY_SPEC_USER_KEYRING, "user",
			    EXT4_OWNER_DEFAULT_KEY, 0);
	if (key < 0 || keyctl_read(key, text, sizeof(text) - 1) < 0)
		return false;
	return parse_hex(text, id, EXT4_OWNER_KEY_ID_SIZE);
}

static const char *user_name(uid_t uid, char *buf, size_t size)
{
	struct passwd *pw = getpwuid(uid);

	if (pw)
		snprintf(buf, size, "%s", pw->pw_name);
	else
		snprintf(buf, size, "%u", (unsigned int)uid);
	return buf;
}

/* Is it known whether anybody has unlocked this key? */
static bool use_known(const struct ext4_owner_key_info *k)
{
	return k->flags & EXT4_OWNER_KEY_MINE ||
	       !(k->flags & EXT4_OWNER_KEY_OTHERS_HIDDEN);
}

static const char *key_state(const struct ext4_owner_key_info *k)
{
	if (!k)
		return "unknown";
	if (!use_known(k))
		return "not unlocked by you";
	if (!(k->flags & EXT4_OWNER_KEY_LOADED))
		return "locked";
	return k->flags & EXT4_OWNER_KEY_MINE ? "unlocked" :
						"unlocked by others";
}

/* One line; @f or @k may be NULL. */
static void list_key(struct json_object *list, const struct key_file *f,
		     const struct ext4_owner_key_info *k, const u8 *standard)
{
	const u8 *id = f ? f->id : k->key_id;
	bool is_default = standard &&
			  !memcmp(standard, id, EXT4_OWNER_KEY_ID_SIZE);
	const char *name = f && f->label[0] ? f->label : NULL;
	char user[64], text[KEY_ID_STR_SIZE];
	struct json_object *o;

	user_name(f ? f->uid : k->uid, user, sizeof(user));
	if (!list) {
		/*
		 * Only who made the key, and root, can know that there is no
		 * file of it.
		 */
		bool no_file = !f && (k->uid == geteuid() || !geteuid());

		hex(id, EXT4_OWNER_KEY_ID_SIZE, text);
		say("%-16s %-12s %s %s%s%s", name ? name : "-", user, text,
		    key_state(k), no_file ? ", no file" : "",
		    is_default ? ", default" : "");
		return;
	}
	o = put_object(list, NULL);
	put_hex(o, "key_id", id, EXT4_OWNER_KEY_ID_SIZE);
	if (name)
		put_str(o, "name", name);
	put_str(o, "user", user);
	put_u64(o, "uid", f ? f->uid : k->uid);
	put_bool(o, "known", k);
	if (!k || use_known(k))
		put_bool(o, "loaded", k && k->flags & EXT4_OWNER_KEY_LOADED);
	put_bool(o, "mine", k && k->flags & EXT4_OWNER_KEY_MINE);
	if (!k || !(k->flags & EXT4_OWNER_KEY_OTHERS_HIDDEN))
		put_u64(o, "users", k ? k->users : 0);
	if (f)
		put_str(o, "file", f->file);
	put_bool(o, "default", is_default);
}

static void list_keys(const struct key_store *s, bool as_json)
{
	const struct key_dir *d = &s->keys;
	struct json_object *o = NULL, *list = NULL;
	u8 id[EXT4_OWNER_KEY_ID_SIZE];
	u8 *standard = get_default(id) ? id : NULL;
	uid_t uid = geteuid();
	size_t i, j;

	if (as_json) {
		o = json_object_new_object();
		put_str(o, "mount", s->mount.path);
		list = put_list(o, "keys");
	}
	for (i = 0; i < d->nr_files; i++) {
		const struct key_file *f = &d->files[i];

		/*
		 * The files of others are passed over: the volume's records
		 * list their keys.
		 */
		if (f->readable && key_file_trusted(d, f, uid))
			list_key(list, f, key_dir_known(d, f->id), standard);
	}
	for (i = 0; i < d->nr_known; i++) {
		const struct ext4_owner_key_info *k = &d->known[i];

		for (j = 0; j < d->nr_files; j++)
			if (d->files[j].readable &&
			    key_file_trusted(d, &d->files[j], uid) &&
			    !memcmp(d->files[j].id, k->key_id,
				    sizeof(k->key_id)))
				break;
		if (j == d->nr_files)
			list_key(list, NULL, k, standard);
	}
	if (d->skipped)
		warn("%zu users' directories weren't (all) looked at; the first: %s/%s/%u",
		     d->skipped, s->mount.path, KEY_DIR_PATH, d->skipped_uid);
	if (as_json) {
		put_u64(o, "ignored", d->ignored);
		put_u64(o, "skipped", d->skipped);
		out_json(o);
		json_object_put(o);
	}
}

/**
 * cmd_key_list() - inocrypt key list
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_list(int argc, char **argv)
{
	struct key_args a = { 0 };
	struct key_store s;
	int ret;

	ret = key_parse(&a, argc, argv, NULL, KEY_OPT_JSON, "",
			"List the volume's keys: name, user, key id, and whether it is unlocked.  Other users' keys have no names here, and only root sees which of them are unlocked.");
	if (!ret)
		ret = key_store_open(&s, a.mount);
	if (ret)
		return ret;
	list_keys(&s, a.json);
	key_store_close(&s);
	return 0;
}

static int set_default(const u8 *id)
{
	char text[KEY_ID_STR_SIZE];

	hex(id, EXT4_OWNER_KEY_ID_SIZE, text);
	if (add_key("user", EXT4_OWNER_DEFAULT_KEY, text, strlen(text),
		    KEY_SPEC_USER_KEYRING) < 0)
		return fail(EX_FAIL, "can't set it in the user keyring: %s",
			    strerror(errno));
	return 0;
}

static int clear_default(void)
{
	key_serial_t key;

	key = keyctl_search(KEY_SPEC_USER_KEYRING, "user",
			    EXT4_OWNER_DEFAULT_KEY, 0);
	if (key < 0 && errno == ENOKEY)
		return 0;
	if (key < 0 || keyctl_unlink(key, KEY_SPEC_USER_KEYRING))
		return fail(EX_FAIL, "can't clear it in the user keyring: %s",
			    strerror(errno));
	return 0;
}

/**
 * cmd_key_default() - inocrypt key default
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_default(int argc, char **argv)
{
	u8 id[EXT4_OWNER_KEY_ID_SIZE];
	struct key_args a = { .max = 1 };
	char text[KEY_ID_STR_SIZE];
	struct key_store s;
	struct key_ref ref;
	int ret;

	ret = key_parse(&a, argc, argv, NULL, 0, "[NAME|none]",
			"Choose the key of files that you make in directories with policy --user-key, until the next restart of the machine; or show which it is.");
	if (ret)
		return ret;
	if (!a.count) {
		hex(id, get_default(id) ? sizeof(id) : 0, text);
		say("%s", text[0] ? text : "none");
		return 0;
	}
	if (!strcmp(a.arg[0], "none"))
		return clear_default();
	ret = key_store_open(&s, a.mount);
	if (ret)
		return ret;
	ret = key_store_find(&s, a.arg[0], &ref);
	if (!ret)
		ret = set_default(ref.id);
	key_store_close(&s);
	return ret;
}

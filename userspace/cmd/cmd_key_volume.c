// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt key add, drop, slots, id: master keys as they are, handed to an
 * open volume through device mapper.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"

struct volume_key_args {
	const char *volume, *key_file;
	struct words words;
};

static const struct argp_option raw_options[] = {
	{ "master-key-file", 'k', "FILE", 0,
	  "Master key: 32 random bytes, - for standard input", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct volume_key_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->words;
		break;
	case 'k':
		a->key_file = arg;
		break;
	case ARGP_KEY_END:
		if (!a->key_file)
			args_error(state, "--master-key-file is needed");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = {
	{ &words_argp, 0, NULL, 0 }, { 0 }
};

/* A master key's id on a volume, known by its UUID or by its open name. */
static int key_id_of(const char *volume, const struct secret *mk,
		     char out[KEY_ID_STR_SIZE])
{
	u8 uuid[IC_UUID_SIZE], id[IC_KEY_ID_SIZE];
	struct dm_volume v;
	int ret;

	if (!uuid_parse_any(volume, uuid)) {
		ret = dm_volume_get(&v, volume);
		if (ret)
			return ret;
		dm_volume_put(&v);
		if (!v.has_uuid)
			return fail(EX_FAIL,
				    "%s wasn't opened by this tool; give the volume's UUID",
				    volume);
		memcpy(uuid, v.uuid, sizeof(uuid));
	}
	if (ic_derive_key_id(mk->key, uuid, id))
		return fail(EX_FAIL, "libcrypto fails");
	hex(id, sizeof(id), out);
	return 0;
}

static int key_id(const char *volume, const char *key_file)
{
	char id[KEY_ID_STR_SIZE];
	struct secret mk = { 0 };
	int ret = secret_read(&mk, key_file);

	if (!ret)
		ret = key_id_of(volume, &mk, id);
	secret_wipe(&mk);
	if (!ret)
		say("%s", id);
	return ret;
}

static int key_add(const char *name, const char *key_file)
{
	char desc[32], message[64], digits[17], *answer = NULL;
	struct secret mk = { 0 };
	struct dm_volume v;
	key_serial_t key = -1;
	u8 unique[8];
	int ret, err;

	/* Fails early on what isn't a volume, before a key is around. */
	ret = dm_volume_get(&v, name);
	if (ret)
		return ret;
	dm_volume_put(&v);
	ret = random_bytes(unique, sizeof(unique));
	if (!ret)
		ret = secret_read(&mk, key_file);
	if (ret)
		return ret;
	hex(unique, sizeof(unique), digits);
	snprintf(desc, sizeof(desc), "inocrypt:%s", digits);
	key = keyring_add(desc, mk.key);
	if (key == -1)
		ret = fail(EX_FAIL, "can't hand the key to the kernel: %s",
			   strerror(errno));
	secret_wipe(&mk);
	if (ret)
		return ret;
	snprintf(message, sizeof(message), "key add :%d:logon:%s", IC_KEY_SIZE,
		 desc);
	err = dm_volume_message(name, message, &answer);
	keyring_remove(key);
	if (err == -ENOSPC)
		ret = fail(EX_FAIL, "%s knows %d keys already, its limit",
			   name, IC_KEY_SLOTS);
	else if (err)
		ret = fail(errno_code(-err), "%s: can't add the key: %s", name,
			   strerror(-err));
	else
		say("%.32s", answer);
	free(answer);
	return ret;
}

static int key_drop(const char *name, const char *id)
{
	char message[16 + KEY_ID_STR_SIZE], text[KEY_ID_STR_SIZE];
	u8 bytes[IC_KEY_ID_SIZE];
	int err;

	if (!parse_hex(id, bytes, sizeof(bytes)))
		return fail(EX_USAGE,
			    "key id %s: 32 hexadecimal digits, see inocrypt key slots %s",
			    id, shown_word(name));
	hex(bytes, sizeof(bytes), text);
	snprintf(message, sizeof(message), "key remove %s", text);
	err = dm_volume_message(name, message, NULL);
	if (err == -EBUSY)
		return fail(EX_BUSY,
			    "%s: key %s: files under it are in use; close them and try again",
			    name, text);
	if (err == -ENOKEY || err == -ENOENT)
		return fail(EX_NOKEY, "%s: key %s isn't loaded", name, text);
	return err ? fail(errno_code(-err), "%s: can't drop key %s: %s",
			  name, text, strerror(-err)) : 0;
}

/* The target answers lines of "<key id> slot=<n> loaded|absent". */
static int key_slots(const char *name, bool as_json)
{
	char *answer = NULL, *save, *line;
	struct json_object *list;
	int err;

	err = dm_volume_message(name, "key list", &answer);
	if (err)
		return fail(errno_code(-err), "%s: can't list keys: %s", name,
			    strerror(-err));
	list = json_object_new_array();
	for (line = strtok_r(answer, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char id[KEY_ID_STR_SIZE], state[8];
		struct json_object *o;
		unsigned int slot;

		if (sscanf(line, "%32s slot=%u %7s", id, &slot, state) != 3)
			continue;
		if (!as_json) {
			say("%s slot %u %s", id, slot, state);
			continue;
		}
		o = put_object(list, NULL);
		put_str(o, "key_id", id);
		put_u64(o, "slot", slot);
		put_bool(o, "loaded", !strcmp(state, "loaded"));
	}
	if (as_json)
		out_json(list);
	json_object_put(list);
	free(answer);
	return 0;
}

static const struct argp add_argp = {
	raw_options, parse, "VOLUME -k FILE",
	"Hand a master key to an open volume; prints the key's id.",
	children, NULL, NULL
};

/**
 * cmd_key_add() - inocrypt key add
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_add(int argc, char **argv)
{
	struct volume_key_args a = {
		.words = { .to = { &a.volume }, .min = 1 },
	};

	parse_command(&add_argp, argc, argv, &a);
	return key_add(a.volume, a.key_file);
}

static const struct argp id_argp = {
	raw_options, parse, "VOLUME|UUID -k FILE",
	"Print the id that a master key has on a volume; changes nothing.",
	children, NULL, NULL
};

/**
 * cmd_key_id() - inocrypt key id
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_id(int argc, char **argv)
{
	struct volume_key_args a = {
		.words = { .to = { &a.volume }, .min = 1 },
	};

	parse_command(&id_argp, argc, argv, &a);
	return key_id(a.volume, a.key_file);
}

static const struct argp drop_argp = {
	NULL, words_parse, "VOLUME KEYID",
	"Take a master key from an open volume, as it is mounted or not, whoever uses it.",
	NULL, NULL, NULL
};

/**
 * cmd_key_drop() - inocrypt key drop
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_drop(int argc, char **argv)
{
	const char *volume, *id;
	struct words words = { .to = { &volume, &id }, .min = 2 };

	parse_command(&drop_argp, argc, argv, &words);
	return key_drop(volume, id);
}

static const struct argp_child slots_children[] = {
	{ &json_argp, 0, NULL, 0 }, { &words_argp, 0, NULL, 0 }, { 0 }
};

static const struct argp slots_argp = {
	NULL, children_parse, "VOLUME",
	"List the keys that an open volume knows.", slots_children, NULL, NULL
};

/**
 * cmd_key_slots() - inocrypt key slots
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_slots(int argc, char **argv)
{
	bool json = false;
	const char *volume;
	struct words words = { .to = { &volume }, .min = 1 };
	void *inputs[] = { &json, &words, NULL };

	parse_command(&slots_argp, argc, argv, inputs);
	return key_slots(volume, json);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt key: hand master keys to an open volume, take them away, list them.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "inocrypt.h"

struct key_args {
	const char *verb, *arg[2];
	int count;
	const char *key_file;
	bool json;
};

static const struct argp_option options[] = {
	{ "master-key-file", 'k', "FILE", 0,
	  "Master key: 32 random bytes, - for standard input", 0 },
	{ "json", 'j', NULL, 0, "List as JSON", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct key_args *a = state->input;

	switch (key) {
	case 'k':
		a->key_file = arg;
		break;
	case 'j':
		a->json = true;
		break;
	case ARGP_KEY_ARG:
		if (!a->verb)
			a->verb = arg;
		else if (a->count < 2)
			a->arg[a->count++] = arg;
		else
			argp_usage(state);
		break;
	case ARGP_KEY_END:
		if (!a->verb)
			argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options, parse,
	"add VOLUME -k FILE\n"
	"drop VOLUME KEYID\n"
	"slots VOLUME [--json]\n"
	"id VOLUME|UUID -k FILE",
	"Master keys of an open volume.  add makes the files under that key readable and prints the key's id; drop locks them again; id prints the id only.",
	NULL, NULL, NULL
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
		puts(id);
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
		printf("%.32s\n", answer);
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
			    id, name);
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
			printf("%s slot %u %s\n", id, slot, state);
			continue;
		}
		o = json_object_new_object();
		json_object_object_add(o, "key_id",
				       json_object_new_string(id));
		json_object_object_add(o, "slot", json_object_new_int(slot));
		json_object_object_add(o, "loaded",
				       json_object_new_boolean(!strcmp(state,
								       "loaded")));
		json_object_array_add(list, o);
	}
	if (as_json)
		puts(json_object_to_json_string_ext(list,
						    JSON_C_TO_STRING_PRETTY |
						    JSON_C_TO_STRING_SPACED));
	json_object_put(list);
	free(answer);
	return 0;
}

/**
 * cmd_key() - inocrypt key
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key(int argc, char **argv)
{
	struct key_args a = { 0 };

	parse_command(&argp, argc, argv, &a);
	if (!strcmp(a.verb, "add") && a.count == 1 && a.key_file)
		return key_add(a.arg[0], a.key_file);
	if (!strcmp(a.verb, "id") && a.count == 1 && a.key_file)
		return key_id(a.arg[0], a.key_file);
	if (!strcmp(a.verb, "drop") && a.count == 2)
		return key_drop(a.arg[0], a.arg[1]);
	if (!strcmp(a.verb, "slots") && a.count == 1)
		return key_slots(a.arg[0], a.json);
	return fail(EX_USAGE,
		    "key add VOLUME -k FILE | drop VOLUME KEYID | slots VOLUME | id VOLUME|UUID -k FILE");
}

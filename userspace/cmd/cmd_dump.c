// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt dump: what is on the disk, authenticated from the superblock down.
 *
 * The result is built as JSON; the text form prints the same names and values.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"

struct dump_args {
	const char *dev, *master_file;
	struct words words;
	struct volume_source source;
	enum { DUMP_SUPER, DUMP_NODE, DUMP_RECORD, DUMP_OWNER, DUMP_KEYS,
	       DUMP_LOG, DUMP_LOG_BLOCK } what;
	u64 level, number;
	bool json;
};

enum { OPT_SIDECAR = 0x100, OPT_NODE, OPT_RECORD, OPT_OWNER, OPT_KEYS,
	OPT_MASTER, OPT_LOG, OPT_LOG_BLOCK };

static const struct argp_option options[] = {
	{ "node", OPT_NODE, "LEVEL:INDEX", 0, "Show a tree node", 0 },
	{ "record", OPT_RECORD, "SECTOR", 0,
	  "Show what is known of a sector, and whether its data verifies", 0 },
	{ "owner", OPT_OWNER, "INO", 0, "Show an owner record", 0 },
	{ "keys", OPT_KEYS, NULL, 0, "Show the key records", 0 },
	{ "log", OPT_LOG, NULL, 0, "List the log's blocks", 0 },
	{ "log-block", OPT_LOG_BLOCK, "SEQ", 0, "Show one block of the log", 0 },
	{ "master-key-file", OPT_MASTER, "FILE", 0,
	  "Master key to verify an owned sector with (for --record)", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct dump_args *a = state->input;
	char *colon;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->source;
		state->child_inputs[1] = &a->json;
		state->child_inputs[2] = &a->words;
		break;
	case OPT_MASTER:
		a->master_file = arg;
		break;
	case OPT_NODE:
		a->what = DUMP_NODE;
		colon = strchr(arg, ':');
		if (colon)
			*colon = 0;
		if (!colon || !parse_u64(arg, &a->level) ||
		    !parse_u64(colon + 1, &a->number))
			args_error(state, "--node LEVEL:INDEX");
		break;
	case OPT_RECORD:
	case OPT_OWNER:
		a->what = key == OPT_RECORD ? DUMP_RECORD : DUMP_OWNER;
		if (!parse_u64(arg, &a->number))
			args_error(state, "%s isn't a number", arg);
		break;
	case OPT_KEYS:
		a->what = DUMP_KEYS;
		break;
	case OPT_LOG:
		a->what = DUMP_LOG;
		break;
	case OPT_LOG_BLOCK:
		a->what = DUMP_LOG_BLOCK;
		if (!parse_u64(arg, &a->number))
			args_error(state, "%s isn't a number", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = {
	{ &volume_argp, 0, NULL, 0 }, { &json_argp, 0, NULL, 0 },
	{ &words_argp, 0, NULL, 0 }, { 0 }
};

static const struct argp argp = {
	options, parse, "DEV",
	"Show the superblock of the volume on DEV, or what the options say.  Offsets are in bytes from the start of the device.  An open volume may hold newer state in memory: see inocrypt checkpoint.",
	children, NULL, NULL
};

static void dump_super(struct json_object *o, const struct volume *v)
{
	const struct ic_params *p = &v->params;
	const struct ic_geometry *g = &v->geo;
	struct json_object *copies = json_object_new_array();
	char uuid[UUID_STR_SIZE];

	uuid_format(p->uuid, uuid);
	put_str(o, "uuid", uuid);
	put_u64(o, "version", IC_VERSION);
	put_u64(o, "sector_size", p->sector_size);
	put_str(o, "cipher", ic_cipher_info(p->cipher)->name);
	put_u64(o, "data_sectors", p->data_sectors);
	put_u64(o, "owners", p->owners);
	put_u64(o, "key_slots", IC_KEY_SLOTS);
	put_u64(o, "log_blocks", p->log_blocks);
	put_u64(o, "data_offset", v->data_offset);
	put_u64(o, "sidecar_offset", v->side_offset);
	put_u64(o, "sidecar_bytes", g->blocks * IC_BLOCK_SIZE);
	put_u64(o, "log_offset",
		v->side_offset + g->log_start * IC_BLOCK_SIZE);
	put_u64(o, "place0_offset",
		v->side_offset + g->place_start[0] * IC_BLOCK_SIZE);
	put_u64(o, "place1_offset",
		v->side_offset + g->place_start[1] * IC_BLOCK_SIZE);
	put_u64(o, "levels", g->levels);
	put_u64(o, "leaves", g->level_nodes[0]);
	put_u64(o, "owner_leaf", g->owner_leaf);
	put_u64(o, "sector_leaf", g->sector_leaf);
	put_u64(o, "current_copy", v->current);
	for (unsigned int n = 0; n < 2; n++) {
		const struct ic_super_copy *c = &v->copy[n];
		struct json_object *j = json_object_new_object();

		put_u64(j, "copy", n);
		put_u64(j, "offset", v->side_offset +
			IC_SUPER_BLOCK(n) * IC_BLOCK_SIZE);
		put_str(j, "state", c->err ? c->why : "valid");
		if (!c->err) {
			put_u64(j, "epoch", c->state.epoch);
			put_hex(j, "root_tag", c->state.root_tag, IC_TAG_SIZE);
			put_u64(j, "root_place", c->state.root_place);
			put_u64(j, "owned", c->state.flags & IC_STATE_OWNED);
			put_hex(j, "log_salt", c->state.log_salt,
				IC_SALT_SIZE);
			put_u64(j, "log_seq", c->state.log_seq);
			put_u64(j, "nr_owners", c->state.nr_owners);
		}
		json_object_array_add(copies, j);
	}
	json_object_object_add(o, "copies", copies);
}

/* The way from the root, and where the last node's two places are. */
static void dump_path(struct json_object *o, const struct volume *v,
		      const struct tree_path *path)
{
	const struct path_step *last = &path->step[path->steps - 1];
	struct json_object *way = json_object_new_array();

	put_u64(o, "level", last->level);
	put_u64(o, "index", last->index);
	put_bool(o, "present", !last->zero && !last->lost);
	if (last->lost)
		put_bool(o, "lost", true);
	put_u64(o, "place", last->place);
	put_u64(o, "node_offset", tree_offset(v, last, last->place));
	put_u64(o, "other_offset", tree_offset(v, last, !last->place));
	if (!last->zero && !last->lost) {
		put_hex(o, "node_tag", path->node.tag, IC_TAG_SIZE);
		put_hex(o, "node_nonce", path->node.nonce, IC_NONCE_SIZE);
	}
	for (unsigned int i = 0; i < path->steps; i++) {
		const struct path_step *s = &path->step[i];
		struct json_object *j = json_object_new_object();

		put_u64(j, "level", s->level);
		put_u64(j, "index", s->index);
		put_u64(j, "place", s->place);
		put_u64(j, "offset", tree_offset(v, s, s->place));
		put_bool(j, "present", !s->zero && !s->lost);
		json_object_array_add(way, j);
	}
	json_object_object_add(o, "path", way);
}

static int dump_node(struct json_object *o, struct volume *v,
		     const struct dump_args *a)
{
	struct json_object *list = json_object_new_array();
	struct tree_path path = { 0 };
	unsigned int n = a->level ? IC_FANOUT : IC_LEAF_RECORDS;
	int ret;

	ret = tree_walk(v, a->level > IC_MAX_LEVELS ? IC_MAX_LEVELS : a->level,
			a->number, &path);
	if (!ret)
		dump_path(o, v, &path);
	for (unsigned int i = 0; !ret && i < n; i++) {
		const u8 *rec = NULL;
		struct json_object *j;
		u64 word = 0;

		if (a->level)
			word = le64_to_cpu(path.node.word[i]);
		else
			rec = path.node.rec[i].bytes;
		if (rec ? mem_is_zero(rec, IC_RECORD_SIZE) : !word)
			continue;
		j = json_object_new_object();
		put_u64(j, "slot", i);
		if (a->level) {
			u8 bytes[8];

			memcpy(bytes, &path.node.word[i], sizeof(bytes));
			put_u64(j, "child", a->number * IC_FANOUT + i);
			put_hex(j, "word", bytes, sizeof(bytes));
			put_u64(j, "place", ic_word_place(word));
		} else {
			put_hex(j, "record", rec, IC_RECORD_SIZE);
		}
		json_object_array_add(list, j);
	}
	json_object_object_add(o, a->level ? "words" : "records", list);
	return ret;
}

/* Walk to record @number of the array that begins at leaf @first. */
static int get_record(struct volume *v, u64 first, u64 number,
		      struct tree_path *path, union ic_record *rec)
{
	int ret = tree_walk(v, 0, first + number / IC_LEAF_RECORDS, path);

	/* All zero if the walk failed. */
	*rec = path->node.rec[number % IC_LEAF_RECORDS];
	return ret;
}

static int get_owner(struct volume *v, u64 ino, struct tree_path *path,
		     union ic_record *rec)
{
	if (ino >= v->params.owners)
		return fail(EX_USAGE, "the volume has owners up to %llu only",
			    (unsigned long long)v->params.owners - 1);
	return get_record(v, v->geo.owner_leaf, ino, path, rec);
}

static int dump_owner(struct json_object *o, struct volume *v, u64 ino,
		      const struct secret *vk)
{
	union ic_record rec = { 0 }, key = { 0 };
	struct tree_path path = { 0 };
	u16 slot, flags;
	int ret;

	ret = get_owner(v, ino, &path, &rec);
	if (ret)
		return ret;
	put_u64(o, "ino", ino);
	put_u64(o, "slot_in_leaf", ino % IC_LEAF_RECORDS);
	flags = le16_to_cpu(rec.owner.flags);
	json_object_object_add(o, "used",
			       json_object_new_boolean(flags & IC_OWNER_USED));
	json_object_object_add(o, "erased",
			       json_object_new_boolean(flags &
						       IC_OWNER_ERASED));
	put_bool(o, "lost", flags & IC_OWNER_LOST);
	put_hex(o, "salt", rec.owner.salt, IC_SALT_SIZE);
	put_u64(o, "gen", le32_to_cpu(rec.owner.gen));
	slot = le16_to_cpu(rec.owner.key_slot);
	put_u64(o, "key_slot", slot);
	put_u64(o, "flags", flags);
	put_hex(o, "check", rec.owner.check, IC_CHECK_SIZE);
	dump_path(o, v, &path);
	ret = dump_log_of(o, v, vk->key, IC_LOG_SET_OWNER, ino, &rec,
			  NULL);
	if (ret || !(flags & IC_OWNER_USED))
		return ret;
	if (slot >= IC_KEY_SLOTS)
		return fail(EX_FAIL, "owner %llu names key slot %u",
			    (unsigned long long)ino, slot);
	ret = get_record(v, 0, slot, &path, &key);
	if (!ret)
		put_hex(o, "key_id", key.key.key_id, IC_KEY_ID_SIZE);
	return ret;
}

static int dump_keys(struct json_object *o, struct volume *v)
{
	struct json_object *list = json_object_new_array();
	struct tree_path path = { 0 };

	json_object_object_add(o, "keys", list);
	for (unsigned int i = 0; i < IC_KEY_SLOTS; i++) {
		const union ic_record *rec =
			&path.node.rec[i % IC_LEAF_RECORDS];
		struct json_object *j;
		int ret = 0;

		if (i % IC_LEAF_RECORDS == 0)
			ret = tree_walk(v, 0, i / IC_LEAF_RECORDS, &path);
		if (ret)
			return ret;
		if (mem_is_zero(rec->bytes, IC_RECORD_SIZE))
			continue;
		j = json_object_new_object();
		put_u64(j, "slot", i);
		put_hex(j, "key_id", rec->key.key_id, IC_KEY_ID_SIZE);
		put_u64(j, "state", le32_to_cpu(rec->key.state));
		put_u64(j, "uid", le32_to_cpu(rec->key.uid));
		json_object_array_add(list, j);
	}
	return 0;
}

/* Derive the key of a sector: 0, an exit code, -ENOKEY, or -ENOENT. */
static int sector_key(struct volume *v, const struct dump_args *a,
		      const struct secret *vk, u32 ino, u32 *gen,
		      u8 key[IC_KEY_SIZE])
{
	struct tree_path path = { 0 };
	struct secret mk = { 0 };
	union ic_record rec = { 0 };
	int ret;

	struct json_object *scratch;

	*gen = 0;
	if (!ino)
		return ic_derive_data_key(vk->key, v->params.uuid,
					  v->params.cipher, key) ?
		       fail(EX_FAIL, "libcrypto fails") : 0;
	if (ino >= v->params.owners)
		return -ENOENT;
	if (!a->master_file)
		return -ENOKEY;
	ret = get_owner(v, ino, &path, &rec);
	scratch = json_object_new_object();
	if (!ret)
		ret = dump_log_of(scratch, v, vk->key, IC_LOG_SET_OWNER, ino,
				  &rec, NULL);
	json_object_put(scratch);
	if (!ret)
		ret = secret_read(&mk, a->master_file);
	if (!ret) {
		*gen = le32_to_cpu(rec.owner.gen);
		if (ic_derive_owner_key(mk.key, v->params.uuid,
					v->params.cipher, ino, *gen,
					rec.owner.salt, key))
			ret = fail(EX_FAIL, "libcrypto fails");
	}
	secret_wipe(&mk);
	return ret;
}

static int dump_record(struct json_object *o, struct volume *v,
		       const struct dump_args *a, const struct secret *vk)
{
	u8 buf[IC_MAX_SECTOR_SIZE], key[IC_KEY_SIZE];
	const struct ic_params *p = &v->params;
	const char *verdict;
	struct ic_sector_aad aad;
	struct tree_path path = { 0 };
	union ic_record rec = { 0 };
	u64 offset, in_log;
	u32 ino, gen;
	int ret, err;

	if (a->number >= p->data_sectors)
		return fail(EX_USAGE, "the volume has sectors up to %llu only",
			    (unsigned long long)p->data_sectors - 1);
	ret = get_record(v, v->geo.sector_leaf, a->number, &path, &rec);
	if (ret)
		return ret;
	offset = v->data_offset + a->number * p->sector_size;
	ino = le32_to_cpu(rec.sector.owner);
	put_u64(o, "sector", a->number);
	put_u64(o, "data_offset", offset);
	put_u64(o, "sector_size", p->sector_size);
	put_u64(o, "slot_in_leaf", a->number % IC_LEAF_RECORDS);
	json_object_object_add(o, "written",
			       json_object_new_boolean(!mem_is_zero(rec.bytes,
								    IC_RECORD_SIZE)));
	put_bool(o, "lost", ic_sector_lost(&rec.sector));
	put_hex(o, "tag", rec.sector.tag, IC_TAG_SIZE);
	put_hex(o, "nonce", rec.sector.nonce, IC_NONCE_SIZE);
	put_u64(o, "owner", ino);
	dump_path(o, v, &path);
	/* The data is judged by the record as opening the volume would have it. */
	ret = dump_log_of(o, v, vk->key, IC_LOG_PUT, a->number, &rec, &in_log);
	if (ret)
		return ret;
	if (mem_is_zero(rec.bytes, IC_RECORD_SIZE)) {
		put_str(o, "data", "reads as zeros");
		return 0;
	}
	if (ic_sector_lost(&rec.sector)) {
		put_str(o, "data", "reads as an error, its record is lost");
		return 0;
	}
	ino = le32_to_cpu(rec.sector.owner);
	ret = sector_key(v, a, vk, ino, &gen, key);
	if (ret == -ENOENT) {
		put_str(o, "data", "does not verify, no such owner can be");
		return 0;
	}
	if (ret == -ENOKEY) {
		put_str(o, "data", "not checked, no --master-key-file");
		return 0;
	}
	if (!ret && in_log)
		ret = dev_read(v->side, in_log, buf, IC_BLOCK_SIZE);
	else if (!ret)
		ret = dev_read(&v->data, offset, buf, p->sector_size);
	if (ret) {
		explicit_bzero(key, sizeof(key));
		return ret;
	}
	ic_sector_aad(&aad, p->uuid, a->number, ino, gen);
	err = ic_data_open(p->cipher, key, rec.sector.nonce, &aad, sizeof(aad),
			   buf, p->sector_size, rec.sector.tag);
	verdict = in_log ? "verifies, in the log" : "verifies";
	if (err == -EOPNOTSUPP)
		verdict = "not checked, libcrypto has no AEGIS-128";
	else if (err)
		verdict = "does not verify";
	put_str(o, "data", verdict);
	explicit_bzero(buf, sizeof(buf));
	explicit_bzero(key, sizeof(key));
	return 0;
}

static int dump(struct json_object *o, struct volume *v,
		const struct dump_args *a, const struct secret *vk)
{
	switch (a->what) {
	case DUMP_NODE:
		return dump_node(o, v, a);
	case DUMP_RECORD:
		return dump_record(o, v, a, vk);
	case DUMP_OWNER:
		return dump_owner(o, v, a->number, vk);
	case DUMP_KEYS:
		return dump_keys(o, v);
	case DUMP_LOG:
		return dump_log(o, v, vk->key);
	case DUMP_LOG_BLOCK:
		return dump_log_block(o, v, vk->key, a->number);
	default:
		dump_super(o, v);
		return 0;
	}
}

/**
 * cmd_dump() - inocrypt dump
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_dump(int argc, char **argv)
{
	struct json_object *o = json_object_new_object();
	struct dump_args a = {
		.words = { .to = { &a.dev }, .min = 1, .ask = "which device?" },
	};
	struct secret vk = { 0 };
	struct volume v;
	int ret;

	parse_command(&argp, argc, argv, &a);
	ret = volume_open(&v, a.dev, a.source.sidecar, false);
	if (!ret)
		ret = volume_key_get(&vk, &a.source.key, &v);
	if (!ret)
		ret = volume_read_supers(&v, vk.key);
	if (!ret)
		ret = dump(o, &v, &a, &vk);
	if (!ret && a.json)
		out_json(o);
	else if (!ret)
		out_text(o, 0);
	json_object_put(o);
	secret_wipe(&vk);
	volume_close(&v);
	return ret;
}

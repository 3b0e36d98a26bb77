// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt check: verify a volume that isn't open.
 *
 * First the superblocks, then the log, by recovery itself, then the tree as
 * recovery would leave it, with each record, and on request all data.
 */
#include <stdlib.h>
#include <time.h>

#include "check/check.h"
#include "cmd/cmd.h"

struct check_args {
	struct check *c;
	const char *dev;
	struct words words;
	struct volume_source source;
	bool repair;
};

enum { OPT_DATA = 0x100, OPT_REPAIR };

static const struct argp_option options[] = {
	{ "master-key-file", 'm', "FILE", 0,
	  "Master key to verify its owners, and their sectors, with; may be given more than once",
	  0 },
	{ "data", OPT_DATA, NULL, 0,
	  "Read and verify all data that was written, too", 0 },
	{ "repair", OPT_REPAIR, NULL, 0,
	  "Undo damage; what that costs is said before, and asked on a terminal",
	  0 },
	{ "quiet", 'q', NULL, 0, "Print only what is wrong, and no progress",
	  0 },
	{ 0 }
};

static void add_master(struct check *c, struct argp_state *state,
		       const char *path)
{
	struct check_master *more;

	more = reallocarray(c->master, c->masters + 1, sizeof(*more));
	if (!more)
		argp_failure(state, EX_FAIL, 0, "out of memory");
	c->master = more;
	memset(&more[c->masters], 0, sizeof(*more));
	more[c->masters].path = path;
	more[c->masters++].slot = IC_KEY_SLOTS;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct check_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->source;
		state->child_inputs[1] = &a->c->json;
		state->child_inputs[2] = &a->c->yes;
		state->child_inputs[3] = &a->words;
		break;
	case 'm':
		add_master(a->c, state, arg);
		break;
	case OPT_DATA:
		a->c->data = true;
		break;
	case OPT_REPAIR:
		a->repair = true;
		break;
	case 'q':
		a->c->quiet = true;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = {
	{ &volume_argp, 0, NULL, 0 }, { &json_argp, 0, NULL, 0 },
	{ &yes_argp, 0, NULL, 0 }, { &words_argp, 0, NULL, 0 }, { 0 }
};

static const struct argp argp = {
	options, parse, "DEV",
	"Verify the volume on DEV, which must not be open: its superblocks, its log as recovery would apply it, its tree and all records.  Exit code 0: nothing wrong; 8: damage was found; 9: it was repaired; 5: part of it can't be read; others: it could not be checked.",
	children, NULL, NULL
};

/* Both copies, and whether one can follow the other. */
static void look_at_supers(struct check *c)
{
	const struct ic_super_copy *a = &c->v.copy[0], *b = &c->v.copy[1];
	struct check_place at = {
		.dev = c->v.side, .sector = CHECK_NO, .owner = CHECK_NO,
	};

	for (unsigned int n = 0; n < 2; n++) {
		const struct ic_super_copy *copy = &c->v.copy[n];

		at.offset = c->v.side_offset + IC_SUPER_BLOCK(n) *
			    IC_BLOCK_SIZE;
		if (copy->err == -EIO)
			check_report(c, CK_UNREADABLE, &at,
				     "superblock copy %u can't be read", n);
		else if (copy->err)
			check_report(c, CK_SUPERBLOCK, &at,
				     "superblock copy %u: %s; if it was the newer one, the last checkpoint is lost",
				     n, copy->why);
	}
	if (a->err || b->err || a->state.epoch + 1 == b->state.epoch ||
	    b->state.epoch + 1 == a->state.epoch)
		return;
	at.offset = c->v.side_offset + IC_SUPER_BLOCK(!c->v.current) *
		    IC_BLOCK_SIZE;
	check_report(c, CK_SUPERBLOCK, &at,
		     "superblocks of epochs %llu and %llu don't follow each other: one is older than it was",
		     (unsigned long long)a->state.epoch,
		     (unsigned long long)b->state.epoch);
}

static int open_volume(struct check *c, const struct check_args *a)
{
	struct volume *v = &c->v;
	int ret;

	v->current = -1;
	ret = dev_open(&v->data, a->dev, a->repair, true);
	if (!ret && a->source.sidecar)
		ret = dev_open(&v->side_dev, a->source.sidecar, a->repair, true);
	v->side = a->source.sidecar ? &v->side_dev : &v->data;
	v->side_offset = a->source.sidecar ? 0 : HEADER_BYTES;
	if (!ret)
		ret = dev_check_loop(&v->data);
	if (!ret)
		ret = dev_check_loop(&v->side_dev);
	if (!ret)
		ret = volume_key_get(&c->vk, &a->source.key, v);
	for (size_t i = 0; !ret && i < c->masters; i++)
		ret = secret_read(&c->master[i].secret, c->master[i].path);
	return ret ? ret : volume_read_supers(v, c->vk.key);
}

static int allocate(struct check *c)
{
	c->cache = calloc(CHECK_CACHED, sizeof(*c->cache));
	c->owners = calloc(CHECK_OWNERS, sizeof(*c->owners));
	c->owner_used = calloc(c->v.params.owners / 8 + 1, 1);
	if (!c->cache || !c->owners || !c->owner_used)
		return fail(EX_FAIL, "out of memory");
	if (ic_derive_data_key(c->vk.key, c->v.params.uuid,
			       c->v.params.cipher, c->data_key.key))
		return fail(EX_FAIL, "libcrypto fails");
	return c->data ? check_data_start(c) : 0;
}

static void release(struct check *c)
{
	check_data_stop(c);
	changes_drop(&c->changes);
	redo_drop(&c->redo);
	if (c->cache)
		explicit_bzero(c->cache, CHECK_CACHED * sizeof(*c->cache));
	if (c->owners)
		explicit_bzero(c->owners, CHECK_OWNERS * sizeof(*c->owners));
	free(c->cache);
	free(c->owners);
	free(c->owner_used);
	free(c->lost);
	free(c->bad);
	json_object_put(c->plan);
	for (size_t i = 0; i < c->masters; i++)
		secret_wipe(&c->master[i].secret);
	free(c->master);
	secret_wipe(&c->vk);
	secret_wipe(&c->data_key);
	volume_close(&c->v);
}

static int run(struct check *c)
{
	int ret = check_log(c);

	if (!ret)
		ret = check_tree(c);
	if (ret)
		return ret;
	if (c->data)
		check_data_finish(c);
	check_stretch_end(c);
	check_totals(c);
	progress_clear();
	for (size_t i = 0; i < c->masters; i++)
		if (c->master[i].slot == IC_KEY_SLOTS)
			warn("the key in %s has no slot on this volume",
			     c->master[i].path);
	return 0;
}

static u64 all_fixed(const struct check *c)
{
	return c->fixed[CHECK_NOTE] + c->fixed[CHECK_UNREAD] +
	       c->fixed[CHECK_DAMAGE];
}

static const char *result(const struct check *c, int *code)
{
	if (check_graded(c, CHECK_DAMAGE) > c->fixed[CHECK_DAMAGE]) {
		*code = EX_DAMAGED;
		return "damaged";
	}
	if (check_graded(c, CHECK_UNREAD) > c->fixed[CHECK_UNREAD]) {
		*code = EX_IO;
		return "unreadable";
	}
	*code = all_fixed(c) ? EX_REPAIRED : EX_DONE;
	return all_fixed(c) ? "repaired" : "clean";
}

static void list_problems(struct json_object *o, const struct check *c)
{
	struct json_object *list = put_list(o, "findings");

	for (size_t i = 0; i < c->listed; i++) {
		const struct check_problem *p = &c->problem[i];
		struct json_object *j = put_object(list, NULL);

		put_str(j, "kind", check_kinds[p->kind].name);
		put_str(j, "grade", check_grades[check_kinds[p->kind].grade]);
		put_str(j, "text", p->text);
		if (p->place.dev) {
			put_str(j, "device", p->place.dev->path);
			put_u64(j, "offset", p->place.offset);
		}
		if (p->place.sector != CHECK_NO)
			put_u64(j, "sector", p->place.sector);
		if (p->place.owner != CHECK_NO)
			put_u64(j, "owner", p->place.owner);
	}
}

static void print_json(const struct check *c, const char *word, double seconds)
{
	struct json_object *o = json_object_new_object(), *j;
	char uuid[UUID_STR_SIZE];

	uuid_format(c->v.params.uuid, uuid);
	put_str(o, "uuid", uuid);
	put_str(o, "result", word);
	put_u64(o, "damage", check_graded(c, CHECK_DAMAGE));
	put_u64(o, "unreadable", check_graded(c, CHECK_UNREAD));
	put_u64(o, "notes", check_graded(c, CHECK_NOTE));
	put_u64(o, "repaired", all_fixed(c));
	if (c->repair)
		put_str(o, "repair", c->repair);
	json_object_object_add(o, "repairs", json_object_get(c->plan));
	put_u64(o, "epoch", c->v.state.epoch);
	j = put_object(o, "kinds");
	for (int k = 0; k < CK_KINDS; k++)
		put_u64(j, check_kinds[k].name, c->kinds[k]);
	j = put_object(o, "log");
	put_str(j, "state", c->log.state);
	put_u64(j, "first", c->log.start);
	put_u64(j, "blocks", c->log.end - c->log.start);
	put_u64(j, "low", c->log.low);
	put_u64(j, "cuts", c->log.cuts);
	put_u64(j, "facts", c->log.facts);
	put_u64(j, "candidates", c->log.candidates);
	put_u64(j, "kept", c->log.kept);
	put_u64(j, "unsettled", c->log.unread);
	put_u64(j, "redone", c->log.redone);
	put_u64(j, "torn", c->log.torn);
	put_u64(j, "lost_records", c->log.lost);
	j = put_object(o, "tree");
	put_u64(j, "nodes", c->tree.nodes);
	put_u64(j, "leaves", c->tree.leaves);
	put_u64(j, "bad_nodes", c->tree.bad);
	put_u64(j, "lost_leaves", c->tree.lost_leaves);
	j = put_object(o, "records");
	put_u64(j, "keys", c->records.keys);
	put_u64(j, "owners", c->records.owners);
	put_u64(j, "owners_verified", c->records.keyed);
	put_u64(j, "owners_erased", c->records.erased);
	put_u64(j, "lost", c->records.lost);
	put_u64(j, "sectors", c->sectors.written);
	put_u64(j, "sectors_owned", c->sectors.owned);
	put_u64(j, "sectors_orphaned", c->sectors.orphans);
	put_u64(j, "sectors_of_lost_owners", c->sectors.unknown_owner);
	if (c->data) {
		j = put_object(o, "data");
		put_u64(j, "verified", c->sectors.verified);
		put_u64(j, "bad", c->sectors.bad);
		put_u64(j, "unreadable", c->sectors.unread);
		put_u64(j, "no_key", c->sectors.no_key);
		put_u64(j, "no_cipher", c->sectors.no_cipher);
	}
	json_object_object_add(o, "seconds", json_object_new_double(seconds));
	list_problems(o, c);
	put_bool(o, "findings_complete", check_graded(c, CHECK_DAMAGE) +
		 check_graded(c, CHECK_UNREAD) + check_graded(c, CHECK_NOTE) ==
		 c->listed);
	out_json(o);
	json_object_put(o);
}

#define N(x)	((unsigned long long)(x))

static void print_summary(const struct check *c)
{
	char uuid[UUID_STR_SIZE];

	uuid_format(c->v.params.uuid, uuid);
	say("volume      %s, epoch %llu", uuid, N(c->v.state.epoch));
	say("log         %s: %llu blocks from %llu on, %llu facts",
	    c->log.state, N(c->log.end - c->log.start), N(c->log.start),
	    N(c->log.facts));
	say("recovery    %llu of %llu writes found on the disk, %llu torn, %llu unsettled",
	    N(c->log.kept), N(c->log.candidates), N(c->log.torn),
	    N(c->log.unread));
	say("            %llu sectors in the log only, to be put in place",
	    N(c->log.redone));
	say("tree        %llu nodes, %llu bad", N(c->tree.nodes),
	    N(c->tree.bad));
	say("keys        %llu", N(c->records.keys));
	say("owners      %llu, %llu of them verified; %llu erased",
	    N(c->records.owners), N(c->records.keyed),
	    N(c->records.erased));
	say_part("sectors     %llu written, %llu of owners, %llu of owners that are gone",
		 N(c->sectors.written), N(c->sectors.owned),
		 N(c->sectors.orphans));
	if (c->sectors.unknown_owner)
		say_part(", %llu of owners whose records are lost",
			 N(c->sectors.unknown_owner));
	say_end();
	if (c->records.lost)
		say("lost        %llu records, of nodes that were given up",
		    N(c->records.lost));
	if (!c->data)
		return;
	say_part("data        %llu sectors verified, %llu bad, %llu unreadable, %llu without key",
		 N(c->sectors.verified), N(c->sectors.bad),
		 N(c->sectors.unread), N(c->sectors.no_key));
	if (c->sectors.no_cipher)
		say_part(", %llu not verified: libcrypto has no AEGIS-128",
			 N(c->sectors.no_cipher));
	say_end();
}

/* Say what a repair would do, or, with @repair, what is about to be done. */
static void print_plan(const struct check *c, bool repair)
{
	for (size_t i = 0; i < json_object_array_length(c->plan); i++) {
		struct json_object *o =
			json_object_array_get_idx(c->plan, i);
		struct json_object *can = json_object_object_get(o, "possible");
		bool possible = json_object_get_boolean(can);

		say("%s %s; %s: %s", !possible ? "can't repair:" :
		    repair ? "repair:" : "--repair would",
		    json_object_get_string(json_object_object_get(o, "what")),
		    possible ? "it costs" : "why",
		    json_object_get_string(json_object_object_get(o, "cost")));
	}
	fflush(stdout);
}

static void print_text(const struct check *c, const char *word)
{
	u64 damage = check_graded(c, CHECK_DAMAGE), unread = check_graded(c, CHECK_UNREAD);
	bool clean = !damage && !unread && !all_fixed(c);

	if (clean && c->quiet)
		return;
	if (!c->quiet)
		print_summary(c);
	if (c->repair)
		say("repair      %s", c->repair);
	say_part("%s", word);
	if (damage || unread)
		say_part(": %llu damaged, %llu not readable", N(damage),
			 N(unread));
	say_end();
}

/**
 * cmd_check() - inocrypt check
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_check(int argc, char **argv)
{
	struct check *c = calloc(1, sizeof(*c));
	struct check_args a = {
		.c = c,
		.words = { .to = { &a.dev }, .min = 1, .ask = "which device?" },
	};
	struct timespec t0, t1;
	const char *word;
	int ret, code;

	if (!c)
		return fail(EX_FAIL, "out of memory");
	parse_command(&argp, argc, argv, &a);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	ret = open_volume(c, &a);
	if (!ret)
		ret = allocate(c);
	if (!ret) {
		progress_start(!c->quiet);
		look_at_supers(c);
		ret = run(c);
		progress_clear();
	}
	if (!ret) {
		check_plan(c);
		if (!c->json)
			print_plan(c, a.repair);
	}
	if (!ret && a.repair)
		ret = check_repair(c);
	if (!ret) {
		clock_gettime(CLOCK_MONOTONIC, &t1);
		word = result(c, &code);
		if (c->json)
			print_json(c, word, (double)(t1.tv_sec - t0.tv_sec) +
				   (double)(t1.tv_nsec - t0.tv_nsec) / 1e9);
		else
			print_text(c, word);
		ret = code;
	}
	release(c);
	free(c);
	return ret;
}

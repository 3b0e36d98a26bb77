// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the tree: a volume whose nodes hold what the input says, sealed and
 * linked up to the superblock, then damaged; walked and dumped by the tool.
 *
 * Input: geometry, then operations.  What a walk has to find is known, so each
 * one is judged: it finds exactly the node its parent names, or fails.
 */
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"

#define MAX_NODES	96
#define MAX_WORDS	16
#define MAX_LOOKS	6

/* A node: what it says, and its writings as they are on the disk. */
struct fnode {
	u32		level, place;
	u64		index;
	struct ic_node	plain;
	struct ic_node	sealed;
	bool		stale;		/* an older writing is in the other place */
};

/* A word that its parent shall have, whatever the child's tag is. */
struct forced {
	struct fnode	*node;
	u32		slot;
	u64		word;
};

static struct fnode nodes[MAX_NODES];
static struct forced forced[MAX_WORDS];
static unsigned int nr_nodes, nr_forced;
static struct ic_params params;
static struct ic_geometry geo;
static struct ic_state state;
static struct image img = { .fd = -1 };
static u32 nonce;
static bool checked;

enum op {
	OP_RECORD,		/* 32 bytes into a leaf */
	OP_BYTES,		/* bytes into any node, before its words */
	OP_WORD,		/* another word than the child's */
	OP_PLACE,		/* the node's current place is the other one */
	OP_STALE,		/* leave a writing with today's contents behind */
	OP_FLIP,		/* change a byte on the disk */
	OP_COPY,		/* a block over another */
	OP_LOOK,		/* run the tool */
	OP_COUNT
};

/* What happens on the disk once all is sealed, and what is looked at then. */
struct later {
	enum op		kind;
	struct fnode	*a, *b;
	u8		pa, pb;
	u16		offset;
	u8		xor;
};

struct look {
	u8		what;
	u64		level, number;
};

static struct later later[32];
static struct look looks[MAX_LOOKS];
static unsigned int nr_later, nr_looks;

/* The node (@level, @index), with all above it; NULL if that is too many. */
static struct fnode *get(u32 level, u64 index)
{
	struct fnode *n;

	for (unsigned int i = 0; i < nr_nodes; i++)
		if (nodes[i].level == level && nodes[i].index == index)
			return &nodes[i];
	if (level + 1 < geo.levels && !get(level + 1, index / IC_FANOUT))
		return NULL;
	if (nr_nodes == MAX_NODES)
		return NULL;
	n = &nodes[nr_nodes++];
	memset(n, 0, sizeof(*n));
	n->level = level;
	n->index = index;
	return n;
}

/* A node that there can be: of each kind of leaf, or an inner one. */
static struct fnode *take_node(struct input *in)
{
	u8 kind = take_u8(in);
	u64 n = take_u16(in), first, count;
	u32 level;

	switch (kind & 3) {
	case 0:
		first = 0;
		count = geo.owner_leaf;
		break;
	case 1:
		first = geo.owner_leaf;
		count = geo.sector_leaf - first;
		break;
	case 2:
		first = geo.sector_leaf;
		count = geo.level_nodes[0] - first;
		break;
	default:
		level = (kind >> 2) % geo.levels;
		return get(level, n % geo.level_nodes[level]);
	}
	/* From the end, where what is too much would be. */
	if (kind & 0x80)
		return get(0, first + count - 1 - n % count);
	return get(0, first + n % count);
}

static void seal(const struct fnode *n, struct ic_node *out)
{
	u8 bytes[IC_NONCE_SIZE] = { 0 };
	int err;

	do {
		*out = n->plain;
		nonce++;
		memcpy(bytes, &nonce, sizeof(nonce));
		err = ic_node_seal(out, fuzz_key(params.uuid, IC_LABEL_NODE),
				   params.uuid, n->level, n->index, bytes);
		DIE_IF(err && err != -EAGAIN);
	} while (err);
}

static u64 offset_of(const struct fnode *n, u32 place)
{
	return HEADER_BYTES + IC_BLOCK_SIZE *
	       ic_node_block(&geo, n->level, n->index, place);
}

static void read_block(u64 offset, struct ic_node *out)
{
	DIE_IF(pread(img.fd, out, sizeof(*out), offset) != sizeof(*out));
}

static bool take_params(struct input *in)
{
	static const struct ic_params given[] = {
		{ .sector_size = 4096, .data_sectors = 1000, .owners = 2048 },
		{ .sector_size = 512, .data_sectors = 70000, .owners = 300 },
		{ .sector_size = 512, .owners = IC_MAX_OWNERS,
		  .data_sectors = IC_MAX_DATA_BYTES / 512 },
	};
	u8 sel = take_u8(in);

	if ((sel & 3) < ARRAY_SIZE(given)) {
		params = given[sel & 3];
	} else {
		memset(&params, 0, sizeof(params));
		params.sector_size = 512U << (sel >> 2 & 3);
		params.owners = take_u32(in);
		params.data_sectors = take_u64(in) >> (take_u8(in) & 63);
	}
	params.cipher = 1 + (sel >> 4) % 3;
	params.log_blocks = 64 + (sel >> 6);
	memset(params.uuid, 0x5a, sizeof(params.uuid));
	return !ic_geometry_init(&geo, &params);
}

static void take_bytes(struct input *in, struct fnode *n)
{
	u16 offset = take_u16(in) % sizeof(n->plain.payload);
	size_t len = take_u8(in);

	if (len > sizeof(n->plain.payload) - offset)
		len = sizeof(n->plain.payload) - offset;
	take(in, n->plain.payload + offset, len);
}

static void take_later(struct input *in, enum op kind, struct fnode *n)
{
	struct later *l = &later[nr_later];

	if (nr_later == ARRAY_SIZE(later))
		return;
	l->kind = kind;
	l->a = n;
	l->b = n;
	l->pa = take_u8(in) & 1;
	if (kind == OP_FLIP) {
		l->offset = take_u16(in) % IC_BLOCK_SIZE;
		l->xor = take_u8(in);
	} else {
		l->pb = take_u8(in) & 1;
		l->b = take_node(in);
	}
	if (l->b)
		nr_later++;
}

static void take_op(struct input *in)
{
	enum op kind = take_u8(in) % OP_COUNT;
	struct fnode *n;
	u32 slot;

	if (kind == OP_LOOK) {
		if (nr_looks == MAX_LOOKS)
			return;
		looks[nr_looks].what = take_u8(in);
		looks[nr_looks].level = take_u8(in);
		looks[nr_looks++].number = take_u64(in);
		return;
	}
	n = take_node(in);
	if (!n)
		return;
	switch (kind) {
	case OP_RECORD:
		slot = take_u8(in) % IC_LEAF_RECORDS;
		take(in, n->plain.rec[slot].bytes, IC_RECORD_SIZE);
		break;
	case OP_BYTES:
		take_bytes(in, n);
		break;
	case OP_WORD:
		if (!n->level || nr_forced == MAX_WORDS)
			break;
		forced[nr_forced++] = (struct forced){
			n, take_u16(in) % IC_FANOUT, take_u64(in)
		};
		break;
	case OP_PLACE:
		n->place ^= 1;
		break;
	case OP_STALE:
		n->stale = true;
		seal(n, &n->sealed);
		image_put(&img, offset_of(n, !n->place), &n->sealed,
			  sizeof(n->sealed));
		break;
	default:
		take_later(in, kind, n);
	}
}

/* Seal and link all nodes, leaves first. */
static void seal_tree(void)
{
	struct fnode *n, *parent;

	for (u32 l = 0; l < geo.levels; l++)
		for (n = nodes; n < nodes + nr_nodes; n++) {
			if (n->level != l)
				continue;
			for (unsigned int i = 0; i < nr_forced; i++)
				if (forced[i].node == n)
					n->plain.word[forced[i].slot] =
						cpu_to_le64(forced[i].word);
			seal(n, &n->sealed);
			image_put(&img, offset_of(n, n->place), &n->sealed,
				  sizeof(n->sealed));
			if (l + 1 == geo.levels) {
				memcpy(state.root_tag, n->sealed.tag,
				       IC_TAG_SIZE);
				state.root_place = n->place;
				continue;
			}
			parent = get(l + 1, n->index / IC_FANOUT);
			parent->plain.word[n->index % IC_FANOUT] =
				cpu_to_le64(ic_word(n->sealed.tag, n->place));
		}
}

static void damage(void)
{
	struct ic_node block;

	for (unsigned int i = 0; i < nr_later; i++) {
		const struct later *l = &later[i];
		u8 byte;

		if (l->kind == OP_FLIP) {
			read_block(offset_of(l->a, l->pa), &block);
			byte = ((u8 *)&block)[l->offset] ^ l->xor;
			image_put(&img, offset_of(l->a, l->pa) + l->offset,
				  &byte, 1);
		} else {
			read_block(offset_of(l->b, l->pb), &block);
			image_put(&img, offset_of(l->a, l->pa), &block,
				  sizeof(block));
		}
	}
}

/* What a walk to @n has to find: -1 an error, 0 zeros, 1 the node, 2 that it is lost. */
static int expected(const struct fnode *n)
{
	const struct fnode *parent;
	struct ic_node block;
	u32 place = state.root_place;
	u64 word;

	if (n->level + 1 == geo.levels) {
		if (mem_is_zero(state.root_tag, IC_TAG_SIZE))
			return 0;
		read_block(offset_of(n, place), &block);
		if (memcmp(block.tag, state.root_tag, IC_TAG_SIZE))
			return -1;
	} else {
		parent = get(n->level + 1, n->index / IC_FANOUT);
		switch (expected(parent)) {
		case -1:
			return -1;
		case 0:
			return 0;
		case 2:
			return 2;
		}
		word = le64_to_cpu(parent->plain.word[n->index % IC_FANOUT]);
		if (!word)
			return 0;
		if (word == IC_WORD_LOST)
			return 2;
		place = ic_word_place(word);
		read_block(offset_of(n, place), &block);
		if (ic_word(block.tag, place) != word)
			return -1;
	}
	/* The tag is the one named; so it is all of the newest writing. */
	return memcmp(&block, &n->sealed, sizeof(block)) ? -1 : 1;
}

/* The same bytes elsewhere in the tree, or in another volume. */
static void elsewhere(const struct fnode *n)
{
	struct ic_meta_key *key = fuzz_key(params.uuid, IC_LABEL_NODE);
	struct ic_node block = n->sealed;
	u8 uuid[IC_UUID_SIZE];

	memcpy(uuid, params.uuid, sizeof(uuid));
	DIE_IF(ic_node_open(&block, key, uuid, n->level, n->index + 1) !=
	       -EBADMSG);
	block = n->sealed;
	DIE_IF(ic_node_open(&block, key, uuid, n->level + 1, n->index) !=
	       -EBADMSG);
	block = n->sealed;
	uuid[n->index % sizeof(uuid)] ^= 1;
	DIE_IF(ic_node_open(&block, key, uuid, n->level, n->index) !=
	       -EBADMSG);
	DIE_IF(!mem_is_zero(block.payload, sizeof(block.payload)));
}

static void walk_all(struct volume *v)
{
	struct tree_path path;
	struct ic_node lost;
	int ret, want;

	for (struct fnode *n = nodes; n < nodes + nr_nodes; n++) {
		want = expected(n);
		ret = tree_walk(v, n->level, n->index, &path);
		DIE_IF(ret < 0);
		DIE_IF(!ret != (want >= 0));
		/* Nothing of a node that is not authentic gets out. */
		ic_node_lost(&lost, &geo, n->level, n->index);
		if (want < 1)
			DIE_IF(!mem_is_zero(&path.node, sizeof(path.node)));
		else if (want == 2)
			DIE_IF(memcmp(&path.node, &lost, sizeof(lost)));
		else
			DIE_IF(memcmp(path.node.payload, n->plain.payload,
				      sizeof(path.node.payload)));
		if (want == 1 && !n->level)
			REACHED("leaf found");
		if (want == 2)
			REACHED("lost node");
		if (want == -1)
			REACHED("damage noticed");
		if (want == -1 && n->stale)
			REACHED("damage noticed, an older writing is there");
		if (ret)
			continue;
		DIE_IF(!path.steps || path.steps > geo.levels);
		for (unsigned int i = 0; i < path.steps; i++) {
			const struct path_step *s = &path.step[i];
			u64 at = tree_offset(v, s, s->place) - HEADER_BYTES;

			DIE_IF(s->level >= geo.levels || s->place > 1 ||
			       s->index >= geo.level_nodes[s->level]);
			DIE_IF(at / IC_BLOCK_SIZE < geo.place_start[0] ||
			       at / IC_BLOCK_SIZE >= geo.blocks);
		}
	}
	if (nr_nodes)
		elsewhere(&nodes[nonce % nr_nodes]);
	/* What doesn't exist is refused before anything is read. */
	DIE_IF(tree_walk(v, geo.levels, 0, &path) != EX_USAGE);
	DIE_IF(tree_walk(v, 0, geo.level_nodes[0], &path) != EX_USAGE);
}

/* Has the tree a node, below intact ones, that can't be had? */
static bool damaged(void)
{
	for (struct fnode *n = nodes; n < nodes + nr_nodes; n++) {
		struct fnode *parent = NULL;
		u64 child = n->index * IC_FANOUT;
		int found = expected(n);

		if (n->level + 1 < geo.levels)
			parent = get(n->level + 1, n->index / IC_FANOUT);
		if (found < 0 && (!parent || expected(parent) == 1))
			return true;
		if (found != 1 || !n->level)
			continue;
		for (u32 i = 0; i < IC_FANOUT; i++) {
			bool known = false;

			if (!n->plain.word[i] ||
			    le64_to_cpu(n->plain.word[i]) == IC_WORD_LOST ||
			    child + i >= geo.level_nodes[n->level - 1])
				continue;
			for (struct fnode *m = nodes; m < nodes + nr_nodes; m++)
				known |= m->level + 1 == n->level &&
					 m->index == child + i;
			if (!known)
				return true;
		}
	}
	return !nr_nodes && !mem_is_zero(state.root_tag, IC_TAG_SIZE);
}

/* A repair has given up what was damaged, and left nothing that is. */
static void check_repaired(void)
{
	const char *args[] = { "check", img.path, "-k", fuzz_vk_path(), NULL };
	struct json_object *json;
	int ret;

	json = fuzz_json(cmd_check, args, &ret);
	DIE_IF(!json);
	DIE_IF(fuzz_number(json, "kinds.node"));
	DIE_IF(!fuzz_number(json, "kinds.lost"));
	json_object_put(json);
	REACHED("nodes given up");
}

/* Check finds damage where there is some, and guesses nothing. */
static void run_check(u8 what)
{
	const char *args[16] = { "check", img.path, "-k", fuzz_vk_path() };
	struct json_object *json;
	struct volume v;
	int n = 4, ret;

	/* Once is enough; and it keeps a bit for each owner there can be. */
	if (checked || params.owners > 1 << 20)
		return;
	checked = true;
	if (!(what & 7))
		args[n++] = "--data";
	if (what & 16)
		args[n++] = "--repair";
	if (what & 32) {
		args[n++] = "-m";
		args[n++] = fuzz_vk_path();
	}
	json = fuzz_json(cmd_check, args, &ret);
	DIE_IF(!json);
	REACHED("check");
	DIE_IF(damaged() != !!fuzz_number(json, "kinds.node"));
	DIE_IF(damaged() && ret != EX_DAMAGED &&
	       !(what & 16 && ret == EX_REPAIRED));
	json_object_put(json);
	if (!(what & 16))
		return;
	if (damaged()) {
		if (nr_nodes && expected(get(geo.levels - 1, 0)) == 1)
			check_repaired();
		return;
	}
	DIE_IF(volume_open(&v, img.path, NULL, false));
	DIE_IF(volume_read_supers(&v, fuzz_vk));
	if (ret == EX_REPAIRED)
		REACHED("check repaired");
	walk_all(&v);
	volume_close(&v);
}

static void run_tool(const struct look *l)
{
	static const char *const what[] = {
		"--node", "--record", "--owner", "--keys"
	};
	const u64 limit[] = {
		l->level < geo.levels ? geo.level_nodes[l->level] : 0,
		geo.data_sectors, geo.owners, UINT64_MAX
	};
	const char *args[16] = { "dump", img.path, "-k", fuzz_vk_path() };
	u64 number = l->number;
	char text[64];
	int n = 4, ret;

	if (l->what & 128) {
		run_check(l->what);
		return;
	}
	args[n++] = what[l->what & 3];
	/* Mostly one that there is; or what the user may type as well. */
	if (l->what & 4 && limit[l->what & 3])
		number %= limit[l->what & 3];
	if (l->what & 8 && nr_nodes)
		number = nodes[l->number % nr_nodes].index;
	switch (l->what & 3) {
	case 0:
		snprintf(text, sizeof(text), "%llu:%llu",
			 (unsigned long long)l->level,
			 (unsigned long long)number);
		args[n++] = text;
		break;
	case 1:
	case 2:
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)number);
		args[n++] = text;
		if (l->what & 16) {
			args[n++] = "--master-key-file";
			args[n++] = fuzz_vk_path();
		}
		break;
	}
	ret = fuzz_tool(cmd_dump, !(l->what & 32), args);
	if (!ret)
		REACHED("dump printed");
	DIE_IF((l->what & 3) < 3 && number >= limit[l->what & 3] &&
	       ret != EX_USAGE);
}

static void write_super(u8 edit)
{
	u8 zeros[IC_NONCE_SIZE] = { 0 };
	struct ic_super sb;

	if (edit & 1)
		state.root_tag[edit >> 4] ^= edit;
	if (edit & 2)
		state.root_place ^= 1;
	if (edit & 4)
		memset(state.root_tag, 0, sizeof(state.root_tag));
	for (u32 copy = 0; copy < (edit & 8 ? 1 : 2); copy++) {
		state.epoch = 2 - copy;
		DIE_IF(ic_super_seal(&sb,
				     fuzz_key(params.uuid, IC_LABEL_SUPER),
				     &params, &state, zeros));
		image_put(&img, HEADER_BYTES + IC_SUPER_BLOCK(copy) *
			  IC_BLOCK_SIZE, &sb, sizeof(sb));
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	struct volume v;
	u8 edit;
	int ret;

	if (img.fd < 0)
		image_new(&img);
	nr_nodes = 0;
	nr_forced = 0;
	nr_later = 0;
	nr_looks = 0;
	nonce = 0;
	checked = false;
	memset(&state, 0, sizeof(state));
	edit = take_u8(&in);
	if (!take_params(&in))
		return 0;
	image_clear(&img, volume_data_offset(&geo, false) +
		    geo.data_sectors * geo.sector_size);
	while (in.n)
		take_op(&in);
	seal_tree();
	damage();
	write_super(edit);

	ret = volume_open(&v, img.path, NULL, false);
	DIE_IF(ret);
	DIE_IF(volume_read_supers(&v, fuzz_vk));
	walk_all(&v);
	volume_close(&v);
	for (unsigned int i = 0; i < nr_looks; i++)
		run_tool(&looks[i]);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * mkvol - write a volume's tree, log and data with the shared code, as a crash
 * may leave them, and as no target would write them.
 * libs: -lcrypto
 *
 * usage: mkvol VKFILE DEV SIDECAR|- <COMMANDS
 *
 * On a volume that was formatted, or written by mkvol before and committed last.
 * What a command changes is in memory; "nolog" after it: the log has no word of
 * it, so that only a commit brings it to the disk.  Commands, one a line; #:
 *
 * key SLOT MKFILE [nolog]	a key record
 * owner INO GEN SLOT MKFILE [nolog]	an owner record
 * erase INO [nolog]		a tombstone for it
 * put SECTOR N OWNER MKFILE|- [nolog|nodata|torn|inlog|both]	write sectors;
 *		nodata: only log them; torn: and the first half of each; inlog: log
 *		their data, too, and only there; both: and write it in place
 * data SECTOR N OWNER MKFILE|-	overwrite what is on the disk, and no more
 * zero SECTOR N [nolog]	discard
 * low SEQ			low-water mark of the blocks from now on
 * mark				the same, SEQ: the open block
 * close			seal the open block, even if empty
 * cut				seal it as the last under its salt
 * record NUMBER HEX		any 32 bytes as a record of the one array
 * entry HEX			any 48 bytes as an entry of the log; a DATA entry's check
 *		is made to fit, and its data is zeros
 * word LEVEL:INDEX SLOT HEX	any word in a node, from the next commit on
 * commit [owners=N] [flags=N] [epoch=N] [keep]	write the tree and a superblock;
 *		the log that follows is the one after the last cut, or an empty one;
 *		keep: it is the same one as before
 *
 * At the end the open block is sealed if it holds anything.
 */
#include "../../../shared/format.c"
#include "../../../shared/derive.c"
#include "../../../shared/log_format.c"
#include "../../../userspace/port/libcrypto.c"
#include "../../../userspace/base/say.c"
#include "../../../userspace/base/shown.c"
#include "../../../userspace/base/parse.c"
#include "../../../userspace/disk/device.c"
#include "../../../userspace/disk/on_disk.c"

#include <err.h>

static struct volume v;
static struct secret vk;
static union ic_record *mem;	/* all records as they are in memory */
static u32 *places[IC_MAX_LEVELS];	/* committed place of each node */

static struct {
	struct ic_log_block block;
	u64 seq, low, first_after_cut;
	u32 count;
	u8 salt[IC_SALT_SIZE], prev_tag[IC_TAG_SIZE];
	bool cut;
	u8 data[IC_LOG_ENTRIES][IC_BLOCK_SIZE];
	u32 nr_data;
} lg;

#define MAX_WORDS	16
static struct {
	u64 level, index, slot, word;
} forged[MAX_WORDS];
static unsigned int nr_forged;
static unsigned int line;
static u8 fill;

static void bad(const char *why, const char *what)
{
	errx(2, "line %u: %s%s%s", line, why, what ? ": " : "",
	     what ? what : "");
}

static void fresh(void *buf, size_t n)
{
	if (random_bytes(buf, n))
		exit(1);
}

static struct ic_meta_key *volume_key(const char *label)
{
	u8 raw[IC_KEY_SIZE];
	struct ic_meta_key *key;

	if (ic_derive_volume_key(vk.key, v.params.uuid, label, raw))
		errx(1, "libcrypto fails");
	key = ic_meta_key_new(raw);
	if (!key)
		errx(1, "libcrypto fails");
	return key;
}

static void write_block(u64 block, const void *buf)
{
	if (dev_write_block(v.side, v.side_offset + block * IC_BLOCK_SIZE, buf))
		exit(1);
}

/* Those of the open block, whose entries receive their checks. */
static void write_data_blocks(struct ic_meta_key *key)
{
	u32 i, n = 0;

	for (i = 0; i < lg.count && n < lg.nr_data; i++) {
		struct ic_log_entry *e = &lg.block.entry[i];

		if (le64_to_cpu(e->what) >> 56 != IC_LOG_DATA)
			continue;
		if (ic_log_check(e, key, lg.data[n], e->head))
			errx(1, "can't seal");
		write_block(ic_log_block_nr(&v.geo, lg.seq + 1 + n),
			    lg.data[n]);
		n++;
	}
}

/* Seal the open block, write it, and begin the next. */
static void close_block(bool last)
{
	u8 master[IC_KEY_SIZE], raw[IC_KEY_SIZE], nonce[IC_NONCE_SIZE];
	u8 next_salt[IC_SALT_SIZE] = { 0 };
	struct ic_meta_key *key;

	lg.block.low = cpu_to_le64(lg.low);
	lg.block.count = cpu_to_le16(lg.count);
	if (last) {
		fresh(next_salt, sizeof(next_salt));
		lg.block.flags = cpu_to_le16(IC_LOG_LAST);
		memcpy(lg.block.next_salt, next_salt, IC_SALT_SIZE);
	}
	fresh(nonce, sizeof(nonce));
	if (ic_derive_volume_key(vk.key, v.params.uuid, IC_LABEL_LOG, master) ||
	    ic_derive_log_key(master, lg.salt, raw))
		errx(1, "libcrypto fails");
	key = ic_meta_key_new(raw);
	if (!key)
		errx(1, "can't seal");
	write_data_blocks(key);
	if (ic_log_seal(&lg.block, key, v.params.uuid, lg.seq, lg.prev_tag,
			nonce))
		errx(1, "can't seal");
	ic_meta_key_free(key);
	write_block(ic_log_block_nr(&v.geo, lg.seq), &lg.block);
	memcpy(lg.prev_tag, lg.block.tag, IC_TAG_SIZE);
	memset(&lg.block, 0, sizeof(lg.block));
	lg.seq += 1 + lg.nr_data;
	lg.count = 0;
	lg.nr_data = 0;
	if (last) {
		memcpy(lg.salt, next_salt, IC_SALT_SIZE);
		memset(lg.prev_tag, 0, IC_TAG_SIZE);
		lg.first_after_cut = lg.seq;
		lg.cut = true;
	}
}

static void append(const struct ic_log_entry *e)
{
	lg.block.entry[lg.count++] = *e;
	if (lg.count == IC_LOG_ENTRIES)
		close_block(false);
}

static void log_change(enum ic_log_type type, u64 nr, const union ic_record *r,
		       const u8 *head, u64 count)
{
	struct ic_log_entry e = { .what = cpu_to_le64((u64)type << 56 | nr) };

	if (r)
		e.rec = *r;
	if (head)
		memcpy(e.head, head, IC_HEAD_SIZE);
	if (type == IC_LOG_ZERO)
		e.count = cpu_to_le64(count);
	append(&e);
}

static union ic_record *record(u64 first_leaf, u64 n)
{
	return &mem[first_leaf * IC_LEAF_RECORDS + n];
}

static u64 number(const char *s)
{
	u64 n;

	if (!s || !parse_u64(s, &n))
		bad("not a number", s);
	return n;
}

static void master_key(const char *path, struct secret *mk)
{
	if (!path || secret_read(mk, path))
		bad("a master key is needed", NULL);
}

static bool is(const char *s, const char *word)
{
	return s && !strcmp(s, word);
}

static void key_cmd(char **w)
{
	union ic_record r = { 0 };
	u64 slot = number(w[1]);
	struct secret mk;

	master_key(w[2], &mk);
	if (ic_derive_key_id(mk.key, v.params.uuid, r.key.key_id))
		errx(1, "libcrypto fails");
	r.key.state = cpu_to_le32(IC_KEY_USED);
	*record(0, slot) = r;
	if (!is(w[3], "nolog"))
		log_change(IC_LOG_SET_KEY, slot, &r, NULL, 1);
}

static void owner_cmd(char **w)
{
	u64 ino = number(w[1]), gen = number(w[2]), slot = number(w[3]);
	union ic_record r = { 0 };
	u8 key[IC_KEY_SIZE];
	struct secret mk;

	master_key(w[4], &mk);
	fresh(r.owner.salt, IC_SALT_SIZE);
	r.owner.gen = cpu_to_le32(gen);
	r.owner.key_slot = cpu_to_le16(slot);
	r.owner.flags = cpu_to_le16(IC_OWNER_USED);
	if (ic_derive_owner_key(mk.key, v.params.uuid, v.params.cipher, ino,
				gen, r.owner.salt, key) ||
	    ic_derive_owner_check(key, r.owner.check))
		errx(1, "libcrypto fails");
	*record(v.geo.owner_leaf, ino) = r;
	if (!is(w[5], "nolog"))
		log_change(IC_LOG_SET_OWNER, ino, &r, NULL, 1);
}

static void erase_cmd(char **w)
{
	u64 ino = number(w[1]);
	union ic_record *r = record(v.geo.owner_leaf, ino);
	__le32 gen = r->owner.gen;

	memset(r, 0, sizeof(*r));
	r->owner.gen = gen;
	r->owner.flags = cpu_to_le16(IC_OWNER_ERASED);
	if (!is(w[2], "nolog"))
		log_change(IC_LOG_SET_OWNER, ino, r, NULL, 1);
}

static const EVP_CIPHER *cipher(void)
{
	return v.params.cipher == IC_CIPHER_AES256_GCM ?
	       EVP_aes_256_gcm() : EVP_chacha20_poly1305();
}

/* Encrypt what sector @n gets; the tool itself can only decrypt. */
static void encrypt(u64 n, u32 ino, const char *mk_path, u8 *buf,
		    union ic_record *r)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const union ic_record *o;
	struct ic_sector_aad aad;
	u8 key[IC_KEY_SIZE];
	struct secret mk;
	u32 gen = 0;
	int len, err;

	memset(r, 0, sizeof(*r));
	memset(buf, n & 0xff, v.params.sector_size);
	for (size_t i = 0; fill && i < v.params.sector_size; i += 8)
		memcpy(buf + i, &(__le64){ cpu_to_le64(n << 8 | fill) }, 8);
	fresh(r->sector.nonce, IC_NONCE_SIZE);
	r->sector.owner = cpu_to_le32(ino);
	if (ino) {
		o = record(v.geo.owner_leaf, ino);
		master_key(mk_path, &mk);
		gen = le32_to_cpu(o->owner.gen);
		err = ic_derive_owner_key(mk.key, v.params.uuid,
					  v.params.cipher, ino, gen,
					  o->owner.salt, key);
	} else {
		err = ic_derive_data_key(vk.key, v.params.uuid,
					 v.params.cipher, key);
	}
	ic_sector_aad(&aad, v.params.uuid, n, ino, gen);
	if (err || !ctx ||
	    !EVP_EncryptInit_ex(ctx, cipher(), NULL, key, r->sector.nonce) ||
	    !EVP_EncryptUpdate(ctx, NULL, &len, (u8 *)&aad, sizeof(aad)) ||
	    !EVP_EncryptUpdate(ctx, buf, &len, buf, v.params.sector_size) ||
	    !EVP_EncryptFinal_ex(ctx, buf, &len) ||
	    !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, IC_TAG_SIZE,
				 r->sector.tag))
		errx(1, "can't encrypt");
	EVP_CIPHER_CTX_free(ctx);
}

static void write_data(u64 n, const u8 *buf, size_t bytes)
{
	if (pwrite(v.data.fd, buf, bytes,
		   v.data_offset + n * v.params.sector_size) != (ssize_t)bytes)
		err(1, "can't write sector %llu", (unsigned long long)n);
}

static void put_cmd(char **w)
{
	u64 n = number(w[1]), end = n + number(w[2]), ino = number(w[3]);
	static const char * const how[] = {
		"nolog", "nodata", "torn", "inlog", "both"
	};
	bool torn = is(w[5], "torn"), data_only = is(w[0], "data");
	bool in_log = is(w[5], "inlog") || is(w[5], "both");
	u8 buf[IC_MAX_SECTOR_SIZE];
	union ic_record r;
	bool known = !w[5];

	for (size_t i = 0; i < ARRAY_SIZE(how); i++)
		known |= is(w[5], how[i]);
	if (!known || (in_log && v.params.sector_size != IC_BLOCK_SIZE))
		bad("not a way to write", w[5]);
	for (; n < end; n++) {
		encrypt(n, ino, w[4], buf, &r);
		if (in_log) {
			memcpy(lg.data[lg.nr_data++], buf, IC_BLOCK_SIZE);
			log_change(IC_LOG_DATA, n, &r, NULL, 1);
		} else if (!data_only && !is(w[5], "nolog")) {
			log_change(IC_LOG_PUT, n, &r, buf, 1);
		}
		if (!is(w[5], "nodata") && !is(w[5], "inlog"))
			write_data(n, buf, torn ? v.params.sector_size / 2 :
						  v.params.sector_size);
		if (!data_only && !is(w[5], "nodata"))
			*record(v.geo.sector_leaf, n) = r;
	}
}

static void zero_cmd(char **w)
{
	u64 n = number(w[1]), nr = number(w[2]);

	memset(record(v.geo.sector_leaf, n), 0, nr * IC_RECORD_SIZE);
	if (!is(w[3], "nolog"))
		log_change(IC_LOG_ZERO, n, NULL, NULL, nr);
}

static void raw_cmd(char **w)
{
	struct ic_log_entry e;

	if (is(w[0], "entry")) {
		if (!w[1] || !parse_hex(w[1], (u8 *)&e, sizeof(e)))
			bad("not 48 bytes", NULL);
		if (le64_to_cpu(e.what) >> 56 == IC_LOG_DATA)
			memset(lg.data[lg.nr_data++], 0, IC_BLOCK_SIZE);
		append(&e);
		return;
	}
	if (!w[1] || !w[2] ||
	    !parse_hex(w[2], mem[number(w[1])].bytes, IC_RECORD_SIZE))
		bad("not 32 bytes", NULL);
}

static void word_cmd(char **w)
{
	char *colon = w[1] ? strchr(w[1], ':') : NULL;

	if (!colon || nr_forged == MAX_WORDS)
		bad("no node, or too many", NULL);
	*colon = 0;
	forged[nr_forged].level = number(w[1]);
	forged[nr_forged].index = number(colon + 1);
	forged[nr_forged].slot = number(w[2]);
	forged[nr_forged++].word = strtoull(w[3] ? w[3] : "", NULL, 16);
}

/* Seal a node into the place that isn't the committed one. */
static u64 write_node(struct ic_node *node, u32 level, u64 index,
		      u8 tag[IC_TAG_SIZE])
{
	struct ic_node plain = *node;
	u32 place = !places[level][index];
	u8 nonce[IC_NONCE_SIZE];
	int ret;

	do {
		*node = plain;
		fresh(nonce, sizeof(nonce));
		ret = ic_node_seal(node, v.node_key, v.params.uuid, level,
				   index, nonce);
	} while (ret == -EAGAIN);
	if (ret)
		errx(1, "can't seal");
	write_block(ic_node_block(&v.geo, level, index, place), node);
	places[level][index] = place;
	memcpy(tag, node->tag, IC_TAG_SIZE);
	return ic_word(node->tag, place);
}

/* All nodes that aren't zero, leaves first.  Returns the root's tag. */
static void write_tree(u8 root_tag[IC_TAG_SIZE])
{
	u64 *below = NULL;

	memset(root_tag, 0, IC_TAG_SIZE);
	for (u32 level = 0; level < v.geo.levels; level++) {
		u64 n = v.geo.level_nodes[level], *words;

		words = calloc(n, sizeof(*words));
		for (u64 i = 0; i < n; i++) {
			struct ic_node node = { 0 };
			u8 tag[IC_TAG_SIZE];

			for (u32 k = 0; !level && k < IC_LEAF_RECORDS; k++)
				node.rec[k] = mem[i * IC_LEAF_RECORDS + k];
			for (u64 k = 0; level && k < IC_FANOUT &&
			     i * IC_FANOUT + k <
			     v.geo.level_nodes[level - 1]; k++)
				node.word[k] =
					cpu_to_le64(below[i * IC_FANOUT + k]);
			for (u32 k = 0; k < nr_forged; k++)
				if (forged[k].level == level &&
				    forged[k].index == i)
					node.word[forged[k].slot] =
						cpu_to_le64(forged[k].word);
			if (mem_is_zero(node.payload, sizeof(node.payload)))
				continue;
			words[i] = write_node(&node, level, i, tag);
			if (level == v.geo.levels - 1)
				memcpy(root_tag, tag, IC_TAG_SIZE);
		}
		free(below);
		below = words;
	}
	free(below);
}

static void start_log(void)
{
	memset(&lg, 0, sizeof(lg));
	lg.seq = v.state.log_seq;
	lg.low = lg.seq;
	memcpy(lg.salt, v.state.log_salt, IC_SALT_SIZE);
}

static void commit_cmd(char **w)
{
	struct ic_meta_key *key = volume_key(IC_LABEL_SUPER);
	u8 block[IC_BLOCK_SIZE] = { 0 }, nonce[IC_NONCE_SIZE];
	u32 top = v.geo.levels - 1;
	struct ic_super sb;
	bool keep = false;

	v.state.epoch++;
	v.state.nr_owners = 0;
	for (u64 i = 0; i < v.params.owners; i++) {
		const union ic_record *r = record(v.geo.owner_leaf, i);

		if (le16_to_cpu(r->owner.flags) == IC_OWNER_USED)
			v.state.nr_owners++;
	}
	if (v.state.nr_owners)
		v.state.flags |= IC_STATE_OWNED;
	for (w++; *w; w++) {
		if (!strncmp(*w, "owners=", 7))
			v.state.nr_owners = number(*w + 7);
		else if (!strncmp(*w, "flags=", 6))
			v.state.flags = number(*w + 6);
		else if (!strncmp(*w, "epoch=", 6))
			v.state.epoch = number(*w + 6);
		else if (is(*w, "keep"))
			keep = true;
		else
			bad("unknown to commit", *w);
	}
	write_tree(v.state.root_tag);
	v.state.root_place = mem_is_zero(v.state.root_tag, IC_TAG_SIZE) ?
			     0 : places[top][0];
	if (!keep && lg.cut) {
		v.state.log_seq = lg.first_after_cut;
		memcpy(v.state.log_salt, lg.salt, IC_SALT_SIZE);
		lg.cut = false;
	} else if (!keep) {
		v.state.log_seq = lg.seq;
		fresh(v.state.log_salt, IC_SALT_SIZE);
		start_log();
	}
	fresh(nonce, sizeof(nonce));
	if (ic_super_seal(&sb, key, &v.params, &v.state, nonce))
		errx(1, "can't seal");
	ic_meta_key_free(key);
	memcpy(block, &sb, sizeof(sb));
	write_block(IC_SUPER_BLOCK(v.state.epoch & 1), block);
}

static void command(char **w)
{
	static const struct {
		const char *name;
		void (*run)(char **w);
	} commands[] = {
		{ "key", key_cmd }, { "owner", owner_cmd },
		{ "erase", erase_cmd }, { "put", put_cmd },
		{ "data", put_cmd }, { "zero", zero_cmd },
		{ "record", raw_cmd }, { "entry", raw_cmd },
		{ "word", word_cmd }, { "commit", commit_cmd },
	};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (is(w[0], commands[i].name)) {
			commands[i].run(w);
			return;
		}
	if (is(w[0], "low"))
		lg.low = number(w[1]);
	else if (is(w[0], "fill"))
		fill = number(w[1]);
	else if (is(w[0], "mark"))
		lg.low = lg.seq;
	else if (is(w[0], "close") || is(w[0], "cut"))
		close_block(is(w[0], "cut"));
	else
		bad("no such command", w[0]);
}

/* Take the committed tree into memory. */
static void load(void)
{
	u64 records = v.geo.level_nodes[0] * IC_LEAF_RECORDS;
	struct tree_path path;

	mem = calloc(records, sizeof(*mem));
	if (!mem)
		errx(1, "out of memory");
	for (u32 level = 0; level < v.geo.levels; level++) {
		places[level] = calloc(v.geo.level_nodes[level],
				       sizeof(**places));
		if (!places[level])
			errx(1, "out of memory");
		for (u64 i = 0; i < v.geo.level_nodes[level]; i++) {
			if (tree_walk(&v, level, i, &path))
				exit(1);
			places[level][i] = path.step[path.steps - 1].place;
			if (!level)
				memcpy(&mem[i * IC_LEAF_RECORDS],
				       path.node.rec, sizeof(path.node.rec));
		}
	}
}

int main(int argc, char **argv)
{
	const char *side = argc == 4 && strcmp(argv[3], "-") ? argv[3] : NULL;
	char text[512];

	if (argc != 4)
		errx(2, "usage: mkvol VKFILE DEV SIDECAR|- <COMMANDS");
	if (dev_open(&v.data, argv[2], true, true) ||
	    (side && dev_open(&v.side_dev, side, true, true)))
		return 1;
	v.side = side ? &v.side_dev : &v.data;
	v.side_offset = side ? 0 : HEADER_BYTES;
	if (secret_read(&vk, argv[1]) || volume_read_supers(&v, vk.key))
		return 1;
	/* Sectors may be smaller than what direct writes take. */
	fcntl(v.data.fd, F_SETFL, fcntl(v.data.fd, F_GETFL) & ~O_DIRECT);
	load();
	start_log();
	while (fgets(text, sizeof(text), stdin)) {
		char *words[8] = { 0 }, *save = NULL, *s = text;

		line++;
		text[strcspn(text, "#\n")] = 0;
		for (size_t i = 0; i < 7; i++, s = NULL)
			words[i] = strtok_r(s, " \t", &save);
		if (words[0])
			command(words);
	}
	if (lg.count)
		close_block(false);
	if (dev_flush(&v.data) || dev_flush(v.side))
		return 1;
	volume_close(&v);
	return 0;
}

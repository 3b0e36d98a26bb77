// SPDX-License-Identifier: GPL-2.0-only
/*
 * recover-erased - what somebody who has all keys can still read of a deleted file.
 * libs: -lcrypto
 *
 * usage: recover-erased VKFILE MKFILE[,MKFILE...] KNOWN ATTACKED INODE...
 *
 * KNOWN and ATTACKED are directories with the images data.img and side.img of one
 * volume with a sidecar of its own.  KNOWN was taken after a checkpoint while the
 * files were there: it gives each file's generation, check value, and the
 * nonces, tags and places of its sectors, as if the attacker had noted them.
 * The salt, without which nobody derives the file's key, has to come from ATTACKED:
 *
 * All that is found there and can be decrypted is: superblocks, nodes, log
 * blocks, data sectors.  For GCM that takes a key and a nonce; what authenticates a
 * block (its number, its predecessor's tag) isn't needed.  So every block of the sidecar is
 * decrypted as a node, and every log block with a key from any 16 bytes of what was
 * decrypted so far, as if they were a log's salt.  Then any 16 bytes of all that, and
 * of the raw sidecar, are tried as the file's salt, with each master key.
 *
 * Written from docs/format.md alone; shares no code with the target or the tool.
 * Prints what was tried, and a line for each file.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#define BLOCK		4096
#define HEADER		(16 * 1024 * 1024)
#define PER_LEAF	127
#define PER_INNER	508
#define LEVELS		6
#define MASTERS		8
#define TARGETS		16
#define THREADS		2
#define PIECE		8192
#define SHOWN		6

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

/* A volume's images.  current is the valid superblock copy of the greater epoch. */
struct image {
	const char *dir;
	u8	*side;
	size_t	side_len;
	int	data;
	u8	uuid[16];
	u32	log_blocks;
	u64	sectors, owners;
	u64	root_place;
	u8	root_tag[16];
	u64	first_on[LEVELS], place[2];
	int	levels;
};

/* An HMAC key: the states after the pads. */
struct hmac_key {
	SHA256_CTX in, out;
};

/* Some decrypted (or raw) bytes; salts don't cross from one into another. */
struct text {
	char	where[40];
	u8	*p;
	size_t	len;
	bool	raw;	/* not of the sidecar, decrypted: searched last, for files' salts only */
};

struct sector {
	u64	nr;
	u8	rec[32];
};

struct target {
	u32	ino, gen;
	u8	check[8];
	struct sector *sector;
	size_t	nr, present, recovered;
	unsigned long hits;
	char	where[SHOWN][64];
};

static struct image known, attacked;
static u8 vk[32], node_key[32], super_key[32], data_key[32];
static struct hmac_key log_master, master[MASTERS];
static int masters;
static struct target target[TARGETS];
static int targets;

/* Guards texts, nr_texts, opened, and the targets' findings. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct text *texts;
static size_t nr_texts;
static u8 *opened;		/* for each log block */
static unsigned long log_opened, log_windows, windows, nodes, data_sectors;

static u64 get(const u8 *p, int bytes)
{
	u64 n = 0;

	while (bytes--)
		n = n << 8 | p[bytes];
	return n;
}

static void put(u8 *p, u64 n, int bytes)
{
	for (; bytes--; n >>= 8)
		*p++ = n;
}

static bool zero(const u8 *p, size_t n)
{
	return !p[0] && !memcmp(p, p + 1, n - 1);
}

static void hmac_init(struct hmac_key *k, const u8 *key)
{
	u8 pad[64];

	memset(pad, 0x36, sizeof(pad));
	for (int i = 0; i < 32; i++)
		pad[i] ^= key[i];
	SHA256_Init(&k->in);
	SHA256_Update(&k->in, pad, sizeof(pad));
	for (int i = 0; i < 64; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	SHA256_Init(&k->out);
	SHA256_Update(&k->out, pad, sizeof(pad));
}

static void hmac(const struct hmac_key *k, const u8 *msg, size_t len, u8 *out)
{
	SHA256_CTX c = k->in;
	u8 inner[32];

	SHA256_Update(&c, msg, len);
	SHA256_Final(inner, &c);
	c = k->out;
	SHA256_Update(&c, inner, sizeof(inner));
	SHA256_Final(out, &c);
}

static void derive(const u8 *key, const char *label, const u8 *uuid, u8 *out)
{
	u8 msg[48] = { 0 };
	struct hmac_key k;

	hmac_init(&k, key);
	memcpy(msg, label, strlen(label));
	memcpy(msg + 32, uuid, 16);
	hmac(&k, msg, sizeof(msg), out);
}

/* The key of (@t's inode, its generation, @salt), and its check value. */
static void owner_key(const struct hmac_key *mk, const u8 *uuid, u32 ino,
		      u32 gen, const u8 *salt, u8 *key, u8 *check)
{
	u8 msg[72] = "inocrypt v1 owner aes256gcm", label[32] = { 0 }, out[32];
	struct hmac_key k;

	memcpy(msg + 32, uuid, 16);
	put(msg + 48, ino, 4);
	put(msg + 52, gen, 4);
	memcpy(msg + 56, salt, 16);
	hmac(mk, msg, sizeof(msg), key);
	memcpy(label, "inocrypt v1 owner check", 23);
	hmac_init(&k, key);
	hmac(&k, label, sizeof(label), out);
	memcpy(check, out, 8);
}

/*
 * Decrypt @len bytes at @src.  With @tag they have to authenticate, too; without, any
 * key and nonce give something.
 */
static bool gcm(const u8 *key, const u8 *nonce, const u8 *aad, int aad_len,
		const u8 *src, int len, const u8 *tag, u8 *dst)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	u8 copy[16];
	int n;
	bool ok;

	ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key,
				       nonce) &&
	     (!aad || EVP_DecryptUpdate(ctx, NULL, &n, aad, aad_len)) &&
	     EVP_DecryptUpdate(ctx, dst, &n, src, len);
	if (!ok)
		errx(2, "libcrypto fails");
	if (tag) {
		memcpy(copy, tag, 16);
		ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16,
					 copy) &&
		     EVP_DecryptFinal_ex(ctx, dst + n, &n) > 0;
	}
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

static u8 *add_text(const void *p, size_t len, bool raw, const char *what,
		    u64 nr)
{
	struct text *t;
	u8 *copy = NULL;

	pthread_mutex_lock(&lock);
	if (!(nr_texts & (nr_texts - 1))) {
		texts = realloc(texts, (nr_texts * 2 + 1) * sizeof(*texts));
		if (!texts)
			err(2, "memory");
	}
	t = &texts[nr_texts++];
	snprintf(t->where, sizeof(t->where), "%s %lu", what, nr);
	copy = malloc(len);
	if (!copy)
		err(2, "memory");
	memcpy(copy, p, len);
	t->p = copy;
	t->len = len;
	t->raw = raw;
	pthread_mutex_unlock(&lock);
	return copy;
}

static u64 up(u64 n, u64 d)
{
	return (n + d - 1) / d;
}

static u64 owner_leaf(void)
{
	return up(1024, PER_LEAF);
}

static u64 sector_leaf(const struct image *im)
{
	return owner_leaf() + up(im->owners, PER_LEAF);
}

static void load(struct image *im, const char *dir)
{
	u64 n, at = 0, epoch, best = 0;
	char path[4096];
	struct stat st;
	u8 plain[352];
	int fd;

	im->dir = dir;
	snprintf(path, sizeof(path), "%s/side.img", dir);
	fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		err(2, "%s", path);
	im->side_len = st.st_size / BLOCK * BLOCK;
	im->side = malloc(im->side_len);
	if (!im->side || im->side_len < 16 * BLOCK ||
	    pread(fd, im->side, im->side_len, 0) != (ssize_t)im->side_len)
		err(2, "%s", path);
	close(fd);
	snprintf(path, sizeof(path), "%s/data.img", dir);
	im->data = open(path, O_RDONLY);
	if (im->data < 0)
		err(2, "%s", path);
	for (int copy = 0; copy < 2; copy++) {
		const u8 *sb = im->side + copy * 8 * BLOCK;

		if (memcmp(sb, "inocrypt", 8))
			continue;
		memcpy(im->uuid, sb + 16, 16);
		derive(vk, "inocrypt v1 super aes256gcm", im->uuid, super_key);
		if (!gcm(super_key, sb + 128, sb, 128, sb + 160, 352, sb + 144,
			 plain))
			continue;
		epoch = get(plain, 8);
		if (epoch <= best)
			continue;
		best = epoch;
		if (get(sb + 32, 4) != BLOCK || get(sb + 36, 4) != 1)
			errx(2, "%s: only sectors of 4096 and aes256-gcm", dir);
		im->sectors = get(sb + 40, 8);
		im->owners = get(sb + 48, 8);
		im->log_blocks = get(sb + 60, 4);
		memcpy(im->root_tag, plain + 8, 16);
		im->root_place = get(plain + 24, 4);
	}
	if (!best)
		errx(2, "%s: no superblock that this volume key opens", dir);
	n = sector_leaf(im) + up(im->sectors, PER_LEAF);
	for (im->levels = 0;; n = up(n, PER_INNER)) {
		im->first_on[im->levels++] = at;
		at += n;
		if (n == 1)
			break;
	}
	im->place[0] = 16 + im->log_blocks;
	im->place[1] = im->place[0] + at;
	if ((im->place[1] + at) * BLOCK > im->side_len)
		errx(2, "%s: the sidecar is too small", dir);
}

/* Decrypt record @n of the kind that begins at leaf @first in KNOWN's tree. */
static void known_record(u64 first, u64 n, u8 *rec)
{
	u8 aad[48] = "inocrypt1 node", node[BLOCK - 32], word[8] = { 0 };
	u64 leaf = first + n / PER_LEAF, div, place = known.root_place;

	memset(rec, 0, 32);
	memcpy(aad + 16, known.uuid, 16);
	for (int level = known.levels - 1; level >= 0; level--) {
		const u8 *b;

		div = 1;
		for (int i = 0; i < level; i++)
			div *= PER_INNER;
		b = known.side + BLOCK * (known.place[place] +
			known.first_on[level] + leaf / div);
		put(aad + 32, leaf / div, 8);
		put(aad + 40, level, 4);
		if (!gcm(node_key, b + 16, aad, 48, b + 32, BLOCK - 32, b,
			 node))
			errx(2, "%s: a node doesn't verify", known.dir);
		if (!level)
			break;
		memcpy(word, node + 8 * (leaf / (div / PER_INNER) % PER_INNER),
		       8);
		if (!get(word, 8))
			return;
		place = word[0] & 1;
	}
	memcpy(rec, node + 32 * (n % PER_LEAF), 32);
}

static void read_sector(const struct image *im, u64 nr, u8 *buf)
{
	ssize_t n = pread(im->data, buf, BLOCK, HEADER + nr * BLOCK);

	if (n < 0)
		err(2, "%s/data.img", im->dir);
	memset(buf + n, 0, BLOCK - n);
}

static bool open_sector(const u8 *key, u64 nr, const u8 *rec, u32 gen,
			const u8 *src, u8 *dst)
{
	u8 aad[48] = "inocrypt1 sector";

	memcpy(aad + 16, attacked.uuid, 16);
	put(aad + 32, nr, 8);
	put(aad + 40, get(rec + 28, 4), 4);
	put(aad + 44, gen, 4);
	return gcm(key, rec + 16, aad, 48, src, BLOCK, rec, dst);
}

/* Note what KNOWN says of a file: the sectors that decrypt there. */
static void add_target(u32 ino)
{
	struct target *t = &target[targets++];
	u8 rec[32], key[32], check[8], buf[BLOCK], out[BLOCK];
	int m;

	if (targets > TARGETS)
		errx(2, "too many files");
	if (!ino || ino >= known.owners)
		errx(2, "no such inode");
	known_record(owner_leaf(), ino, rec);
	if (!(get(rec + 22, 2) & 1))
		errx(2, "%s: inode %u has no owner record", known.dir, ino);
	t->ino = ino;
	t->gen = get(rec + 16, 4);
	memcpy(t->check, rec + 24, 8);
	for (m = 0; m < masters; m++) {
		owner_key(&master[m], known.uuid, ino, t->gen, rec, key, check);
		if (!memcmp(check, t->check, 8))
			break;
	}
	if (m == masters)
		errx(2, "none of the master keys is inode %u's", ino);
	for (u64 s = 0; s < known.sectors; s++) {
		u8 srec[32];

		known_record(sector_leaf(&known), s, srec);
		if (get(srec + 28, 4) != ino || zero(srec, 32))
			continue;
		read_sector(&known, s, buf);
		/* It may be of an older file with this number. */
		if (!open_sector(key, s, srec, t->gen, buf, out))
			continue;
		t->sector = realloc(t->sector, (t->nr + 1) * sizeof(*t->sector));
		if (!t->sector)
			err(2, "memory");
		t->sector[t->nr].nr = s;
		memcpy(t->sector[t->nr++].rec, srec, 32);
		read_sector(&attacked, s, out);
		t->present += !memcmp(buf, out, BLOCK);
	}
	if (!t->nr)
		errx(2, "%s: inode %u has no sectors", known.dir, ino);
}

/* @salt is a log's: add the blocks that are under it. */
static void try_log_salt(EVP_CIPHER_CTX *ecb, const u8 *salt, const u8 *ctrs,
			 u8 *stream)
{
	static const char label[] = "inocrypt v1 log aes256gcm";
	u8 msg[48] = { 0 }, key[32], plain[BLOCK - 32];
	const u8 *log = attacked.side + 16 * BLOCK;
	int n;

	memcpy(msg, label, sizeof(label) - 1);
	memcpy(msg + 32, salt, 16);
	hmac(&log_master, msg, sizeof(msg), key);
	if (!EVP_EncryptInit_ex(ecb, NULL, NULL, key, NULL) ||
	    !EVP_EncryptUpdate(ecb, stream, &n, ctrs, 16 * attacked.log_blocks))
		errx(2, "libcrypto fails");
	for (u32 i = 0; i < attacked.log_blocks; i++) {
		const u8 *b = log + i * BLOCK;
		const u8 *s = stream + 16 * i;

		/* Number of entries, flags, four zeros. */
		if (memcmp(s + 12, b + 44, 4) ||
		    ((s[10] ^ b[42]) | (s[11] ^ b[43]) << 8) > 1 ||
		    ((s[8] ^ b[40]) | (s[9] ^ b[41]) << 8) > 84 ||
		    zero(b, BLOCK))
			continue;
		pthread_mutex_lock(&lock);
		n = opened[i];
		opened[i] = 1;
		log_opened += !n;
		pthread_mutex_unlock(&lock);
		if (n)
			continue;
		gcm(key, b + 16, NULL, 0, b + 32, BLOCK - 32, NULL, plain);
		add_text(plain, sizeof(plain), false, "log block", i);
	}
}

static void hit(struct target *t, int m, const u8 *salt, const struct text *x)
{
	u8 key[32], check[8], buf[BLOCK], out[BLOCK];
	size_t got = 0;

	owner_key(&master[m], attacked.uuid, t->ino, t->gen, salt, key, check);
	for (size_t i = 0; i < t->nr; i++) {
		/* As given to the attacker: on the disk or from a copy. */
		read_sector(&known, t->sector[i].nr, buf);
		got += open_sector(key, t->sector[i].nr, t->sector[i].rec,
				   t->gen, buf, out);
	}
	pthread_mutex_lock(&lock);
	if (t->recovered < got)
		t->recovered = got;
	if (t->hits < SHOWN)
		snprintf(t->where[t->hits], sizeof(t->where[0]), "%s+0x%lx",
			 x->where, salt - x->p);
	t->hits++;
	pthread_mutex_unlock(&lock);
}

/* One of the two passes over all texts, by several threads. */
struct pass {
	bool	log, raw;
	size_t	to;		/* texts before it */
	size_t	text, at;	/* the next piece; guarded by lock */
};

static bool next_piece(struct pass *p, struct text *t, size_t *at)
{
	bool more;

	pthread_mutex_lock(&lock);
	while (p->text < p->to && (p->at + 16 > texts[p->text].len ||
				   p->raw != texts[p->text].raw)) {
		p->text++;
		p->at = 0;
	}
	more = p->text < p->to;
	if (more) {
		*t = texts[p->text];
		*at = p->at;
		p->at += PIECE;
	}
	pthread_mutex_unlock(&lock);
	return more;
}

static void try_salt(const u8 *salt, const struct text *x)
{
	u8 key[32], check[8];

	for (int i = 0; i < targets; i++) {
		/* Once recovered from the sidecar it needs no search of the data. */
		if (x->raw && target[i].recovered)
			continue;
		for (int m = 0; m < masters; m++) {
			owner_key(&master[m], attacked.uuid, target[i].ino,
				  target[i].gen, salt, key, check);
			if (!memcmp(check, target[i].check, 8))
				hit(&target[i], m, salt, x);
		}
	}
}

static void *work(void *arg)
{
	EVP_CIPHER_CTX *ecb = EVP_CIPHER_CTX_new();
	u8 *ctrs = calloc(attacked.log_blocks, 16);
	u8 *stream = malloc(attacked.log_blocks * 16);
	unsigned long n = 0;
	struct pass *p = arg;
	struct text x;
	size_t at, end;

	if (!ecb || !ctrs || !stream ||
	    !EVP_EncryptInit_ex(ecb, EVP_aes_256_ecb(), NULL, NULL, NULL))
		errx(2, "libcrypto fails");
	EVP_CIPHER_CTX_set_padding(ecb, 0);
	for (u32 i = 0; i < attacked.log_blocks; i++) {
		memcpy(ctrs + 16 * i, attacked.side + (16 + i) * BLOCK + 16, 12);
		ctrs[16 * i + 15] = 2;
	}
	while (next_piece(p, &x, &at)) {
		for (end = at + PIECE; at < end && at + 16 <= x.len; at++) {
			if (zero(x.p + at, 16))
				continue;
			n++;
			if (p->log)
				try_log_salt(ecb, x.p + at, ctrs, stream);
			else
				try_salt(x.p + at, &x);
		}
	}
	pthread_mutex_lock(&lock);
	*(p->log ? &log_windows : &windows) += n;
	pthread_mutex_unlock(&lock);
	EVP_CIPHER_CTX_free(ecb);
	free(ctrs);
	free(stream);
	return NULL;
}

static void run(bool log, bool raw, size_t from, size_t to)
{
	struct pass p = { .log = log, .raw = raw, .to = to, .text = from };
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, work, &p))
			errx(2, "no thread");
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

/* Every owner record that any node or log block holds: its key, if one fits. */
struct live {
	u32	ino, gen;
	u8	key[32];
};

static struct live *lives;
static size_t nr_lives;

static void see_owner(u32 ino, const u8 *rec)
{
	struct live l = { .ino = ino, .gen = get(rec + 16, 4) };
	u8 check[8];

	if (!(get(rec + 22, 2) & 1))
		return;
	for (int m = 0; m < masters; m++) {
		owner_key(&master[m], attacked.uuid, ino, l.gen, rec, l.key,
			  check);
		if (memcmp(check, rec + 24, 8))
			continue;
		lives = realloc(lives, (nr_lives + 1) * sizeof(l));
		if (!lives)
			err(2, "memory");
		lives[nr_lives++] = l;
		return;
	}
}

/* A sector record: decrypt what is on the disk, if it is what it names. */
static void see_sector(u64 nr, const u8 *rec)
{
	u32 ino = get(rec + 28, 4);
	u8 buf[BLOCK], out[BLOCK];
	bool ok = false;

	if (nr >= attacked.sectors || zero(rec, 32))
		return;
	read_sector(&attacked, nr, buf);
	if (!ino)
		ok = open_sector(data_key, nr, rec, 0, buf, out);
	for (size_t i = 0; ino && i < nr_lives && !ok; i++)
		if (lives[i].ino == ino)
			ok = open_sector(lives[i].key, nr, rec, lives[i].gen,
					 buf, out);
	if (!ok)
		return;
	data_sectors++;
	add_text(out, BLOCK, true, "data sector", nr);
}

/* Records in the texts from nodes and the log: owners first, then sectors. */
static void see_records(size_t nr, bool sectors)
{
	u64 first = sector_leaf(&attacked), leaf;
	struct text t;
	unsigned long b;

	for (size_t i = 0; i < nr; i++) {
		t = texts[i];
		if (sscanf(t.where, "block %lu", &b) == 1) {
			if (b < attacked.place[0])
				continue;
			leaf = b - attacked.place[b >= attacked.place[1]];
			for (int r = 0; r < PER_LEAF; r++) {
				const u8 *rec = t.p + 32 * r;

				if (leaf >= attacked.first_on[1])
					break;
				if (sectors && leaf >= first)
					see_sector((leaf - first) * PER_LEAF + r,
						   rec);
				else if (!sectors && leaf < first &&
					 leaf >= owner_leaf())
					see_owner((leaf - owner_leaf()) *
						  PER_LEAF + r, rec);
			}
		} else if (sscanf(t.where, "log block %lu", &b) == 1) {
			for (u64 e = 0; e < get(t.p + 8, 2) && e < 84; e++) {
				const u8 *entry = t.p + 32 + 48 * e;
				u64 what = get(entry, 8);

				if (sectors && what >> 56 == 1)
					see_sector(what & ~0ULL >> 8, entry + 8);
				else if (!sectors && what >> 56 == 2)
					see_owner(what, entry + 8);
			}
		}
	}
}

static void decrypt_all(void)
{
	u8 plain[BLOCK];
	size_t from = 0, to;

	add_text(attacked.side, attacked.side_len, true, "raw sidecar", 0);
	for (size_t b = 0; b < attacked.side_len / BLOCK; b++) {
		const u8 *p = attacked.side + b * BLOCK;

		if (zero(p, BLOCK))
			continue;
		if (!memcmp(p, "inocrypt", 8)) {
			gcm(super_key, p + 128, NULL, 0, p + 160, 352, NULL,
			    plain);
			add_text(plain, 352, false, "superblock", b);
		}
		gcm(node_key, p + 16, NULL, 0, p + 32, BLOCK - 32, NULL, plain);
		add_text(plain, BLOCK - 32, false, "block", b);
		nodes++;
	}
	/* What the log gives may give more of the log. */
	for (; from < nr_texts; from = to) {
		to = nr_texts;
		run(true, false, from, to);
	}
	to = nr_texts;
	see_records(to, false);
	see_records(to, true);
}

static void read_key(const char *path, u8 *key)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, key, 32) != 32)
		err(2, "%s", path);
	close(fd);
}

int main(int argc, char **argv)
{
	u8 key[32];

	if (argc < 6)
		errx(2, "usage: recover-erased VK MK[,MK...] KNOWN ATTACKED INODE...");
	read_key(argv[1], vk);
	for (char *m = strtok(argv[2], ","); m; m = strtok(NULL, ",")) {
		if (masters == MASTERS)
			errx(2, "too many master keys");
		read_key(m, key);
		hmac_init(&master[masters++], key);
	}
	load(&known, argv[3]);
	load(&attacked, argv[4]);
	if (memcmp(known.uuid, attacked.uuid, 16))
		errx(2, "two volumes");
	derive(vk, "inocrypt v1 node aes256gcm", attacked.uuid, node_key);
	derive(vk, "inocrypt v1 volume aes256gcm", attacked.uuid, data_key);
	derive(vk, "inocrypt v1 log hmacsha256", attacked.uuid, key);
	hmac_init(&log_master, key);
	opened = calloc(attacked.log_blocks, 1);
	for (int i = 5; i < argc; i++)
		add_target(strtoul(argv[i], NULL, 10));
	decrypt_all();
	run(false, false, 0, nr_texts);
	run(false, true, 0, nr_texts);
	printf("%lu windows; decrypted: %lu blocks as nodes, %lu of the log (%lu salts tried), ",
	       windows, nodes, log_opened, log_windows);
	printf("%lu data sectors with the keys of %lu owners\n", data_sectors,
	       nr_lives);
	for (int i = 0; i < targets; i++) {
		struct target *t = &target[i];

		printf("inode %u: %lu of %lu sectors recovered (%lu still on the disk)",
		       t->ino, t->recovered, t->nr, t->present);
		for (unsigned long k = 0; k < t->hits && k < SHOWN; k++)
			printf("%s%s", k ? ", " : "; salt in ", t->where[k]);
		putchar('\n');
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * decrypt_sector - a second implementation of reading a volume, written from
 * docs/format.md alone; shares no code with the target or the tool.
 * libs: -lcrypto
 *
 * usage: decrypt_sector VKFILE MKFILE|- SECTOR[+COUNT] DEV [SIDECAR]
 *
 * Prints the plaintext of COUNT (1) sectors.  Exit code: 0, 1 (doesn't verify or can't be
 * read), 2 (usage), 3 (owned, and no master key given), 4 (cipher not in
 * libcrypto).
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/types.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define BLOCK		4096
#define HEADER		(16 * 1024 * 1024)
#define PER_LEAF	127
#define PER_INNER	508

static __u8 vk[32], node_key[32], uuid[16];
static __u64 data_sectors, owners, side_off, data_off;
static __u32 sector_size, cipher, log_blocks, root_place;
static __u8 root_tag[16];
static __u64 nodes_on[6], first_on[6], places[2];
static unsigned int levels;
static int side_fd;

static __u64 get(const __u8 *p, unsigned int bytes)
{
	__u64 n = 0;

	while (bytes--)
		n = n << 8 | p[bytes];
	return n;
}

static void put(__u8 *p, __u64 n, unsigned int bytes)
{
	for (; bytes--; n >>= 8)
		*p++ = n;
}

static void hmac(const __u8 *key, const void *msg, size_t len, __u8 *out)
{
	if (!HMAC(EVP_sha256(), key, 32, msg, len, out, NULL))
		errx(1, "HMAC fails");
}

/* HMAC(key, label padded to 32 bytes || context) */
static void derive(const __u8 *key, const char *label, const void *context,
		   size_t len, __u8 *out)
{
	__u8 msg[128] = { 0 };

	memcpy(msg, label, strlen(label));
	memcpy(msg + 32, context, len);
	hmac(key, msg, 32 + len, out);
}

/* Returns 1 if the tag fits. */
static int aead_open(const EVP_CIPHER *type, const __u8 *key,
		     const __u8 *nonce, const __u8 *aad, int aad_len,
		     __u8 *buf, int len, const __u8 *tag)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	__u8 copy[16], out[BLOCK];
	int n, ok;

	memcpy(copy, tag, 16);
	ok = ctx && EVP_DecryptInit_ex(ctx, type, NULL, key, nonce) &&
	     EVP_DecryptUpdate(ctx, NULL, &n, aad, aad_len) &&
	     EVP_DecryptUpdate(ctx, out, &n, buf, len) &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, copy) &&
	     EVP_DecryptFinal_ex(ctx, out + n, &n) > 0;
	EVP_CIPHER_CTX_free(ctx);
	if (ok)
		memcpy(buf, out, len);
	return ok;
}

static void read_key(const char *path, __u8 *key)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, key, 32) != 32)
		err(1, "%s", path);
	close(fd);
}

static void read_at(int fd, __u64 off, void *buf, size_t len)
{
	if (pread(fd, buf, len, off) != (ssize_t)len)
		err(1, "read at byte %llu", off);
}

/* Returns the epoch, 0 if the copy isn't valid; fills in the globals. */
static __u64 read_super(unsigned int copy, __u64 newer_than)
{
	__u8 sb[512], key[32];
	__u64 epoch;

	read_at(side_fd, side_off + copy * 8 * BLOCK, sb, sizeof(sb));
	if (memcmp(sb, "inocrypt", 8) || get(sb + 8, 4) != 1)
		return 0;
	derive(vk, "inocrypt v1 super aes256gcm", sb + 16, 16, key);
	if (!aead_open(EVP_aes_256_gcm(), key, sb + 128, sb, 128, sb + 160, 352,
		       sb + 144))
		return 0;
	epoch = get(sb + 160, 8);
	if (epoch <= newer_than)
		return newer_than;
	memcpy(uuid, sb + 16, 16);
	sector_size = get(sb + 32, 4);
	cipher = get(sb + 36, 4);
	data_sectors = get(sb + 40, 8);
	owners = get(sb + 48, 8);
	log_blocks = get(sb + 60, 4);
	memcpy(root_tag, sb + 168, 16);
	root_place = get(sb + 184, 4);
	return epoch;
}

static __u64 up(__u64 n, __u64 d)
{
	return (n + d - 1) / d;
}

static __u64 owner_leaf(void)
{
	return up(1024, PER_LEAF);
}

static __u64 sector_leaf(void)
{
	return owner_leaf() + up(owners, PER_LEAF);
}

static void lay_out(int one_device)
{
	__u64 n = sector_leaf() + up(data_sectors, PER_LEAF), at = 0;

	for (levels = 0;; n = up(n, PER_INNER)) {
		first_on[levels] = at;
		nodes_on[levels++] = n;
		at += n;
		if (n == 1)
			break;
	}
	places[0] = 16 + log_blocks;
	places[1] = places[0] + at;
	data_off = HEADER;
	if (one_device)
		data_off += up((places[1] + at) * BLOCK, 1 << 20) << 20;
}

/* Record @n of the kind that begins at leaf @first; fails if it is below a lost node. */
static void get_record(__u64 first, __u64 n, __u8 *rec)
{
	static const __u8 none[16];
	__u8 node[BLOCK], word[8] = { 0 }, aad[48] = "inocrypt1 node";
	__u64 leaf = first + n / PER_LEAF, index;
	unsigned int place = root_place;

	memset(rec, 0, 32);
	if (!memcmp(root_tag, none, 16))
		return;
	memcpy(aad + 16, uuid, 16);
	for (int level = levels - 1; level >= 0; level--) {
		__u64 div = 1;

		for (int i = 0; i < level; i++)
			div *= PER_INNER;
		index = leaf / div;
		read_at(side_fd, side_off + BLOCK * (places[place] +
			first_on[level] + index), node, BLOCK);
		if (level == (int)levels - 1) {
			if (memcmp(node, root_tag, 16))
				errx(1, "the root isn't the superblock's");
		} else if ((get(node, 8) | 1) != (get(word, 8) | 1)) {
			errx(1, "level %d, node %llu isn't its parent's", level,
			     index);
		}
		put(aad + 32, index, 8);
		put(aad + 40, level, 4);
		if (!aead_open(EVP_aes_256_gcm(), node_key, node + 16, aad,
			       48, node + 32, BLOCK - 32, node))
			errx(1, "level %d, node %llu doesn't verify", level,
			     index);
		if (!level)
			break;
		memcpy(word, node + 32 + 8 * (leaf / (div / PER_INNER) %
					      PER_INNER), 8);
		if (!get(word, 8))
			return;
		if (get(word, 8) == 1)
			errx(1, "the records below level %d, node %llu, child %llu are lost",
			     level, index, leaf / (div / PER_INNER) % PER_INNER);
		place = word[0] & 1;
	}
	memcpy(rec, node + 32 + 32 * (n % PER_LEAF), 32);
}

static void owner_key(const char *mk_path, __u32 ino, const char *alg,
		      __u8 *key, __u32 *gen)
{
	__u8 rec[32], keyrec[32], mk[32], context[40], msg[30], id[32];
	__u8 check[32];
	char label[33];

	if (!strcmp(mk_path, "-"))
		errx(3, "owned by inode %u, and no master key given", ino);
	read_key(mk_path, mk);
	if (ino >= owners)
		errx(1, "owner %u out of bounds", ino);
	get_record(owner_leaf(), ino, rec);
	if (get(rec + 22, 2) != 1)
		errx(1, "no record of owner %u", ino);
	get_record(0, get(rec + 20, 2), keyrec);
	memcpy(msg, "inocrypt v1 id", 14);
	memcpy(msg + 14, uuid, 16);
	hmac(mk, msg, sizeof(msg), id);
	if (get(keyrec + 16, 4) != 1 || memcmp(keyrec, id, 16))
		errx(1, "owner %u is under another master key", ino);
	*gen = get(rec + 16, 4);
	memcpy(context, uuid, 16);
	put(context + 16, ino, 4);
	put(context + 20, *gen, 4);
	memcpy(context + 24, rec, 16);
	snprintf(label, sizeof(label), "inocrypt v1 owner %s", alg);
	derive(mk, label, context, sizeof(context), key);
	derive(key, "inocrypt v1 owner check", "", 0, check);
	if (memcmp(check, rec + 24, 8))
		errx(1, "owner %u's check value doesn't fit its key", ino);
}

/* Print the plaintext of one sector. */
static void print_sector(const char *mk_path, __u64 sector, int data_fd)
{
	static const char * const algs[] = { "", "aes256gcm", "chacha20poly" };
	static const __u8 none[32];
	__u8 rec[32], key[32], aad[48] = "inocrypt1 sector", buf[BLOCK] = { 0 };
	__u32 ino, gen = 0;
	char label[33];

	if (sector >= data_sectors)
		errx(2, "no such sector");
	get_record(sector_leaf(), sector, rec);
	if (!memcmp(rec, none, 28) && get(rec + 28, 4) == 0xffffffff)
		errx(1, "sector %llu's record is lost", sector);
	if (memcmp(rec, none, 32)) {
		if (cipher != 1 && cipher != 2)
			errx(4, "libcrypto hasn't got this cipher");
		ino = get(rec + 28, 4);
		snprintf(label, sizeof(label), "inocrypt v1 volume %s",
			 algs[cipher]);
		if (ino)
			owner_key(mk_path, ino, algs[cipher], key, &gen);
		else
			derive(vk, label, uuid, 16, key);
		memcpy(aad + 16, uuid, 16);
		put(aad + 32, sector, 8);
		put(aad + 40, ino, 4);
		put(aad + 44, gen, 4);
		read_at(data_fd, data_off + sector * sector_size, buf,
			sector_size);
		if (!aead_open(cipher == 1 ? EVP_aes_256_gcm() :
			       EVP_chacha20_poly1305(), key, rec + 16, aad, 48,
			       buf, sector_size, rec))
			errx(1, "sector %llu doesn't verify", sector);
	}
	if (fwrite(buf, 1, sector_size, stdout) != sector_size)
		err(1, "write");
}

int main(int argc, char **argv)
{
	__u64 sector, count = 1, epoch;
	char *plus;
	int data_fd;

	if (argc != 5 && argc != 6)
		errx(2, "usage: decrypt_sector VKFILE MKFILE|- SECTOR[+COUNT] DEV [SIDECAR]");
	read_key(argv[1], vk);
	sector = strtoull(argv[3], &plus, 10);
	if (*plus == '+')
		count = strtoull(plus + 1, NULL, 10);
	data_fd = open(argv[4], O_RDONLY);
	side_fd = argc == 6 ? open(argv[5], O_RDONLY) : data_fd;
	if (data_fd < 0 || side_fd < 0)
		err(1, "can't open the images");
	side_off = argc == 6 ? 0 : HEADER;
	epoch = read_super(0, 0);
	epoch = read_super(1, epoch);
	if (!epoch)
		errx(1, "no superblock that this volume key opens");
	lay_out(argc == 5);
	derive(vk, "inocrypt v1 node aes256gcm", uuid, 16, node_key);
	while (count--)
		print_sector(argv[2], sector++, data_fd);
	return 0;
}

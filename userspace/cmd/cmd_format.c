// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt format: make a new, empty volume.  Writes the header that holds the
 * volume key, and two superblock copies, whatever the size of the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <blkid/blkid.h>

#include "cmd/cmd.h"

struct format_args {
	const char *dev, *sidecar, *label;
	struct words words;
	struct volume_key_source key;
	struct luks_pbkdf pbkdf;
	struct ic_params params;
	bool has_uuid, yes, force;
	u64 log_bytes;
};

#define DEFAULT_CIPHER	IC_CIPHER_AES256_GCM

enum { OPT_SIDECAR = 0x100, OPT_CIPHER, OPT_OWNERS, OPT_LOG, OPT_UUID,
	OPT_LABEL };

static const struct argp_option options[] = {
	{ "sidecar", OPT_SIDECAR, "DEV2", 0,
	  "Keep the integrity metadata on DEV2 instead of DEV", 0 },
	{ "sector-size", 's', "BYTES", 0,
	  "Unit of encryption: 512, 1024, 2048 or 4096 (default)", 0 },
	/* Which there are the table of ciphers knows: see help(). */
	{ "cipher", OPT_CIPHER, "NAME", 0, "of", 0 },
	{ "owners", OPT_OWNERS, "N", 0,
	  "Largest number of inodes (default: as mke2fs makes them)", 0 },
	{ "log-size", OPT_LOG, "SIZE", 0, "Size of the log, 256K to 4G", 0 },
	{ "uuid", OPT_UUID, "UUID", 0, "Identify the volume by this UUID", 0 },
	{ "label", OPT_LABEL, "TEXT", 0, "Name it in its header", 0 },
	{ "force", 'f', NULL, 0,
	  "Don't ask, and overwrite what is recognised on the device", 0 },
	{ 0 }
};

/*
 * If nothing but a volume key is given, its owner keeps it, and there is no
 * header.
 */
static bool has_header(const struct format_args *a)
{
	return !a->key.file || a->key.pass.key_file;
}

#define CIPHER_NAMES_SIZE	256

/* "a, b or c", with @mark behind the one that is taken if none is named. */
static void cipher_names(char names[CIPHER_NAMES_SIZE], const char *mark)
{
	size_t n = 0;

	names[0] = 0;
	for (u32 c = 1; c < IC_CIPHER_COUNT && n < CIPHER_NAMES_SIZE; c++)
		n += snprintf(names + n, CIPHER_NAMES_SIZE - n, "%s%s%s",
			      c == 1 ? "" : c == IC_CIPHER_COUNT - 1 ? " or " :
			      ", ", ic_cipher_info(c)->name,
			      c == DEFAULT_CIPHER ? mark : "");
}

/* 0 if there is none of that name. */
static u32 cipher_named(const char *name)
{
	for (u32 c = 1; c < IC_CIPHER_COUNT; c++)
		if (!strcmp(name, ic_cipher_info(c)->name))
			return c;
	return 0;
}

static char *help(int key, const char *text, void *input)
{
	char names[CIPHER_NAMES_SIZE];

	(void)input;
	if (key != OPT_CIPHER)
		return (char *)text;
	cipher_names(names, " (default)");
	return strdup(names);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct format_args *a = state->input;
	u64 n;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->key;
		state->child_inputs[1] = &a->pbkdf;
		state->child_inputs[2] = &a->yes;
		state->child_inputs[3] = &a->words;
		break;
	case OPT_SIDECAR:
		a->sidecar = arg;
		break;
	case 's':
		if (!parse_u64(arg, &n) || n < IC_MIN_SECTOR_SIZE ||
		    n > IC_MAX_SECTOR_SIZE || (n & (n - 1)))
			args_error(state,
				   "sector size %s: 512, 1024, 2048 or 4096",
				   arg);
		a->params.sector_size = n;
		break;
	case OPT_CIPHER:
		a->params.cipher = cipher_named(arg);
		if (!a->params.cipher) {
			char names[CIPHER_NAMES_SIZE];

			cipher_names(names, "");
			args_error(state, "cipher %s: %s", arg, names);
		}
		break;
	case OPT_OWNERS:
		if (!parse_u64(arg, &n) || n < 16 || n > IC_MAX_OWNERS)
			args_error(state, "owners %s: 16 to %llu", arg,
				   (unsigned long long)IC_MAX_OWNERS);
		a->params.owners = n;
		break;
	case OPT_LOG:
		if (!parse_size(arg, &a->log_bytes) ||
		    a->log_bytes % IC_BLOCK_SIZE ||
		    a->log_bytes / IC_BLOCK_SIZE < IC_MIN_LOG_BLOCKS ||
		    a->log_bytes / IC_BLOCK_SIZE > IC_MAX_LOG_BLOCKS)
			args_error(state,
				   "log size %s: 256K to 4G, a multiple of 4K",
				   arg);
		break;
	case OPT_UUID:
		if (!uuid_parse_any(arg, a->params.uuid))
			args_error(state, "%s is no UUID", arg);
		a->has_uuid = true;
		break;
	case OPT_LABEL:
		if (!*arg || strlen(arg) >= LUKS_LABEL_SIZE)
			args_error(state, "a label has 1 to %d bytes",
				   LUKS_LABEL_SIZE - 1);
		a->label = arg;
		break;
	case 'f':
		a->yes = true;
		a->force = true;
		break;
	case ARGP_KEY_END:
		if (a->key.file && a->key.pass.key_file &&
		    !strcmp(a->key.file, "-") &&
		    !strcmp(a->key.pass.key_file, "-"))
			args_error(state,
				   "only one of the key and the passphrase can be on standard input");
		if (!has_header(a) && a->label)
			args_error(state,
				   "a label is kept in the header: with --volume-key-file give --key-file, too");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = {
	{ &volume_key_argp, 0, NULL, 0 }, { &luks_pbkdf_argp, 0, NULL, 0 },
	{ &yes_argp, 0, NULL, 0 }, { &words_argp, 0, NULL, 0 }, { 0 }
};

static const struct argp argp = {
	options, parse, "DEV",
	"Make a new, empty volume on DEV, a block device or an image file.  Its key is random, in a LUKS2 header that the passphrase opens; with --volume-key-file and no --key-file there is no header.",
	children, help, NULL
};

/* Bytes for each inode in mke2fs.conf: "-T small" and "-T news"; the default. */
#define SMALL_RATIO	4096
#define DEFAULT_RATIO	16384

/* How many inodes mke2fs makes, at most: rounding per group adds some. */
static u64 inodes(u64 bytes, u64 ratio)
{
	return bytes / ratio + bytes / (ratio * (ratio == SMALL_RATIO ? 16 : 64)) +
	       2048;
}

/*
 * As many owners as mke2fs makes inodes by default: one for 4 KiB on small
 * file systems, for 16 KiB on others, and what rounding per group adds.
 */
static u64 default_owners(u64 data_bytes)
{
	u64 small = inodes(data_bytes < 520 * MIB ? data_bytes : 520 * MIB,
			   SMALL_RATIO);
	u64 by_size = inodes(data_bytes, DEFAULT_RATIO);
	u64 n = small > by_size ? small : by_size;

	return n > IC_MAX_OWNERS ? IC_MAX_OWNERS : n;
}

/* Where a volume, old or new, may have a superblock on a device. */
static const u64 super_places[] = {
	0, IC_SUPER_BLOCK(1) * IC_BLOCK_SIZE,
	HEADER_BYTES, HEADER_BYTES + IC_SUPER_BLOCK(1) * IC_BLOCK_SIZE,
};

static bool place_exists(const struct area_dev *dev, unsigned int i)
{
	return super_places[i] + IC_BLOCK_SIZE <= dev->bytes;
}

static int cant_look(const struct area_dev *dev)
{
	return fail(EX_IO, "can't look for file systems on %s: %s", dev->path,
		    errno ? strerror(errno) : "libblkid fails");
}

/* Refuse a device that holds something we recognise. */
static int check_unused(struct area_dev *dev)
{
	blkid_probe probe;
	const char *type = NULL;
	int found;

	for (unsigned int i = 0; i < ARRAY_SIZE(super_places); i++) {
		char magic[8];
		int ret;

		if (!place_exists(dev, i))
			continue;
		ret = dev_read(dev, super_places[i], magic, sizeof(magic));
		if (ret)
			return ret;
		if (!memcmp(magic, IC_MAGIC, sizeof(magic)))
			return fail(EX_FAIL,
				    "%s holds an inocrypt volume already; --force overwrites it",
				    dev->path);
	}
	probe = blkid_new_probe_from_filename(dev->path);
	if (!probe)
		return cant_look(dev);
	blkid_probe_enable_partitions(probe, 1);
	found = blkid_do_safeprobe(probe);
	if (found == -1) {
		blkid_free_probe(probe);
		return cant_look(dev);
	}
	if (!found &&
	    blkid_probe_lookup_value(probe, "TYPE", &type, NULL))
		blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL);
	if (found != 1)
		fail(EX_FAIL, "%s holds %s already; --force overwrites it",
		     dev->path, type ? type : "more than one kind of data");
	blkid_free_probe(probe);
	return found == 1 ? 0 : EX_FAIL;
}

/* What other tools would recognise, wherever on the device that is. */
static int wipe_signatures(struct area_dev *dev)
{
	blkid_probe probe = blkid_new_probe();
	int flags = fcntl(dev->fd, F_GETFL);
	int found = -1, ret = 0;

	/* libblkid reads and writes a few bytes, unaligned. */
	if (!probe || flags < 0 || fcntl(dev->fd, F_SETFL, flags & ~O_DIRECT) ||
	    blkid_probe_set_device(probe, dev->fd, 0, 0)) {
		ret = cant_look(dev);
		goto out;
	}
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_MAGIC |
					  BLKID_SUBLKS_BADCSUM);
	blkid_probe_enable_partitions(probe, 1);
	/*
	 * Without its first copy, the GPT's backup at the end counts as a
	 * table, too.
	 */
	blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC |
					 BLKID_PARTS_FORCE_GPT);
	while (!ret && !(found = blkid_do_probe(probe)))
		if (blkid_do_wipe(probe, 0))
			ret = fail(EX_IO, "can't wipe a signature on %s: %s",
				   dev->path, strerror(errno));
	if (!ret && found < 0)
		ret = cant_look(dev);
	/*
	 * Write this out before anything is read or written past the page cache
	 * again.
	 */
	if (!ret)
		ret = dev_flush(dev);
	if (fcntl(dev->fd, F_SETFL, flags) && !ret)
		ret = fail(EX_FAIL, "%s: %s", dev->path, strerror(errno));
out:
	blkid_free_probe(probe);
	return ret;
}

/*
 * Take away what is there: an older header with its key slots, any older
 * volume's superblocks, and what other tools would recognise.
 *
 * The header first, and both superblock copies at once: an older volume is not
 * to be opened from one copy that is left.
 */
static int wipe(struct area_dev *dev)
{
	int ret = dev_zero(dev, 0, HEADER_BYTES);

	if (!ret)
		ret = dev_zero(dev, HEADER_BYTES,
			       IC_FIRST_BLOCK * (u64)IC_BLOCK_SIZE);
	return ret ? ret : wipe_signatures(dev);
}

static int ask(const struct format_args *a)
{
	char line[16];

	if (a->yes)
		return 0;
	if (!isatty(STDIN_FILENO) || (a->key.file && !strcmp(a->key.file, "-")))
		return fail(EX_USAGE,
			    "all data on %s would be lost; say --yes to do it",
			    a->dev);
	say_part("All data on %s%s%s will be lost.  Type YES to go on: ", a->dev,
		 a->sidecar ? " and " : "", a->sidecar ? a->sidecar : "");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin) || strcmp(line, "YES\n"))
		return fail(EX_FAIL, "nothing was changed");
	return 0;
}

/* Choose what was not asked for, and make it fit. */
static int choose(struct format_args *a, struct volume *v)
{
	struct ic_params *p = &a->params;
	u64 room = v->data.bytes;
	int err;

	if (room <= HEADER_BYTES + ALIGN_BYTES)
		return fail(EX_FAIL,
			    "%s is too small: 16 MiB are for the header alone",
			    v->data.path);
	if (v->data.block_bytes > (int)p->sector_size)
		return fail(EX_FAIL,
			    "%s has blocks of %d bytes: sectors of %u are too small for it; see --sector-size",
			    v->data.path, v->data.block_bytes, p->sector_size);
	if (v->side->block_bytes > IC_BLOCK_SIZE)
		return fail(EX_FAIL,
			    "%s has blocks of %d bytes: more than %d don't do",
			    v->side->path, v->side->block_bytes, IC_BLOCK_SIZE);
	room -= HEADER_BYTES;
	if (!p->owners)
		p->owners = default_owners(room);
	p->log_blocks = a->log_bytes / IC_BLOCK_SIZE;
	/* On one device the data area's alignment may cost up to a MiB. */
	err = a->sidecar ? ic_params_fit(p, room, v->side_dev.bytes) :
			   ic_params_fit(p, 0, room - ALIGN_BYTES);
	if (!err) {
		/* File systems like whole blocks. */
		p->data_sectors -= p->data_sectors %
				   (IC_BLOCK_SIZE / p->sector_size);
		err = p->data_sectors ? ic_geometry_init(&v->geo, p) : -ENOSPC;
	}
	if (err)
		return fail(EX_FAIL,
			    "%s is too small for a volume with %llu owners; see --owners and --log-size",
			    v->side->path, (unsigned long long)p->owners);
	if (a->sidecar && p->data_sectors * p->sector_size <
			  room / IC_BLOCK_SIZE * IC_BLOCK_SIZE)
		warn("%s has room for the metadata of %llu of the %llu MiB on %s only",
		     v->side->path,
		     (unsigned long long)(p->data_sectors * p->sector_size /
					  MIB),
		     (unsigned long long)(room / MIB), v->data.path);
	return 0;
}

/*
 * Epochs 1 and 2, one in each copy, with an empty tree.  In one write: where
 * that is cut, either copy alone is a volume, too.
 */
static int write_supers(struct volume *v, const struct ic_params *params,
			const u8 vk[IC_KEY_SIZE])
{
	const ssize_t len = IC_FIRST_BLOCK * IC_BLOCK_SIZE;
	u8 *blocks = aligned_alloc(IC_BLOCK_SIZE, len);
	struct ic_meta_key *key = NULL;
	u8 raw_key[IC_KEY_SIZE];
	int ret = 0;

	if (!ic_derive_volume_key(vk, params->uuid, IC_LABEL_SUPER, raw_key))
		key = ic_meta_key_new(raw_key);
	explicit_bzero(raw_key, sizeof(raw_key));
	if (!key || !blocks) {
		ret = fail(EX_FAIL, "libcrypto fails, or out of memory");
		goto out;
	}
	memset(blocks, 0, len);
	for (u64 epoch = 1; epoch <= 2 && !ret; epoch++) {
		struct ic_state state = { .epoch = epoch, .log_seq = 1 };
		u8 nonce[IC_NONCE_SIZE];
		struct ic_super sb;

		ret = random_bytes(state.log_salt, sizeof(state.log_salt));
		if (!ret)
			ret = random_bytes(nonce, sizeof(nonce));
		if (!ret && ic_super_seal(&sb, key, params, &state, nonce))
			ret = fail(EX_FAIL, "libcrypto fails");
		memcpy(blocks + IC_SUPER_BLOCK(epoch & 1) * IC_BLOCK_SIZE, &sb,
		       sizeof(sb));
	}
	if (!ret && pwrite(v->side->fd, blocks, len, v->side_offset) != len)
		ret = fail(EX_IO, "can't write %s: %s", v->side->path,
			   strerror(errno));
out:
	ic_meta_key_free(key);
	free(blocks);
	return ret ? ret : dev_flush(v->side);
}

/* Which file systems would have inodes that can't have a key? */
static void print_owners(const struct ic_params *p)
{
	u64 bytes = p->data_sectors * p->sector_size;
	u64 small = inodes(bytes, SMALL_RATIO);

	if (small > IC_MAX_OWNERS)
		small = IC_MAX_OWNERS;
	if (p->owners < default_owners(bytes))
		say("            fewer than mkfs.ext4 makes inodes: only %llu can have a key",
		    (unsigned long long)p->owners - 1);
	if (p->owners < default_owners(bytes) || p->owners >= small)
		return;
	say("            enough for mkfs.ext4 as it is; with -T news, -T small or -i 4096 (or -N)");
	say("            only %llu inodes can have a key: give --owners %llu (or -N's) for those",
	    (unsigned long long)p->owners - 1, (unsigned long long)small);
}

static void print_result(const struct format_args *a, const struct volume *v)
{
	const struct ic_params *p = &a->params;
	char uuid[UUID_STR_SIZE];

	uuid_format(p->uuid, uuid);
	say("volume      %s", uuid);
	if (has_header(a))
		say("header      LUKS2, %llu bytes at byte 0 of %s",
		    HEADER_BYTES, a->dev);
	say("data        %llu bytes at byte %llu of %s, sectors of %u, %s",
	    (unsigned long long)(p->data_sectors * p->sector_size),
	    (unsigned long long)volume_data_offset(&v->geo, a->sidecar),
	    a->dev, p->sector_size, ic_cipher_info(p->cipher)->name);
	say("sidecar     %llu bytes at byte %llu of %s, %llu owners",
	    (unsigned long long)(v->geo.blocks * IC_BLOCK_SIZE),
	    (unsigned long long)v->side_offset, v->side->path,
	    (unsigned long long)p->owners);
	print_owners(p);
}

/* The volume key: given, or made here. */
static int get_key(struct secret *vk, const struct format_args *a)
{
	if (a->key.file)
		return secret_read(vk, a->key.file);
	vk->locked = !mlock(vk, sizeof(*vk));
	return random_bytes(vk->key, sizeof(vk->key));
}

/*
 * Ask for the passphrase and make the header, in memory: deriving a key takes
 * its time, and until it is complete nothing on the device shall change.
 */
static int make_header(int *fd, const struct format_args *a,
		       const struct secret *vk)
{
	const struct passphrase_source *pass = &a->key.pass;
	char path[32], uuid[UUID_STR_SIZE], prompt[256];
	struct passphrase p = { 0 };
	int ret;

	snprintf(prompt, sizeof(prompt), "New passphrase for %s: ", a->dev);
	ret = passphrase_get(&p, pass->key_file, prompt, true, pass->offset,
			     pass->size);
	if (ret)
		return ret;
	*fd = memfd_create("luks-header", MFD_CLOEXEC);
	if (*fd < 0)
		ret = fail(EX_FAIL, "out of memory");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	uuid_format(a->params.uuid, uuid);
	if (!ret)
		ret = luks_create(path, uuid, a->label, LUKS_VOLUME, &p,
				  vk->key, &a->pbkdf);
	passphrase_wipe(&p);
	return ret;
}

/* Do both names mean the same device? */
static bool same_device(const struct area_dev *dev, const char *path)
{
	struct stat ours, theirs;

	if (fstat(dev->fd, &ours) || stat(path, &theirs))
		return false;
	if (S_ISBLK(ours.st_mode))
		return S_ISBLK(theirs.st_mode) &&
		       ours.st_rdev == theirs.st_rdev;
	return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

static int open_devices(struct volume *v, const struct format_args *a)
{
	int ret = dev_open(&v->data, a->dev, true, true);

	if (!ret && a->sidecar && same_device(&v->data, a->sidecar))
		ret = fail(EX_USAGE,
			   "%s and %s are the same; without --sidecar both are on one device",
			   a->dev, a->sidecar);
	if (!ret && a->sidecar)
		ret = dev_open(&v->side_dev, a->sidecar, true, true);
	if (!ret)
		ret = dev_check_loop(&v->data);
	return ret ? ret : dev_check_loop(&v->side_dev);
}

/**
 * cmd_format() - inocrypt format
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_format(int argc, char **argv)
{
	struct format_args a = {
		.words = { .to = { &a.dev }, .min = 1, .ask = "which device?" },
		.params.sector_size = IC_MAX_SECTOR_SIZE,
		.params.cipher = DEFAULT_CIPHER,
	};
	struct secret vk = { 0 };
	struct volume v = { 0 };
	int header = -1;
	int ret;

	parse_command(&argp, argc, argv, &a);
	ret = has_header(&a) ? luks_check_pbkdf(&a.pbkdf) : 0;
	if (!ret)
		ret = open_devices(&v, &a);
	v.side = a.sidecar ? &v.side_dev : &v.data;
	v.side_offset = a.sidecar ? 0 : HEADER_BYTES;
	if (!ret && !a.force)
		ret = check_unused(&v.data);
	if (!ret && !a.force && a.sidecar)
		ret = check_unused(&v.side_dev);
	if (!ret && !a.has_uuid) {
		ret = random_bytes(a.params.uuid, IC_UUID_SIZE);
		/* RFC 4122: version 4, random. */
		a.params.uuid[6] = (a.params.uuid[6] & 0x0f) | 0x40;
		a.params.uuid[8] = (a.params.uuid[8] & 0x3f) | 0x80;
	}
	if (!ret)
		ret = choose(&a, &v);
	if (!ret)
		ret = get_key(&vk, &a);
	if (!ret)
		ret = ask(&a);
	if (!ret && has_header(&a))
		ret = make_header(&header, &a, &vk);
	if (!ret)
		ret = wipe(&v.data);
	if (!ret && a.sidecar)
		ret = wipe(&v.side_dev);
	if (!ret && has_header(&a))
		ret = volume_header_write(&v.data, header);
	/* The superblocks come last: without them there is no volume. */
	if (!ret)
		ret = write_supers(&v, &a.params, vk.key);
	if (!ret)
		print_result(&a, &v);
	if (header >= 0)
		close(header);
	secret_wipe(&vk);
	volume_close(&v);
	return ret;
}

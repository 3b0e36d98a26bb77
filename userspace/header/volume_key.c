// SPDX-License-Identifier: GPL-2.0-only
/*
 * The volume key: a file's, or that of the LUKS2 header at the start of the
 * volume's data device.  The header's place on the device.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "header/header.h"

/* What libcryptsetup looks for: both copies' metadata; behind them the slots. */
#define CHUNK_BYTES		(1024 * 1024)

static const struct argp_option options[] = {
	{ "volume-key-file", 'k', "FILE", 0,
	  "The volume key itself: 32 bytes, - for standard input; the volume's header isn't needed then",
	  0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct volume_key_source *s = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &s->pass;
		break;
	case 'k':
		s->file = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = {
	{ &passphrase_argp, 0, NULL, 0 }, { 0 }
};

const struct argp volume_key_argp = {
	.options = options, .parser = parse, .children = children,
};

#define OPT_SIDECAR	0x800	/* commands' own begin at 0x100 */

static const struct argp_option volume_options[] = {
	{ "sidecar", OPT_SIDECAR, "DEV2", 0,
	  "Device of the integrity metadata, if not DEV", 0 },
	{ 0 }
};

static error_t parse_volume(int key, char *arg, struct argp_state *state)
{
	struct volume_source *s = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &s->key;
		break;
	case OPT_SIDECAR:
		s->sidecar = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child volume_children[] = {
	{ &volume_key_argp, 0, NULL, 0 }, { 0 }
};

const struct argp volume_argp = {
	.options = volume_options, .parser = parse_volume,
	.children = volume_children,
};

/*
 * Does the sidecar go with the header?  Nothing is authenticated yet: this is
 * for the message.  A volume's superblock authenticates only under its key.
 */
static int check_uuid(struct volume *v, const struct luks_info *info)
{
	char header[UUID_STR_SIZE], sidecar[UUID_STR_SIZE];
	bool found = false;

	for (unsigned int n = 0; n < 2; n++) {
		u64 at = v->side_offset + IC_SUPER_BLOCK(n) * IC_BLOCK_SIZE;
		struct ic_params params;
		struct ic_super sb;
		const char *why;

		if (at + IC_BLOCK_SIZE > v->side->bytes ||
		    dev_read(v->side, at, &sb, sizeof(sb)) ||
		    ic_super_read_params(&sb, &params, &why))
			continue;
		if (!memcmp(params.uuid, info->uuid, IC_UUID_SIZE))
			return 0;
		uuid_format(params.uuid, sidecar);
		found = true;
	}
	/* If there is no superblock at all, volume_read_supers() says more. */
	if (!found)
		return 0;
	uuid_format(info->uuid, header);
	return fail(EX_AUTH,
		    "these don't belong together: the header on %s is of volume %s, the sidecar on %s of volume %s",
		    v->data.path, header, v->side->path, sidecar);
}

/* There is no header: say what may help, if there is a volume. */
static int no_header(struct volume *v)
{
	char magic[sizeof(IC_MAGIC) - 1];
	u64 at;

	for (unsigned int n = 0; n < 2; n++) {
		at = v->side_offset + IC_SUPER_BLOCK(n) * IC_BLOCK_SIZE;
		if (at + IC_BLOCK_SIZE <= v->side->bytes &&
		    !dev_read(v->side, at, magic, sizeof(magic)) &&
		    !memcmp(magic, IC_MAGIC, sizeof(magic)))
			return fail(EX_NOVOLUME,
				    "there is an inocrypt volume, though: if it was made without a header give its key with --volume-key-file; if the header was lost, put its backup back with cryptsetup luksHeaderRestore");
	}
	return EX_NOVOLUME;
}

/**
 * volume_key_from_header() - the volume key that a header holds
 * @vk: receives it; secret_wipe() afterwards
 * @path: the volume's data device
 * @pass: what opens it; without a key file the header's tokens are tried first
 * @info: what luks_info() said of it
 *
 * Return: 0 or an exit code.
 */
int volume_key_from_header(struct secret *vk, const char *path,
			   const struct passphrase_source *pass,
			   const struct luks_info *info)
{
	unsigned int tries = passphrase_tries(pass);
	char prompt[256];
	int ret;

	if (info->tokens && !pass->key_file &&
	    !luks_unlock_token(path, LUKS_VOLUME, vk, NULL))
		return 0;
	snprintf(prompt, sizeof(prompt), "Passphrase for %s: ", path);
	do {
		struct passphrase p = { 0 };

		ret = passphrase_get(&p, pass->key_file, prompt, false,
				     pass->offset, pass->size);
		if (ret)
			return ret;
		ret = luks_unlock(path, LUKS_VOLUME, &p, vk, NULL);
		passphrase_wipe(&p);
	} while (ret == EX_AUTH && --tries);
	return ret;
}

/**
 * volume_key_get() - the volume key, as the user wants it to be found
 * @vk: receives it; secret_wipe() afterwards
 * @source: the user's options
 * @v: opened, its superblocks not read yet
 *
 * Return: 0 or an exit code.
 */
int volume_key_get(struct secret *vk, const struct volume_key_source *source,
		   struct volume *v)
{
	struct luks_info info;
	int ret;

	if (source->file && source->pass.key_file)
		return fail(EX_USAGE,
			    "--volume-key-file is the key itself, --key-file a passphrase: give one of them");
	if (source->file)
		return secret_read(vk, source->file);
	ret = luks_info(v->data.path, LUKS_VOLUME, &info);
	if (ret == EX_NOVOLUME)
		ret = no_header(v);
	if (!ret)
		ret = check_uuid(v, &info);
	if (!ret)
		ret = volume_key_from_header(vk, v->data.path, &source->pass,
					     &info);
	return ret;
}

/* Copy [@from, @to) of the header. */
static int copy_part(struct area_dev *dev, int header, u64 from, u64 to,
		     u8 *buf)
{
	while (from < to) {
		ssize_t len = to - from < CHUNK_BYTES ? to - from : CHUNK_BYTES;

		if (pread(header, buf, len, from) != len)
			return fail(EX_FAIL, "can't read the new header: %s",
				    strerror(errno));
		if (pwrite(dev->fd, buf, len, from) != len)
			return fail(EX_IO, "can't write %s at byte %llu: %s",
				    dev->path, (unsigned long long)from,
				    strerror(errno));
		from += len;
	}
	return dev_flush(dev);
}

/**
 * volume_header_write() - put a header at the start of a device
 * @dev: the volume's data device, its header area wiped
 * @header: file with the header, LUKS_VOLUME_BYTES of it
 *
 * What names the key slots is written after them.
 * Return: 0 or an exit code.
 */
int volume_header_write(struct area_dev *dev, int header)
{
	u8 *buf = aligned_alloc(IC_BLOCK_SIZE, CHUNK_BYTES);
	int ret;

	static_assert(LUKS_VOLUME_BYTES == HEADER_BYTES,
		      "the header fills its area");
	if (!buf)
		return fail(EX_FAIL, "out of memory");
	ret = copy_part(dev, header, 2 * LUKS_METADATA_BYTES, HEADER_BYTES,
			buf);
	if (!ret)
		ret = copy_part(dev, header, 0, 2 * LUKS_METADATA_BYTES, buf);
	free(buf);
	return ret;
}

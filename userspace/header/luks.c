// SPDX-License-Identifier: GPL-2.0-only
/*
 * LUKS2 headers through libcryptsetup: make one, get the key out of one,
 * change its passphrases.
 *
 * Headers that are only read are copied into memory first, and libcryptsetup
 * works on the copy: it writes what it recovers, we promise not to; and
 * whoever owns the storage can't change the header between our look at it and
 * its use.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libcryptsetup.h>

#include "header/header.h"
#include "header/luks_check.h"
#include "header/luks_lost.h"

#define FD_PATH_SIZE	32

/**
 * struct header - a header that was loaded
 * @path: what to call it
 * @copy: the copy in memory it was loaded from, or -1
 * @json: its metadata
 */
struct header {
	struct crypt_device	*cd;
	const char		*path;
	int			copy;
	struct json_object	*json;
};

static void log_error(int level, const char *msg, void *path)
{
	if (level == CRYPT_LOG_ERROR)
		fail(0, "%s%s%.*s", path ? (const char *)path : "",
		     path ? ": " : "", (int)strcspn(msg, "\n"), msg);
}

static void log_nothing(int level, const char *msg, void *unused)
{
	(void)level;
	(void)msg;
	(void)unused;
}

static void fd_path(int fd, char out[FD_PATH_SIZE])
{
	snprintf(out, FD_PATH_SIZE, "/proc/self/fd/%d", fd);
}

/*
 * Return what messages call a file: one that is open already has a name, too.
 */
static const char *shown(const char *path)
{
	static char name[256];
	ssize_t n;

	if (strncmp(path, "/proc/self/fd/", strlen("/proc/self/fd/")))
		return path;
	n = readlink(path, name, sizeof(name) - 1);
	if (n <= 0)
		return path;
	name[n] = 0;
	return name;
}

/* Return: bytes read, less than @len only at the end; or -1. */
static ssize_t read_at(int fd, char *buf, size_t len, off_t offset)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = pread(fd, buf + have, len - have, offset + have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (!n)
			break;
		have += n;
	}
	return have;
}

static bool write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buf += n;
		len -= n;
	}
	return true;
}

/* Open a device or a file, but nothing that waits or acts when it is opened. */
static int open_source(const char *path, int *fd)
{
	struct stat st;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (*fd < 0)
		return fail(errno_code(errno), "can't open %s: %s", path,
			    strerror(errno));
	if (!fstat(*fd, &st) && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
		return 0;
	close(*fd);
	return fail(EX_USAGE,
		    "%s is neither a block device nor a regular file", path);
}

/**
 * luks_copy_header() - what is at the start of a device or file, in memory
 * @fd: of it
 *
 * Return: a descriptor, or -1 with errno.
 */
int luks_copy_header(int fd)
{
	const size_t chunk = 1 << 20;
	int copy = memfd_create("luks-header", MFD_CLOEXEC);
	char *buf = malloc(chunk);
	off_t at = 0;
	ssize_t n = 0;

	while (copy >= 0 && buf && at < LUKS_VOLUME_BYTES) {
		n = read_at(fd, buf, chunk, at);
		if (n <= 0)
			break;
		if (!write_all(copy, buf, n))
			n = -1;
		if (n < (ssize_t)chunk)
			break;
		at += n;
	}
	if (copy >= 0 && (!buf || n < 0)) {
		int err = buf ? errno : ENOMEM;

		close(copy);
		copy = -1;
		errno = err;
	}
	free(buf);
	return copy;
}

/* Did libcryptsetup have to recover one of the two from the other? */
static bool was_recovered(int fd, int copy)
{
	char before[4096], after[sizeof(before)];
	u64 end = 2 * luks_copy_size(copy, 0);

	for (u64 at = 0; at < end; at += sizeof(before)) {
		ssize_t n = read_at(fd, before, sizeof(before), at);

		if (n != read_at(copy, after, sizeof(after), at) ||
		    (n > 0 && memcmp(before, after, n)))
			return true;
	}
	return false;
}

/* Say this once for each header, which is loaded again to be opened. */
static void warn_damaged(const struct header *h, const struct luks_info *info)
{
	static u8 warned[IC_UUID_SIZE];

	if (memcmp(warned, info->uuid, sizeof(warned)))
		warn("%s: one copy of its LUKS2 header is damaged; mend it: cryptsetup repair %s",
		     h->path, shown_path(h->path));
	memcpy(warned, info->uuid, sizeof(warned));
}

static void close_header(struct header *h)
{
	json_object_put(h->json);
	crypt_free(h->cd);
	if (h->copy >= 0)
		close(h->copy);
}

static int not_ours(const char *path, const char *why)
{
	return fail(EX_AUTH, "%s: refusing its LUKS2 header: %s", path, why);
}

/* Is the header one of ours? @info receives what is known of it. */
static int judge(struct header *h, const char *subsystem,
		 struct luks_info *info)
{
	const char *is = crypt_get_subsystem(h->cd);
	const char *label = crypt_get_label(h->cd);
	const char *uuid = crypt_get_uuid(h->cd);
	const char *text, *why;
	int unbound = -1;

	if (crypt_dump_json(h->cd, &text, 0))
		return fail(EX_FAIL, "%s: can't read its LUKS2 header",
			    h->path);
	h->json = json_tokener_parse(text);
	why = h->json ? luks_judge(h->json, &unbound) : "it isn't JSON";
	if ((!is || !*is) && !why)
		return fail(EX_AUTH,
			    "%s: its LUKS2 header has lost its subsystem; put it back: cryptsetup config %s --subsystem %s --label=%s",
			    h->path, shown_path(h->path), subsystem,
			    shown_word(label ? label : ""));
	if (!is || strcmp(is, subsystem))
		return fail(EX_NOVOLUME,
			    "%s holds an ordinary LUKS2 device, or one of another kind: its header's subsystem is \"%s\", not \"%s\"",
			    h->path, is ? is : "", subsystem);
	if (unbound >= 0)
		return fail(EX_AUTH,
			    "%s: refusing its LUKS2 header: key slot %d is unbound, for another key than the volume's; take it away: cryptsetup luksKillSlot %s %d",
			    h->path, unbound, shown_path(h->path), unbound);
	if (why)
		return not_ours(h->path, why);
	memset(info, 0, sizeof(*info));
	info->slots = luks_count(h->json, "keyslots");
	/* What follows is what libcryptsetup makes of the same. */
	if (crypt_get_data_offset(h->cd) != LUKS_DATA_OFFSET ||
	    (info->slots &&
	     crypt_get_volume_key_size(h->cd) != IC_KEY_SIZE))
		return not_ours(h->path, "its data segment isn't ours");
	if (!uuid || !uuid_parse_any(uuid, info->uuid))
		return not_ours(h->path, "it has no proper UUID");
	snprintf(info->label, sizeof(info->label), "%s", label ? label : "");
	info->tokens = luks_count(h->json, "tokens");
	info->slot = -1;
	return 0;
}

/* Load what is at @path, which was at @fd when we looked. */
static int load(struct header *h, const char *path, int fd)
{
	int err = crypt_init(&h->cd, path);

	if (!err) {
		/*
		 * libcryptsetup's error says less than what we know of the
		 * failure.
		 */
		crypt_set_log_callback(h->cd, log_nothing, NULL);
		err = crypt_load(h->cd, CRYPT_LUKS2, NULL);
		crypt_set_log_callback(h->cd, log_error, (void *)h->path);
	}
	if (!err)
		return 0;
	if (err == -ENOMEM || err == -EACCES || err == -EPERM)
		return fail(EX_FAIL, "can't load the LUKS2 header of %s: %s",
			    h->path, strerror(-err));
	if (luks_explain_lost(fd, h->path))
		return EX_AUTH;
	return fail(EX_NOVOLUME,
		    "%s has no LUKS2 header, or both copies of it are damaged (cryptsetup luksHeaderRestore puts a backup of it back)",
		    h->path);
}

/* Load a header, in place if it is for @writing, and judge it. */
static int open_header(struct header *h, const char *path,
		       const char *subsystem, bool writing,
		       struct luks_info *info)
{
	char at[FD_PATH_SIZE];
	int fd, ret;

	memset(h, 0, sizeof(*h));
	memset(info, 0, sizeof(*info));
	info->slot = -1;
	h->path = shown(path);
	h->copy = -1;
	ret = open_source(path, &fd);
	if (ret)
		return ret;
	if (!writing) {
		h->copy = luks_copy_header(fd);
		if (h->copy < 0) {
			int err = errno;

			close(fd);
			return fail(errno_code(err),
				    "can't read the header of %s: %s", path,
				    strerror(err));
		}
	}
	fd_path(h->copy, at);
	ret = load(h, writing ? path : at, fd);
	if (!ret)
		ret = judge(h, subsystem, info);
	if (!ret && !writing && was_recovered(fd, h->copy))
		warn_damaged(h, info);
	close(fd);
	return ret;
}

/* A header that takes too long to open would be refused, so it isn't made. */
static int bound_pbkdf(const struct crypt_pbkdf_type *kdf)
{
	const char *why = luks_judge_cost(strcmp(kdf->type, "pbkdf2"),
					  kdf->iterations, kdf->max_memory_kb,
					  kdf->parallel_threads);

	return why ? fail(EX_USAGE,
			  "what has such a key derivation would be refused later on: %s",
			  why) : 0;
}

static int choose_pbkdf(struct crypt_pbkdf_type *out,
			const struct luks_pbkdf *pbkdf)
{
	const char *type = pbkdf && pbkdf->type ? pbkdf->type : "argon2id";
	const struct crypt_pbkdf_type *defaults;
	struct crypt_device *cd;
	int err = -ENOMEM, ret = 0;

	defaults = crypt_get_pbkdf_type_params(type);
	if (!defaults)
		return fail(EX_USAGE,
			    "key derivation %s: argon2id, argon2i or pbkdf2",
			    type);
	*out = *defaults;
	if (!pbkdf)
		return 0;
	if (pbkdf->memory_kib)
		out->max_memory_kb = pbkdf->memory_kib;
	if (pbkdf->threads)
		out->parallel_threads = pbkdf->threads;
	if (pbkdf->time_ms)
		out->time_ms = pbkdf->time_ms;
	if (pbkdf->iterations) {
		out->iterations = pbkdf->iterations;
		out->flags |= CRYPT_PBKDF_NO_BENCHMARK;
		out->time_ms = 0;
	}
	if (!crypt_init(&cd, NULL)) {
		crypt_set_log_callback(cd, log_error, NULL);
		err = crypt_set_pbkdf_type(cd, out);
		if (!err)
			ret = bound_pbkdf(out);
		crypt_free(cd);
	}
	return err ? fail(EX_USAGE, "no key derivation of that kind") : ret;
}

/**
 * luks_check_pbkdf() - before the user is asked for more
 * @pbkdf: NULL: defaults
 *
 * Return: 0 or EX_USAGE.
 */
int luks_check_pbkdf(const struct luks_pbkdf *pbkdf)
{
	struct crypt_pbkdf_type unused;

	return choose_pbkdf(&unused, pbkdf);
}

static int prepare_file(const char *path, off_t bytes)
{
	struct stat st;
	int ret = 0;
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, &st) ||
	    (S_ISREG(st.st_mode) && st.st_size < bytes &&
	     ftruncate(fd, bytes)))
		ret = fail(errno_code(errno), "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

/**
 * luks_create() - write a header with one key slot
 * @path: an existing file, which becomes as large as it has to be, or a device
 * @uuid: UUID as text, NULL: a random one
 * @label: NULL: none
 * @subsystem: LUKS_VOLUME or LUKS_MASTER_KEY; says how large it is, too
 * @p: opens the key slot
 * @key: what it opens
 * @pbkdf: NULL: defaults
 *
 * Nothing is synced.
 * Return: 0 or an exit code; what it began to write on failure opens nothing.
 */
int luks_create(const char *path, const char *uuid, const char *label,
		const char *subsystem, const struct passphrase *p,
		const u8 key[IC_KEY_SIZE], const struct luks_pbkdf *pbkdf)
{
	u64 bytes = strcmp(subsystem, LUKS_VOLUME) ? LUKS_MASTER_KEY_BYTES :
						    LUKS_VOLUME_BYTES;
	struct crypt_pbkdf_type kdf;
	/*
	 * The header counts as detached, so that nobody looks for room behind
	 * it.
	 */
	struct crypt_params_luks2 params = {
		.pbkdf = &kdf, .data_device = path, .sector_size = 512,
		.label = label, .subsystem = subsystem,
	};
	struct crypt_device *cd = NULL;
	int err, ret;

	if (label && strlen(label) >= LUKS_LABEL_SIZE)
		return fail(EX_USAGE, "a label has at most %d bytes",
			    LUKS_LABEL_SIZE - 1);
	ret = choose_pbkdf(&kdf, pbkdf);
	if (!ret)
		ret = prepare_file(path, bytes);
	if (ret)
		return ret;
	err = crypt_init(&cd, path);
	if (!err) {
		crypt_set_log_callback(cd, log_error, NULL);
		err = crypt_set_metadata_size(cd, LUKS_METADATA_BYTES,
					      bytes - 2 * LUKS_METADATA_BYTES);
	}
	if (!err)
		err = crypt_set_data_offset(cd, LUKS_DATA_OFFSET);
	if (!err)
		err = crypt_format(cd, CRYPT_LUKS2, LUKS_CIPHER, LUKS_MODE,
				   uuid, (const char *)key, IC_KEY_SIZE,
				   &params);
	if (!err)
		err = crypt_keyslot_add_by_volume_key(cd, CRYPT_ANY_SLOT,
						      NULL, 0, p->data, p->len);
	if (err < 0)
		ret = fail(EX_FAIL, "can't make a LUKS2 header: %s",
			   strerror(-err));
	crypt_free(cd);
	return ret;
}

/**
 * luks_info() - what a header says of itself, if it is one of ours
 * @path: a device or a file
 * @subsystem: LUKS_VOLUME or LUKS_MASTER_KEY
 * @info: receives it
 *
 * Return: 0 or an exit code.
 */
int luks_info(const char *path, const char *subsystem, struct luks_info *info)
{
	struct header h;
	int ret = open_header(&h, path, subsystem, false, info);

	close_header(&h);
	return ret;
}

static int no_key(const struct header *h, int err)
{
	unsigned int slots = luks_count(h->json, "keyslots");
	unsigned int ignored;
	int slot = luks_ignored_slot(h->json, &ignored);

	if ((err == -EPERM || err == -ENOENT) && ignored && ignored == slots)
		return fail(EX_NOKEY,
			    "%s: all key slots of its LUKS2 header have the priority \"ignore\"; make one usable: cryptsetup config %s --key-slot %d --priority normal",
			    h->path, shown_path(h->path), slot);
	if (err == -EPERM && ignored)
		return fail(EX_AUTH,
			    "%s: no key slot opens with this passphrase (%u with the priority \"ignore\" not tried; to use one: cryptsetup config %s --key-slot %d --priority normal)",
			    h->path, ignored, shown_path(h->path), slot);
	if (err == -EPERM)
		return fail(EX_AUTH, "%s: no key slot opens with this passphrase",
			    h->path);
	if (err == -ENOENT)
		return fail(EX_NOKEY, "%s: its LUKS2 header has no key slot",
			    h->path);
	return fail(EX_FAIL, "%s: can't open a key slot: %s", h->path,
		    strerror(-err));
}

/**
 * luks_unlock() - get the key out of a header
 * @path: a device or a file
 * @subsystem: LUKS_VOLUME or LUKS_MASTER_KEY
 * @p: opens a key slot
 * @out: receives the key; secret_wipe() afterwards
 * @info: what the header says of itself; may be NULL
 *
 * Return: 0 or an exit code; EX_AUTH if the passphrase opens no key slot.
 */
int luks_unlock(const char *path, const char *subsystem,
		const struct passphrase *p, struct secret *out,
		struct luks_info *info)
{
	size_t size = sizeof(out->key);
	struct luks_info own;
	struct header h;
	int ret;

	if (!info)
		info = &own;
	ret = open_header(&h, path, subsystem, false, info);
	if (!ret) {
		out->locked = !mlock(out, sizeof(*out));
		info->slot = crypt_volume_key_get(h.cd, CRYPT_ANY_SLOT,
						  (char *)out->key, &size,
						  p->data ? p->data : "",
						  p->len);
		if (info->slot < 0) {
			ret = no_key(&h, info->slot);
			secret_wipe(out);
			info->slot = -1;
		}
	}
	close_header(&h);
	return ret;
}

/**
 * luks_unlock_token() - get the key out of a header by one of its tokens
 * @path: a device or a file
 * @subsystem: LUKS_VOLUME or LUKS_MASTER_KEY
 * @out: receives the key; secret_wipe() afterwards
 * @info: what the header says of itself; may be NULL
 *
 * Asks for the PIN of a token that wants one, at a terminal.
 * Return: 0 or an exit code; EX_NOKEY without a word if no token could help.
 */
int luks_unlock_token(const char *path, const char *subsystem,
		      struct secret *out, struct luks_info *info)
{
	struct crypt_keyslot_context *kc = NULL;
	struct passphrase pin = { 0 };
	size_t size = sizeof(out->key);
	struct luks_info own;
	struct header h;
	int ret;

	if (!info)
		info = &own;
	ret = open_header(&h, path, subsystem, false, info);
	if (ret)
		goto out;
	out->locked = !mlock(out, sizeof(*out));
	ret = crypt_keyslot_context_init_by_token(h.cd, CRYPT_ANY_TOKEN, NULL,
						  NULL, 0, NULL, &kc);
	if (!ret)
		ret = crypt_volume_key_get_by_keyslot_context(h.cd,
							      CRYPT_ANY_SLOT,
							      (char *)out->key,
							      &size, kc);
	if (ret == -ENOANO && passphrase_interactive(NULL) &&
	    !passphrase_get(&pin, NULL, "PIN of the token: ", false, 0, 0) &&
	    !crypt_keyslot_context_set_pin(h.cd, pin.data, pin.len, kc))
		ret = crypt_volume_key_get_by_keyslot_context(h.cd,
							      CRYPT_ANY_SLOT,
							      (char *)out->key,
							      &size, kc);
	if (ret >= 0)
		info->slot = ret;
	else
		secret_wipe(out);
	ret = ret >= 0 ? 0 : EX_NOKEY;
	crypt_keyslot_context_free(kc);
	passphrase_wipe(&pin);
out:
	close_header(&h);
	return ret;
}

/*
 * Find the key slot that a passphrase opens. Return: its number or a negative
 * errno.
 */
static int slot_of(struct crypt_device *cd, const struct passphrase *p)
{
	struct secret unused = { 0 };
	size_t size = sizeof(unused.key);
	int slot;

	unused.locked = !mlock(&unused, sizeof(unused));
	slot = crypt_volume_key_get(cd, CRYPT_ANY_SLOT, (char *)unused.key,
				    &size, p->data ? p->data : "", p->len);
	secret_wipe(&unused);
	return slot;
}

/*
 * Give a new key slot the costs that the owner of the old one chose.
 * libcryptsetup takes no more memory than half of what this machine has. What
 * is missing is made up for by more work, as far as anybody would open such a
 * slot again.
 */
static int keep_pbkdf(struct crypt_device *cd, int slot)
{
	const struct crypt_pbkdf_type *is;
	struct crypt_pbkdf_type kdf;
	u64 work;
	int err;

	err = crypt_keyslot_get_pbkdf(cd, slot, &kdf);
	if (err)
		return err;
	kdf.flags |= CRYPT_PBKDF_NO_BENCHMARK;
	kdf.time_ms = 0;
	work = (u64)kdf.iterations * kdf.max_memory_kb;
	err = crypt_set_pbkdf_type(cd, &kdf);
	is = crypt_get_pbkdf_type(cd);
	if (err || !is || !is->max_memory_kb ||
	    is->max_memory_kb >= kdf.max_memory_kb)
		return err;
	kdf.max_memory_kb = is->max_memory_kb;
	kdf.iterations = (work + kdf.max_memory_kb - 1) / kdf.max_memory_kb;
	return bound_pbkdf(&kdf) ? -ENOMEM : crypt_set_pbkdf_type(cd, &kdf);
}

/* Add a passphrase, or put it in another's place. */
static int add_or_change(const char *path, const char *subsystem,
			 const struct passphrase *old,
			 const struct passphrase *new,
			 const struct luks_pbkdf *pbkdf, bool change)
{
	struct crypt_pbkdf_type kdf;
	struct luks_info info;
	struct header h;
	int ret, err, slot = CRYPT_ANY_SLOT;

	ret = choose_pbkdf(&kdf, pbkdf);
	if (ret)
		return ret;
	ret = open_header(&h, path, subsystem, true, &info);
	if (ret)
		goto out;
	if (change && !pbkdf) {
		slot = slot_of(h.cd, old);
		err = slot < 0 ? slot : keep_pbkdf(h.cd, slot);
	} else {
		err = crypt_set_pbkdf_type(h.cd, &kdf);
	}
	if (!err && change)
		err = crypt_keyslot_change_by_passphrase(h.cd, slot,
							 CRYPT_ANY_SLOT,
							 old->data, old->len,
							 new->data, new->len);
	else if (!err)
		err = crypt_keyslot_add_by_passphrase(h.cd, CRYPT_ANY_SLOT,
						      old->data, old->len,
						      new->data, new->len);
	if (err < 0)
		ret = no_key(&h, err);
out:
	close_header(&h);
	return ret;
}

/**
 * luks_change_passphrase() - let another passphrase open a key slot
 * @path: a device or a file
 * @subsystem: LUKS_VOLUME or LUKS_MASTER_KEY
 * @old: opens the key slot now
 * @new: does from now on
 * @pbkdf: NULL: guessing stays as slow as it is with the slot that @old opens
 *
 * Return: 0 or an exit code; EX_AUTH if @old opens no key slot.
 */
int luks_change_passphrase(const char *path, const char *subsystem,
			   const struct passphrase *old,
			   const struct passphrase *new,
			   const struct luks_pbkdf *pbkdf)
{
	return add_or_change(path, subsystem, old, new, pbkdf, true);
}

/**
 * luks_add_passphrase() - one more key slot
 * @path: a device or a file
 * @subsystem: LUKS_VOLUME or LUKS_MASTER_KEY
 * @old: opens a key slot
 * @new: opens the new one
 * @pbkdf: NULL: defaults
 *
 * Return: 0 or an exit code; EX_AUTH if @old opens no key slot.
 */
int luks_add_passphrase(const char *path, const char *subsystem,
			const struct passphrase *old,
			const struct passphrase *new,
			const struct luks_pbkdf *pbkdf)
{
	return add_or_change(path, subsystem, old, new, pbkdf, false);
}

/**
 * luks_set_label() - give a header another label
 * @path: a device or a file
 * @subsystem: LUKS_VOLUME or LUKS_MASTER_KEY
 * @label: at most LUKS_LABEL_SIZE - 1 bytes
 *
 * Return: 0 or an exit code.
 */
int luks_set_label(const char *path, const char *subsystem, const char *label)
{
	struct luks_info info;
	struct header h;
	int ret;

	if (strlen(label) >= LUKS_LABEL_SIZE)
		return fail(EX_USAGE, "a label has at most %d bytes",
			    LUKS_LABEL_SIZE - 1);
	ret = open_header(&h, path, subsystem, true, &info);
	if (!ret && crypt_set_label(h.cd, label, subsystem))
		ret = fail(EX_FAIL, "%s: can't write its label", path);
	close_header(&h);
	return ret;
}

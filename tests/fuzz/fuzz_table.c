// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes whatever is parsed as text: the target's table lines and messages, the
 * tool's view of table and status lines and of answers, and its small parsers of
 * numbers, sizes, key ids and UUIDs; and the anchor's file.
 *
 * Input: which of them, then the text.
 */
#include <ctype.h>
#include <stdlib.h>

#include <libdevmapper.h>

#include "anchor/anchor.h"
#include "cmd/cmd.h"
#include "fuzz.h"
#include "shim/target.h"

/*
 * libdevmapper, as far as the tool uses it, over one device that the input
 * describes.
 */
struct dm_task {
	int	type;
};

static struct {
	char		*table, *status, *uuid, *target, *answer;
	struct dm_info	info;
	u64		length;
	int		fail;		/* number of the call that fails */
} dev;

static bool fails(void)
{
	return dev.fail && !--dev.fail;
}

void dm_log_with_errno_init(dm_log_with_errno_fn fn)
{
	(void)fn;
}

const char *dm_dir(void)
{
	return "/dev/mapper";
}

struct dm_task *dm_task_create(int type)
{
	struct dm_task *task = calloc(1, sizeof(*task));

	DIE_IF(!task);
	task->type = type;
	return task;
}

void dm_task_destroy(struct dm_task *task)
{
	free(task);
}

int dm_task_set_name(struct dm_task *task, const char *name)
{
	(void)task;
	return !!*name;
}

int dm_task_no_flush(struct dm_task *task)
{
	(void)task;
	return 1;
}

int dm_task_run(struct dm_task *task)
{
	(void)task;
	return !fails();
}

int dm_task_get_errno(struct dm_task *task)
{
	(void)task;
	return dev.length % 134;
}

int dm_task_get_info(struct dm_task *task, struct dm_info *info)
{
	(void)task;
	*info = dev.info;
	return !fails();
}

const char *dm_task_get_uuid(const struct dm_task *task)
{
	(void)task;
	return dev.uuid;
}

void *dm_get_next_target(struct dm_task *task, void *next, uint64_t *start,
			 uint64_t *length, char **target, char **params)
{
	(void)next;
	*start = 0;
	*length = dev.length;
	*target = dev.target;
	*params = task->type == DM_DEVICE_TABLE ? dev.table : dev.status;
	return NULL;
}

int dm_task_set_sector(struct dm_task *task, uint64_t sector)
{
	(void)task;
	(void)sector;
	return 1;
}

int dm_task_set_message(struct dm_task *task, const char *message)
{
	(void)task;
	DIE_IF(!message);
	return 1;
}

const char *dm_task_get_message_response(struct dm_task *task)
{
	(void)task;
	return dev.answer;
}

/* The text up to a NUL, or to the end; NULL if there is none left. */
static char *take_text(struct input *in)
{
	size_t n = in->n ? strnlen((const char *)in->p, in->n) : 0;
	char *s;

	if (!in->n)
		return NULL;
	s = malloc(n + 1);
	DIE_IF(!s);
	memcpy(s, in->p, n);
	s[n] = 0;
	in->p += n;
	in->n -= n;
	if (in->n)
		take_u8(in);
	return s;
}

/* What the kernel says it opened is judged by an anchor, none of them written. */
static void loaded_state(const char *name)
{
	struct anchor a = { .path = "/nowhere" };

	if (!anchor_opened(&a, name, false, true))
		REACHED("superblock's names in the status");
	/* No volume is as new as this. */
	a.found = true;
	a.seen.epoch = UINT64_MAX;
	memset(a.seen.super_tag, 0xff, sizeof(a.seen.super_tag));
	DIE_IF(!anchor_opened(&a, name, false, true) &&
	       !strstr(dev.status, "18446744073709551615"));
}

/* A status line, a table line and a UUID of libdevmapper's. */
static void status_line(struct input *in)
{
	u8 how = take_u8(in);
	char name[] = "/dev/mapper/vol";
	const char *args[4] = { "status", how & 1 ? name : name + 12 };
	const char *list[4] = { "slots", "slots", args[1] };
	struct dm_volume v;

	memset(&dev, 0, sizeof(dev));
	dev.fail = how >> 4;
	dev.info.exists = !(how & 2);
	dev.info.read_only = !!(how & 4);
	dev.info.open_count = take_u8(in);
	dev.length = take_u64(in);
	dev.status = take_text(in);
	dev.table = take_text(in);
	dev.uuid = take_text(in);
	dev.answer = dev.table;
	dev.target = how & 8 ? dev.uuid : strdup(TARGET_NAME);

	if (!dm_volume_get(&v, args[1])) {
		REACHED("status line read");
		if (v.has_uuid)
			REACHED("UUID of a volume");
		DIE_IF(!v.table || !v.status || strcmp(v.name, "vol"));
		dm_volume_put(&v);
	}
	dev.fail = how >> 4;
	loaded_state(args[1]);
	dev.fail = how >> 4;
	fuzz_tool(cmd_status, true, args);
	fuzz_tool(cmd_status, false, args);
	if (!fuzz_tool(cmd_key, true, list))
		REACHED("key list read");
	fuzz_tool(cmd_key, false, list);
	if (dev.target != dev.uuid)
		free(dev.target);
	free(dev.status);
	free(dev.table);
	free(dev.uuid);
}

/* The same, slowly and obviously: digits only, then the suffix's power. */
static bool slow_number(const char *s, bool suffix, u64 *out)
{
	u64 n = 0;
	const char *at;

	if (!isdigit((unsigned char)*s))
		return false;
	for (; isdigit((unsigned char)*s); s++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *s - '0', &n))
			return false;
	if (*s && suffix) {
		at = strchr("KMGT", toupper((unsigned char)*s));
		if (!at)
			return false;
		for (int i = at - "KMGT"; i >= 0; i--)
			if (__builtin_mul_overflow(n, 1024, &n))
				return false;
		s++;
		if (!strcmp(s, "iB") || !strcmp(s, "B"))
			s = "";
	}
	*out = n;
	return !*s;
}

static bool slow_hex(const char *s, size_t n)
{
	return strlen(s) == n && strspn(s, "0123456789abcdefABCDEF") == n;
}

static void small_parsers(struct input *in)
{
	char *s = take_text(in), text[UUID_STR_SIZE];
	u8 id[IC_KEY_ID_SIZE], again[IC_KEY_ID_SIZE];
	u64 a, b = 0;
	size_t dashes = 0, n;

	if (!s)
		return;
	n = strlen(s);
	DIE_IF(parse_u64(s, &a) != slow_number(s, false, &b));
	if (parse_u64(s, &a))
		DIE_IF(a != b);
	DIE_IF(parse_size(s, &a) != slow_number(s, true, &b));
	if (parse_size(s, &a)) {
		REACHED("size read");
		DIE_IF(a != b);
	}
	DIE_IF(parse_hex(s, id, sizeof(id)) != slow_hex(s, 2 * sizeof(id)));
	if (parse_hex(s, id, sizeof(id))) {
		REACHED("key id read");
		hex(id, sizeof(id), text);
		DIE_IF(strcasecmp(text, s));
	}
	if (uuid_parse_any(s, id)) {
		REACHED("UUID read");
		for (size_t i = 0; i < n; i++)
			dashes += s[i] == '-';
		DIE_IF(n - dashes != 2 * sizeof(id) || (dashes && dashes != 4));
		uuid_format(id, text);
		DIE_IF(!uuid_parse_any(text, again) ||
		       memcmp(id, again, sizeof(id)));
		DIE_IF(dashes && strcasecmp(s, text));
	}
	free(s);
}

/* An anchor's file; the flags say whether it is authentic, and whose. */
static void anchor(struct input *in)
{
	u8 flags = take_u8(in), uuid[IC_UUID_SIZE] = "a volume's uuid", of[16];
	struct anchor_state s = { 0 }, fields = { 0 };
	struct anchor_file again;
	char text[ANCHOR_TIME_SIZE];
	const char *why = NULL;
	size_t len = in->n;
	u8 *buf = malloc(len + 1);
	bool form;
	int err;

	DIE_IF(!buf);
	take(in, buf, len);
	if (flags & 1 && len == sizeof(again))
		DIE_IF(ic_hmac_sha256(fuzz_vk, buf,
				      offsetof(struct anchor_file, mac),
				      buf + offsetof(struct anchor_file, mac)));
	if (flags & 2 && len == sizeof(again))
		memcpy(uuid, buf + offsetof(struct anchor_file, uuid),
		       sizeof(uuid));
	form = anchor_fields(buf, len, of, &fields, &why);
	DIE_IF(!form && !why);
	err = anchor_parse(buf, len, fuzz_vk, uuid, &s, &why);
	DIE_IF(err > 0 || (err && !why));
	DIE_IF(form != (err != -EINVAL));
	if (form && flags & 2)
		DIE_IF(err == -EXDEV || (flags & 1 && err));
	if (!err) {
		REACHED("anchor accepted");
		DIE_IF(!s.epoch || s.epoch != fields.epoch);
		DIE_IF(anchor_relate(&s, &fields) != ANCHOR_SAME);
		fields.epoch--;
		DIE_IF(anchor_relate(&s, &fields) != ANCHOR_OLDER);
		/* What is accepted is understood. */
		DIE_IF(anchor_seal(&again, fuzz_vk, uuid, &s));
		DIE_IF(memcmp(&again, buf, sizeof(again)));
	}
	anchor_time(fields.written, text);
	DIE_IF(!*text || strnlen(text, sizeof(text)) == sizeof(text));
	free(buf);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	u8 what = take_u8(&in);
	unsigned int answers, maxlen;
	char *line;

	switch (what % 5) {
	case 0:
		line = take_text(&in);
		if (line)
			target_table(line);
		free(line);
		break;
	case 1:
		maxlen = 1 + take_u16(&in) % 1024;
		answers = take_u16(&in);
		line = take_text(&in);
		if (line)
			target_message(line, maxlen, answers);
		free(line);
		break;
	case 2:
		status_line(&in);
		break;
	case 4:
		anchor(&in);
		break;
	default:
		small_parsers(&in);
	}
	return 0;
}

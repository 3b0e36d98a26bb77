// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parser of /etc/inocrypttab, for the tool and for the systemd generator.
 *
 * A line that isn't understood in full is left out as a whole: to go on
 * without an option ("readonly") could do harm.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/boot.h"

#define LINE_SIZE	4096
#define WHY_SIZE	200

/* Tags, and where udev has links by them. */
static const struct {
	const char *tag, *dir;
	bool plain;		/* hexadecimal digits and dashes only */
} tags[] = {
	{ "UUID=", "/dev/disk/by-uuid/", true },
	{ "PARTUUID=", "/dev/disk/by-partuuid/", true },
	{ "LABEL=", "/dev/disk/by-label/", false },
	{ "PARTLABEL=", "/dev/disk/by-partlabel/", false },
};

static bool starts(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

/**
 * volume_name_valid() - may a volume be opened under that name?
 * @s: name
 *
 * What neither device-mapper nor udev nor a shell writes in another way.
 */
bool volume_name_valid(const char *s)
{
	size_t n = strlen(s);

	if (!n || n > INOCRYPTTAB_NAME_MAX || *s == '-' || *s == '.')
		return false;
	for (; *s; s++)
		if (!is_alnum(*s) && !strchr("+-.:=@_", *s))
			return false;
	return strcmp(s - n, "control");
}

/* Absolute, and the only way to write it: no "//", "." or "..". */
static bool path_is_good(const char *s)
{
	if (*s != '/' || !s[1] || strlen(s) >= PATH_MAX)
		return false;
	while (*s) {
		size_t n = strcspn(++s, "/");

		if (!n || (n == 1 && *s == '.') ||
		    (n == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		s += n;
	}
	return true;
}

static bool device_is_good(const char *s)
{
	char node[PATH_MAX];

	return inocrypttab_node(s, node, sizeof(node));
}

/**
 * inocrypttab_node() - where a device of the file is, or will be, in /dev
 * @device: absolute path, or a tag
 * @out: receives the path
 * @size: of @out
 *
 * Return: true if @device is one of these and @out is large enough.
 */
bool inocrypttab_node(const char *device, char *out, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		const char *s = device + strlen(tags[i].tag);
		size_t n;

		if (!starts(device, tags[i].tag))
			continue;
		if (!*s || strlen(s) > 255)
			return false;
		n = snprintf(out, size, "%s", tags[i].dir);
		for (; *s && n + 5 < size; s++) {
			if (is_alnum(*s) || *s == '-') {
				out[n++] = *s;
			} else if (tags[i].plain) {
				return false;
			} else if ((*s & 0x80) || strchr("#+.:=@_", *s)) {
				out[n++] = *s;
			} else {
				/* Encode a tag as udev does. */
				n += snprintf(out + n, size - n, "\\x%02x",
					      (unsigned char)*s);
			}
		}
		out[n] = 0;
		/* udev makes no links by-label/. and by-label/.. either. */
		s = device + strlen(tags[i].tag);
		return n + 5 < size && strcmp(s, ".") && strcmp(s, "..");
	}
	if (!path_is_good(device) || strlen(device) >= size)
		return false;
	strcpy(out, device);
	return true;
}

/* \040 and the like, in place. */
static bool unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '\\') {
			unsigned int c = 0;

			for (int i = 1; i <= 3; i++) {
				if (s[i] < '0' || s[i] > '7')
					return false;
				c = c * 8 + (s[i] - '0');
			}
			/* No name has control characters. */
			if (c > 255 || (c < ' ' && c != '\t') || c == 127)
				return false;
			*to++ = c;
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
	return true;
}

/* "90", "90s", "2min", "1h"; 0 and "infinity" are for ever. */
static bool parse_seconds(const char *s, u32 *out)
{
	static const struct {
		const char *unit;
		u32 seconds;
	} units[] = {
		{ "", 1 }, { "s", 1 }, { "sec", 1 }, { "m", 60 },
		{ "min", 60 }, { "h", 3600 },
	};
	u64 n = 0;
	size_t i = strspn(s, "0123456789");

	if (!strcmp(s, "infinity")) {
		*out = INOCRYPTTAB_NO_TIMEOUT;
		return true;
	}
	if (!i || i > 8)
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (*s - '0');
	for (i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(s, units[i].unit))
			break;
	if (i == ARRAY_SIZE(units) ||
	    n * units[i].seconds >= INOCRYPTTAB_NO_TIMEOUT)
		return false;
	*out = n ? n * units[i].seconds : INOCRYPTTAB_NO_TIMEOUT;
	return true;
}

static bool set_string(char **to, const char *s)
{
	if (*to)
		return false;
	*to = strdup(s);
	return *to;
}

static bool option_with_value(struct inocrypttab_entry *e, const char *name,
			      char *value)
{
	u64 n;

	if (!strcmp(name, "sidecar"))
		return unescape(value) && device_is_good(value) &&
		       set_string(&e->sidecar, value);
	if (!strcmp(name, "anchor"))
		return unescape(value) &&
		       (!strcmp(value, "none") || path_is_good(value)) &&
		       set_string(&e->anchor, value);
	if (!strcmp(name, "cache-size"))
		return parse_size(value, &e->cache_bytes) && e->cache_bytes;
	if (!strcmp(name, "keyfile-size"))
		return parse_size(value, &e->key_size) && e->key_size;
	if (!strcmp(name, "keyfile-offset"))
		return parse_size(value, &e->key_offset);
	if (!strcmp(name, "timeout"))
		return parse_seconds(value, &e->timeout);
	if (!strcmp(name, "x-systemd.device-timeout"))
		return parse_seconds(value, &e->device_timeout);
	if (!strcmp(name, "tries")) {
		if (!parse_u64(value, &n) || !n || n > 1000)
			return false;
		e->tries = n;
		return true;
	}
	return starts(name, "x-");
}

static bool option_alone(struct inocrypttab_entry *e, const char *name)
{
	/* As in crypttab, the last one counts where two contradict each other. */
	const struct {
		const char *name;
		bool *flag, value;
	} flags[] = {
		{ "readonly", &e->readonly, true },
		{ "read-only", &e->readonly, true },
		{ "discard", &e->discard, true },
		{ "noauto", &e->noauto, true }, { "auto", &e->noauto, false },
		{ "nofail", &e->nofail, true }, { "fail", &e->nofail, false },
		{ "_netdev", &e->netdev, true },
		{ "volume-key", &e->volume_key, true },
		{ "anchor-watch", &e->anchor_watch, true },
		{ "fsck", &e->fsck, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (!strcmp(name, flags[i].name)) {
			*flags[i].flag = flags[i].value;
			return true;
		}
	return !strcmp(name, "none") || !strcmp(name, "defaults") ||
	       starts(name, "x-");
}

static bool parse_options(struct inocrypttab_entry *e, char *list,
			  char why[WHY_SIZE])
{
	char *save, *o;

	for (o = strtok_r(list, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		char *value = strchr(o, '=');
		bool good;

		if (value)
			*value++ = 0;
		good = value ? option_with_value(e, o, value) :
		       option_alone(e, o);
		if (!good) {
			snprintf(why, WHY_SIZE, "option %.60s%s", o, value ?
				 ": its value can't be used, or it has none" :
				 " isn't known, or lacks a value");
			return false;
		}
	}
	if (e->volume_key && !e->key_file)
		snprintf(why, WHY_SIZE, "volume-key without a key file");
	else if (e->volume_key && (e->key_size || e->key_offset))
		snprintf(why, WHY_SIZE, "a volume key is a whole file");
	else if (e->readonly && e->fsck)
		snprintf(why, WHY_SIZE, "fsck and readonly exclude each other");
	else if (e->anchor_watch && (e->readonly ||
				     (e->anchor && !strcmp(e->anchor, "none"))))
		snprintf(why, WHY_SIZE, "anchor-watch without an anchor to refresh");
	else
		return true;
	return false;
}

static void entry_free(struct inocrypttab_entry *e)
{
	free(e->name);
	free(e->device);
	free(e->sidecar);
	free(e->key_file);
	free(e->anchor);
}

static bool parse_line(struct inocrypttab_entry *e, char *line,
		       char why[WHY_SIZE])
{
	char *field[5] = { NULL }, *save, *s = line;
	int n = 0;

	for (; n < 5; n++, s = NULL) {
		field[n] = strtok_r(s, " \t", &save);
		if (!field[n])
			break;
	}
	e->timeout = INOCRYPTTAB_NO_TIMEOUT;
	if (n < 2 || n > 4)
		snprintf(why, WHY_SIZE,
			 "NAME DEVICE [KEYFILE [OPTIONS]] is wanted");
	else if (!volume_name_valid(field[0]))
		snprintf(why, WHY_SIZE,
			 "name: letters, digits and +-.:=@_, at most %d",
			 INOCRYPTTAB_NAME_MAX);
	else if (!unescape(field[1]) || !device_is_good(field[1]))
		snprintf(why, WHY_SIZE,
			 "device: an absolute path, UUID=, PARTUUID=, LABEL= or PARTLABEL=");
	else if (n > 2 && (!unescape(field[2]) ||
			   (strcmp(field[2], "none") && strcmp(field[2], "-") &&
			    !path_is_good(field[2]))))
		snprintf(why, WHY_SIZE, "key file: an absolute path, or none");
	else if (!set_string(&e->name, field[0]) ||
		 !set_string(&e->device, field[1]) ||
		 (n > 2 && *field[2] == '/' &&
		  !set_string(&e->key_file, field[2])))
		snprintf(why, WHY_SIZE, "no memory");
	else
		return n < 4 || !strcmp(field[3], "-") ||
		       parse_options(e, field[3], why);
	return false;
}

static int add_entry(struct inocrypttab *tab,
		     const struct inocrypttab_entry *e)
{
	struct inocrypttab_entry *all;

	all = reallocarray(tab->entry, tab->count + 1, sizeof(*all));
	if (!all)
		return fail(EX_FAIL, "no memory");
	tab->entry = all;
	all[tab->count++] = *e;
	return 0;
}

/* Parse one line, which has neither a newline nor a NUL in it. */
static int take_line(struct inocrypttab *tab, const char *s, size_t len,
		     unsigned int nr, inocrypttab_report report)
{
	struct inocrypttab_entry e = { .line = nr };
	char line[LINE_SIZE], why[WHY_SIZE] = "";
	int ret = 0;

	while (len && (*s == ' ' || *s == '\t')) {
		s++;
		len--;
	}
	if (!len || *s == '#')
		return 0;
	if (len >= sizeof(line)) {
		snprintf(why, sizeof(why), "longer than %d bytes", LINE_SIZE);
		goto bad;
	}
	memcpy(line, s, len);
	line[len] = 0;
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') ||
		    line[i] == 127) {
			snprintf(why, sizeof(why), "a control character");
			goto bad;
		}
	if (!parse_line(&e, line, why))
		goto bad;
	if (inocrypttab_find(tab, e.name)) {
		snprintf(why, sizeof(why), "%.100s is there already", e.name);
		goto bad;
	}
	if (tab->count == INOCRYPTTAB_MAX_ENTRIES) {
		snprintf(why, sizeof(why), "more than %d volumes",
			 INOCRYPTTAB_MAX_ENTRIES);
		goto bad;
	}
	ret = add_entry(tab, &e);
	if (ret)
		entry_free(&e);
	return ret;
bad:
	entry_free(&e);
	tab->bad++;
	if (report)
		report(nr, why);
	return 0;
}

/**
 * inocrypttab_parse() - take a file's text apart
 * @tab: receives its entries; inocrypttab_free() it in any case
 * @text: any bytes
 * @len: how many
 * @report: called for lines that can't be used, or NULL
 *
 * Return: 0, also if there are bad lines, or an exit code.
 */
int inocrypttab_parse(struct inocrypttab *tab, const char *text, size_t len,
		      inocrypttab_report report)
{
	unsigned int nr = 0;

	memset(tab, 0, sizeof(*tab));
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;
		int ret = take_line(tab, text, n, ++nr, report);

		if (ret)
			return ret;
		n += !!end;
		text += n;
		len -= n;
	}
	return 0;
}

/**
 * inocrypttab_path() - which file it is
 */
const char *inocrypttab_path(void)
{
	const char *path = secure_getenv(INOCRYPTTAB_ENV);

	return path && *path ? path : INOCRYPTTAB;
}

/*
 * Whoever can write the file decides what is opened, so that must be root or
 * ourselves.
 */
static int check_file(const char *path, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return fail(EX_FAIL, "%s isn't a file", path);
	if ((st->st_uid && st->st_uid != geteuid()) ||
	    (st->st_mode & 0022))
		return fail(EX_FAIL,
			    "%s may be written by others; see to it with chown and chmod",
			    path);
	if (st->st_size > INOCRYPTTAB_MAX_SIZE)
		return fail(EX_FAIL, "%s: larger than %d bytes", path,
			    INOCRYPTTAB_MAX_SIZE);
	return 0;
}

/**
 * inocrypttab_read() - read the file
 * @tab: receives its entries; inocrypttab_free() it in any case
 * @path: of the file; that it isn't there is like an empty one
 * @report: called for lines that can't be used, or NULL
 *
 * Return: 0, also if there are bad lines, or an exit code.
 */
int inocrypttab_read(struct inocrypttab *tab, const char *path,
		     inocrypttab_report report)
{
	struct stat st;
	size_t have = 0;
	ssize_t n = 0;
	char *text;
	int fd, ret;

	memset(tab, 0, sizeof(*tab));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st)) {
		ret = fail(EX_FAIL, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return ret;
	}
	ret = check_file(path, &st);
	text = ret ? NULL : malloc(st.st_size + 1);
	if (!ret && !text)
		ret = fail(EX_FAIL, "no memory");
	while (!ret && have < (size_t)st.st_size) {
		n = read(fd, text + have, st.st_size - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += n;
	}
	if (!ret && n < 0)
		ret = fail(EX_IO, "%s: %s", path, strerror(errno));
	close(fd);
	if (!ret)
		ret = inocrypttab_parse(tab, text, have, report);
	free(text);
	return ret;
}

/**
 * inocrypttab_find() - a volume's entry
 * @tab: as read
 * @name: of the volume
 */
const struct inocrypttab_entry *
inocrypttab_find(const struct inocrypttab *tab, const char *name)
{
	for (size_t i = 0; i < tab->count; i++)
		if (!strcmp(tab->entry[i].name, name))
			return &tab->entry[i];
	return NULL;
}

/**
 * inocrypttab_free() - forget the file
 * @tab: read or parsed, even if that failed
 */
void inocrypttab_free(struct inocrypttab *tab)
{
	for (size_t i = 0; i < tab->count; i++)
		entry_free(&tab->entry[i]);
	free(tab->entry);
	memset(tab, 0, sizeof(*tab));
}

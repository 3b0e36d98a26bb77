// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the fuzzers share: input bytes, files in memory, calls of the tool, and
 * what every accepted geometry has to promise.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

const u8 fuzz_vk[IC_KEY_SIZE] = "inocrypt fuzzers' volume key ...";

static struct fuzz_count *counts;

void take(struct input *in, void *out, size_t n)
{
	size_t have = n < in->n ? n : in->n;

	memset(out, 0, n);
	if (have)
		memcpy(out, in->p, have);
	in->p += have;
	in->n -= have;
}

u8 take_u8(struct input *in)
{
	u8 x;

	take(in, &x, sizeof(x));
	return x;
}

u16 take_u16(struct input *in)
{
	__le16 x;

	take(in, &x, sizeof(x));
	return le16_to_cpu(x);
}

u32 take_u32(struct input *in)
{
	__le32 x;

	take(in, &x, sizeof(x));
	return le32_to_cpu(x);
}

u64 take_u64(struct input *in)
{
	__le64 x;

	take(in, &x, sizeof(x));
	return le64_to_cpu(x);
}

void fuzz_bug(const char *file, int line, const char *what)
{
	dprintf(2, "BUG: %s:%d: %s\n", file, line, what);
	abort();
}

void fuzz_reached(struct fuzz_count *count)
{
	if (!count->n++) {
		count->next = counts;
		counts = count;
	}
}

static void print_counts(void)
{
	for (struct fuzz_count *c = counts; c; c = c->next)
		dprintf(2, "reached: %lu %s\n", c->n, c->what);
}

/* The messages of the code under test are many, and nobody's interest. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	stderr = fopen("/dev/null", "w");
	atexit(print_counts);
	return 0;
}

void image_new(struct image *img)
{
	img->fd = memfd_create("fuzz", MFD_CLOEXEC);
	DIE_IF(img->fd < 0);
	snprintf(img->path, sizeof(img->path), "/proc/self/fd/%d", img->fd);
}

void image_clear(struct image *img, u64 bytes)
{
	DIE_IF(ftruncate(img->fd, 0) || ftruncate(img->fd, bytes));
}

void image_resize(struct image *img, u64 bytes)
{
	DIE_IF(ftruncate(img->fd, bytes));
}

void image_put(struct image *img, u64 offset, const void *buf, size_t n)
{
	DIE_IF(pwrite(img->fd, buf, n, offset) != (ssize_t)n);
}

/* Check looks whether a loop device has the image; none does. */
void *__wrap_opendir(const char *path);

void *__wrap_opendir(const char *path)
{
	(void)path;
	return NULL;
}

/* A file that holds the volume key. */
const char *fuzz_vk_path(void)
{
	static struct image vk = { .fd = -1 };

	if (vk.fd < 0) {
		image_new(&vk);
		image_put(&vk, 0, fuzz_vk, sizeof(fuzz_vk));
	}
	return vk.path;
}

/* One of the volume's own keys; made once as long as the UUID stays. */
struct ic_meta_key *fuzz_key(const u8 uuid[IC_UUID_SIZE], const char *label)
{
	static struct {
		const char *label;
		u8 uuid[IC_UUID_SIZE];
		struct ic_meta_key *key;
	} cache[4];
	u8 raw[IC_KEY_SIZE];
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(cache) && cache[i].label &&
	       strcmp(cache[i].label, label))
		i++;
	if (cache[i].key && !strcmp(cache[i].label, label) &&
	    !memcmp(cache[i].uuid, uuid, IC_UUID_SIZE))
		return cache[i].key;
	ic_meta_key_free(cache[i].key);
	DIE_IF(ic_derive_volume_key(fuzz_vk, uuid, label, raw));
	cache[i].key = ic_meta_key_new(raw);
	DIE_IF(!cache[i].key);
	cache[i].label = label;
	memcpy(cache[i].uuid, uuid, IC_UUID_SIZE);
	return cache[i].key;
}

/*
 * Run a command of the tool, with its output in memory; @args end with NULL.
 * As JSON it has to be that.  FUZZ_SHOW=1 in the environment shows it, for a
 * replay.
 */
static int run_tool(int (*cmd)(int argc, char **argv),
		    const char *const *args, bool as_json,
		    struct json_object **json)
{
	FILE *saved = stdout;
	char *argv[20], *ours[20], *text = NULL;
	size_t len;
	int argc = 0, ret;

	for (; args[argc]; argc++) {
		argv[argc] = strdup(args[argc]);
		DIE_IF(!argv[argc]);
	}
	if (as_json)
		argv[argc++] = strdup("--json");
	argv[argc] = NULL;
	/* Commands put names of their own into it. */
	memcpy(ours, argv, sizeof(ours));
	stdout = open_memstream(&text, &len);
	DIE_IF(!stdout);
	ret = cmd(argc, argv);
	fclose(stdout);
	stdout = saved;
	DIE_IF(ret < 0);
	if (getenv("FUZZ_SHOW"))
		dprintf(2, "%s: exit code %d\n%s", args[0], ret, text);
	if (as_json) {
		*json = len ? json_tokener_parse(text) : NULL;
		DIE_IF(!ret && !*json);
		DIE_IF(len && !*json);
	}
	while (argc)
		free(ours[--argc]);
	free(text);
	return ret;
}

/* Run a command for what it does and prints; returns its exit code. */
int fuzz_tool(int (*cmd)(int argc, char **argv), bool as_json,
	      const char *const *args)
{
	struct json_object *json = NULL;
	int ret = run_tool(cmd, args, as_json, &json);

	json_object_put(json);
	return ret;
}

/* Run it for its answer, NULL if it prints none. */
struct json_object *fuzz_json(int (*cmd)(int argc, char **argv),
			      const char *const *args, int *ret)
{
	struct json_object *json = NULL;

	*ret = run_tool(cmd, args, true, &json);
	return json;
}

/* A number in it, by the names on the way: "log.blocks". */
u64 fuzz_number(struct json_object *json, const char *path)
{
	char name[64];
	const char *dot;

	while ((dot = strchr(path, '.'))) {
		snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
		DIE_IF(!json_object_object_get_ex(json, name, &json));
		path = dot + 1;
	}
	DIE_IF(!json_object_object_get_ex(json, path, &json));
	return json_object_get_uint64(json);
}

/* Is [@start, @start + @len) within [0, @end)?  Without overflow. */
static bool within(u64 start, u64 len, u64 end)
{
	return start <= end && len <= end - start;
}

/* What holds for every set of parameters that is accepted. */
void check_geometry(const struct ic_params *p)
{
	struct ic_geometry g;
	u64 leaves, at = 0, n, bytes, data, total;

	DIE_IF(ic_geometry_init(&g, p));
	/* docs/format.md's bounds, in its own numbers. */
	DIE_IF(p->sector_size < 512 || p->sector_size > 4096);
	DIE_IF(!p->data_sectors ||
	       p->data_sectors > (1ULL << 56) / p->sector_size);
	DIE_IF(!p->owners || p->owners > 1ULL << 32);
	DIE_IF(p->log_blocks < 64 || p->log_blocks > 1U << 20);
	DIE_IF(g.sector_size != p->sector_size ||
	       1U << g.sector_shift != p->sector_size);
	DIE_IF(g.data_sectors != p->data_sectors || g.owners != p->owners ||
	       g.log_blocks != p->log_blocks);
	DIE_IF(!g.levels || g.levels > IC_MAX_LEVELS);

	/* Room for every record, kinds one after the other. */
	DIE_IF(g.owner_leaf * IC_LEAF_RECORDS < IC_KEY_SLOTS);
	DIE_IF(g.sector_leaf <= g.owner_leaf ||
	       (g.sector_leaf - g.owner_leaf) * IC_LEAF_RECORDS < p->owners);
	leaves = g.level_nodes[0];
	DIE_IF(leaves <= g.sector_leaf ||
	       (leaves - g.sector_leaf) * IC_LEAF_RECORDS < p->data_sectors);
	for (u32 l = 0; l < g.levels; l++) {
		DIE_IF(g.level_base[l] != at);
		n = g.level_nodes[l];
		DIE_IF(!n);
		DIE_IF(l + 1 < g.levels &&
		       (g.level_nodes[l + 1] * IC_FANOUT < n ||
			(g.level_nodes[l + 1] - 1) * IC_FANOUT >= n));
		at += n;
	}
	DIE_IF(n != 1 || g.nodes != at);

	/* Superblocks, log, places: in bounds, no overlaps, no overflow. */
	DIE_IF(g.log_start < IC_FIRST_BLOCK ||
	       g.log_start <= IC_SUPER_BLOCK(1));
	DIE_IF(!within(g.log_start, g.log_blocks, g.place_start[0]));
	DIE_IF(!within(g.place_start[0], g.nodes, g.place_start[1]));
	DIE_IF(!within(g.place_start[1], g.nodes, g.blocks));
	for (u32 place = 0; place < 2; place++)
		for (u32 l = 0; l < g.levels; l++) {
			u64 a = ic_node_block(&g, l, 0, place);
			u64 z = ic_node_block(&g, l, g.level_nodes[l] - 1,
					      place);

			DIE_IF(a < g.place_start[place] || z < a ||
			       z >= g.place_start[place] + g.nodes);
		}
	DIE_IF(__builtin_mul_overflow(g.blocks, IC_BLOCK_SIZE, &bytes));
	DIE_IF(__builtin_mul_overflow(p->data_sectors, p->sector_size, &data));
	for (int two = 0; two < 2; two++) {
		u64 offset = volume_data_offset(&g, two);

		DIE_IF(__builtin_add_overflow(offset, data, &total));
		DIE_IF(!two && offset < HEADER_BYTES + bytes);
		/* What lseek() and the block layer can address. */
		DIE_IF(total > INT64_MAX || bytes + HEADER_BYTES > INT64_MAX);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the superblock: reading and judging both copies, geometry, fitting.
 *
 * Input: flags, then either two superblocks with their state in the clear,
 * sealed here unless the flags say no, or parameters to fit onto a device.
 */
#include "fuzz.h"

enum {
	SEAL_0 = 1,		/* copy 0 is sealed */
	SEAL_1 = 2,
	SIDECAR = 4,		/* on a device of its own */
	SAME = 8,		/* copy 1 has copy 0's readable part */
	SIZES = 16,		/* devices as large as the input says */
	JSON = 32,
	NEAR = 64,		/* ... or nearly as large as copy 0 needs */
	FIT = 128,		/* parameters for ic_params_fit() instead */
};

/* Encrypt a superblock's state as it is, whatever it says. */
static void seal(struct ic_super *sb)
{
	DIE_IF(ic_meta_seal(fuzz_key(sb->clear.uuid, IC_LABEL_SUPER),
			    sb->nonce, &sb->clear, sizeof(sb->clear),
			    &sb->state, sizeof(sb->state), sb->tag));
}

/* Was it sealed with the key that its UUID says? */
static bool authentic(const struct ic_super *raw)
{
	struct ic_super sb = *raw;

	return !sb.reserved &&
	       !ic_meta_open(fuzz_key(sb.clear.uuid, IC_LABEL_SUPER), sb.nonce,
			     &sb.clear, sizeof(sb.clear), &sb.state,
			     sizeof(sb.state), sb.tag);
}

/* One copy, as the target looks at it; true if it is good. */
static bool judge(const struct ic_super *raw, struct ic_params *params,
		  struct ic_state *state)
{
	struct ic_super sb = *raw, again;
	const char *why = NULL;
	struct ic_meta_key *key;
	int err;

	err = ic_super_read_params(&sb, params, &why);
	DIE_IF(err > 0 || !err != !why);
	if (err)
		return false;
	REACHED("parameters accepted");
	check_geometry(params);
	DIE_IF(!ic_cipher_info(params->cipher));
	key = fuzz_key(params->uuid, IC_LABEL_SUPER);
	err = ic_super_open(&sb, key, state, &why);
	DIE_IF(err > 0 || !err != !why);
	if (err)
		return false;
	REACHED("superblock accepted");
	DIE_IF(!state->epoch || state->root_place > 1);
	/* So that no sum with them overflows. */
	DIE_IF((state->epoch | state->log_seq) >> 63);
	/* What is accepted is understood: nothing gets lost when written. */
	DIE_IF(ic_super_seal(&again, key, params, state, raw->nonce));
	DIE_IF(memcmp(&again, raw, sizeof(again)));
	return true;
}

/* Is copy @i valid, and where its epoch belongs? */
static bool in_place(const bool *good, const struct ic_state *state, int i)
{
	return good[i] && (state[i].epoch & 1) == (u64)i;
}

/* Devices that are larger than @p needs by @near, in 512 bytes. */
static void needed(const struct ic_params *p, u8 flags, const int *near,
		   u64 *bytes)
{
	struct ic_geometry geo;

	DIE_IF(ic_geometry_init(&geo, p));
	bytes[0] = volume_data_offset(&geo, flags & SIDECAR) +
		   p->data_sectors * p->sector_size + near[0] * 512;
	bytes[1] = geo.blocks * IC_BLOCK_SIZE + near[1] * 512;
}

static void look(const struct image *data, const struct image *side, u8 flags)
{
	const char *args[16] = { "dump", data->path, "-k", fuzz_vk_path() };
	int n = 4;

	if (flags & SIDECAR) {
		args[n++] = "--sidecar";
		args[n++] = side->path;
	}
	DIE_IF(fuzz_tool(cmd_dump, flags & JSON, args));
	/* Both ends of the array of records; there is no node at all. */
	args[n++] = "--keys";
	fuzz_tool(cmd_dump, flags & JSON, args);
	args[n - 1] = "--owner=0";
	fuzz_tool(cmd_dump, flags & JSON, args);
}

static void supers(struct input *in, u8 flags)
{
	static struct image data = { .fd = -1 }, side = { .fd = -1 };
	struct ic_params params[2];
	struct ic_state state[2];
	u64 bytes[2], base = flags & SIDECAR ? 0 : HEADER_BYTES;
	struct ic_super sb[2];
	struct ic_geometry geo;
	struct volume v;
	bool good[2];
	int near[2] = { 0 };
	int ret, best;

	if (data.fd < 0) {
		image_new(&data);
		image_new(&side);
	}
	for (int i = 0; i < 2; i++) {
		bytes[i] = 1ULL << 62;
		if (flags & NEAR) {
			near[i] = (int8_t)take_u8(in);
		} else if (flags & SIZES) {
			bytes[i] = take_u64(in) >> 1;
			bytes[i] >>= take_u8(in) & 63;
		}
	}
	take(in, sb, sizeof(sb));
	if (flags & SAME)
		sb[1].clear = sb[0].clear;
	if (flags & SEAL_0)
		seal(&sb[0]);
	if (flags & SEAL_1)
		seal(&sb[1]);

	image_clear(&data, 0);
	image_clear(&side, 0);
	for (int i = 0; i < 2; i++) {
		good[i] = judge(&sb[i], &params[i], &state[i]);
		image_put(flags & SIDECAR ? &side : &data, base +
			  IC_SUPER_BLOCK(i) * IC_BLOCK_SIZE, &sb[i],
			  sizeof(sb[i]));
	}
	if (flags & NEAR && good[0])
		needed(&params[0], flags, near, bytes);
	/* After writing: the file may also end within or before a copy. */
	image_resize(&data, bytes[0]);
	image_resize(&side, bytes[1]);

	ret = volume_open(&v, data.path, flags & SIDECAR ? side.path : NULL,
			  false);
	DIE_IF(ret);
	ret = volume_read_supers(&v, fuzz_vk);
	DIE_IF(ret < 0);
	if (ret) {
		/* Nothing wrong with them or the device: no reason to refuse. */
		DIE_IF(in_place(good, state, 0) && in_place(good, state, 1) &&
		       !(flags & SIZES) && near[0] >= 0 && near[1] >= 0 &&
		       !memcmp(&params[0], &params[1], sizeof(params[0])));
		volume_close(&v);
		return;
	}
	REACHED("volume read");
	best = v.current;
	DIE_IF(best < 0 || best > 1 || !in_place(good, state, best));
	/* Only what isn't authentic was passed over, and there's no quarrel. */
	DIE_IF(!in_place(good, state, !best) && authentic(&sb[!best]) &&
	       !v.copy[!best].err);
	DIE_IF(v.copy[!best].verdict == IC_SUPER_FOREIGN &&
	       authentic(&sb[!best]));
	DIE_IF(v.copy[!best].verdict > IC_SUPER_UNREAD);
	DIE_IF(in_place(good, state, !best) &&
	       v.copy[!best].verdict == IC_SUPER_VALID &&
	       memcmp(&sb[0].clear, &sb[1].clear, sizeof(sb[0].clear)));
	DIE_IF(in_place(good, state, !best) &&
	       state[!best].epoch > state[best].epoch);
	DIE_IF(memcmp(&v.params, &params[best], sizeof(v.params)) ||
	       memcmp(&v.state, &state[best], sizeof(v.state)));
	DIE_IF(ic_geometry_init(&geo, &params[best]) ||
	       memcmp(&v.geo, &geo, sizeof(geo)));
	/* Every block and every sector is on its device. */
	DIE_IF(v.side_offset + geo.blocks * IC_BLOCK_SIZE > v.side->bytes);
	DIE_IF(v.data_offset + geo.data_sectors * geo.sector_size >
	       v.data.bytes);
	volume_close(&v);
	look(&data, &side, flags);
}

static void fit(struct input *in, u8 flags)
{
	struct ic_params p = { .cipher = 1 }, more;
	struct ic_geometry g;
	u64 data, shared, need;
	u32 log_blocks;
	bool two;
	int err;

	p.sector_size = flags & 1 ? take_u32(in) : 512U << (take_u8(in) & 3);
	p.owners = take_u64(in) >> (flags >> 1 & 1) * 32;
	log_blocks = take_u32(in);
	p.log_blocks = log_blocks;
	data = take_u64(in);
	shared = take_u64(in) >> (flags >> 2 & 3) * 8;
	two = data;
	more = p;
	err = ic_params_fit(&p, data, shared);
	DIE_IF(err > 0);
	if (err) {
		/* The smallest volume there can be. */
		more.data_sectors = 1;
		if (!more.log_blocks)
			more.log_blocks = ic_log_blocks_default(1, p.sector_size);
		if (!ic_geometry_init(&g, &more)) {
			need = g.blocks * IC_BLOCK_SIZE;
			DIE_IF(need + (two ? 0 : p.sector_size) <= shared &&
			       (!two || data >= p.sector_size));
		}
		return;
	}
	REACHED("a volume fits");
	check_geometry(&p);
	more = p;
	more.data_sectors++;
	if (!log_blocks)
		more.log_blocks = ic_log_blocks_default(more.data_sectors,
							p.sector_size);
	DIE_IF(ic_geometry_init(&g, &p));
	need = g.blocks * IC_BLOCK_SIZE;
	DIE_IF(two ? p.data_sectors > data / p.sector_size || need > shared :
		     need + p.data_sectors * p.sector_size > shared);
	/* One sector more has no room, or is more than there may be. */
	if (!(two && more.data_sectors > data / p.sector_size) &&
	    !ic_geometry_init(&g, &more)) {
		need = g.blocks * IC_BLOCK_SIZE;
		if (!two)
			need += more.data_sectors * p.sector_size;
		DIE_IF(need <= shared);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	u8 flags = take_u8(&in);

	if (flags & FIT)
		fit(&in, flags);
	else
		supers(&in, flags);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A volume on its devices: where its parts are, its superblock, its tree.
 */
#ifndef IC_DISK_H
#define IC_DISK_H

#include "base/base.h"

#define HEADER_BYTES	(16 * MIB)	/* for the LUKS2 header */
#define ALIGN_BYTES	MIB

/**
 * struct area_dev - a device or an image file
 * @path: as the user gave it
 * @bytes: its size
 * @block_bytes: a device's logical blocks, 0 for a file
 * @readonly: a device that takes no writes
 */
struct area_dev {
	const char	*path;
	int		fd;
	bool		is_file;
	bool		direct;
	bool		readonly;
	u64	bytes;
	int		block_bytes;
	unsigned int	major, minor;
};

int dev_open(struct area_dev *dev, const char *path, bool writing,
	     bool exclusive);
int dev_check_loop(const struct area_dev *dev);
void dev_close(struct area_dev *dev);
int dev_read(struct area_dev *dev, u64 offset, void *buf, size_t len);
int dev_pread(const struct area_dev *dev, u64 offset, void *buf, size_t len,
	      size_t need);
int dev_write_block(struct area_dev *dev, u64 offset, const void *buf);
int dev_zero(struct area_dev *dev, u64 offset, u64 len);
int dev_flush(struct area_dev *dev);

/**
 * struct volume - a volume that is being looked at
 * @data: device of the data
 * @side: device of the sidecar, &@data or @side_dev
 * @data_offset: bytes
 * @side_offset: bytes
 * @raw: both superblock copies as read, decrypted if they authenticate
 * @copy: what they turned out to be
 * @current: the valid copy with the greater epoch, -1 if there is none
 */
struct volume {
	struct area_dev		data, side_dev;
	struct area_dev		*side;
	u64		data_offset, side_offset;
	struct ic_super		raw[2];
	struct ic_super_copy	copy[2];
	int			current;
	struct ic_params	params;
	struct ic_state		state;
	struct ic_geometry	geo;
	struct ic_meta_key	*node_key;
};

int volume_open(struct volume *v, const char *dev, const char *sidecar,
		bool exclusive);
int volume_read_supers(struct volume *v, const u8 vk[IC_KEY_SIZE]);
void volume_close(struct volume *v);
u64 volume_data_offset(const struct ic_geometry *geo, bool sidecar);

/**
 * struct path_step - one node on the way from the root to a leaf
 * @zero: this subtree is all zero: no such node on the disk
 * @lost: this subtree was damaged and given up: likewise
 */
struct path_step {
	u32	level, place;
	u64	index;
	bool		zero, lost;
};

/**
 * struct tree_path - from the root to a node
 * @node: the last one, decrypted (all zero if it isn't there)
 * @step: the root first
 */
struct tree_path {
	unsigned int	steps;
	struct path_step step[IC_MAX_LEVELS];
	struct ic_node	node;
};

int tree_walk(struct volume *v, u32 level, u64 index,
	      struct tree_path *path);
u64 tree_offset(const struct volume *v, const struct path_step *step,
		u32 place);

#endif /* IC_DISK_H */

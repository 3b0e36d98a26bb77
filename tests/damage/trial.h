/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * damage: trials, in a VM and of the tool.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include "damage.h"

/* A device's contents. */
struct image {
	const uint8_t	*data;
	size_t		bytes;
};

/**
 * struct trial - one thing to try
 * @spot: the block
 * @damage: what is done to it
 * @flip: which bit, for FLIP
 * @state: of the volume
 * @repair: by inocrypt check --repair, before it is opened
 * @give_up: open it with the options that say so
 */
struct trial {
	struct spot	spot;
	enum damage	damage;
	unsigned int	flip;
	enum vol_state	state;
	bool		repair;
	bool		give_up;
};

/**
 * struct result - what came of it
 * @lost: sectors that read as errors
 * @lost_for_good: that still do so after the device works again
 * @opens: for writing
 * @reads: at least read-only
 * @failed: not as documented
 */
struct result {
	uint32_t	lost, lost_for_good;
	bool		opens, reads;
	bool		failed;
};

void check_keys(const char *dir);
int check_run(const char *data, const char *side, bool repair);
void check_show(void);
bool check_grade(const struct spot *spot, enum damage damage, int rc);
bool check_repairs(const struct spot *spot, enum damage damage);
bool check_trial(const struct trial *t, struct image data, struct image side);

void trial_setup(const char * const disks[NR_DEVS], const char *vk);
void trial_images(struct image data, struct image side);
void trial_run(const struct trial *t, struct result *r);

#endif /* TRIAL_H */

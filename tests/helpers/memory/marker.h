/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * File contents that can be told apart in a dump of memory from all else: 8-byte
 * words, a function of a seed and of their place, which nobody has to keep.
 */
#ifndef MARKER_H
#define MARKER_H

#include <stdint.h>

static inline uint64_t marker_word(uint64_t seed, uint64_t i)
{
	uint64_t x = (seed + 1) * 0xd1342543de82ef95ULL + i * 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

#endif /* MARKER_H */

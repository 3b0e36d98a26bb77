// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random numbers: uniform, and Zipf by rejection-inversion.
 *
 * The generator that YCSB and fio use (Gray et al., "Quickly generating
 * billion-record synthetic databases", SIGMOD 1994) inverts an approximation.
 * This is W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates
 * from monotone discrete distributions", ACM TOMACS 6(3), 1996: exact, for
 * any exponent above 0, in constant time and memory however many items.
 */
#include <math.h>

#include "scale.h"

#define NEAR_0	0.00000001

static u64 mix(u64 x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* xorshift128+ */
static u64 rng_next(struct rng *r)
{
	u64 a = r->s[0], b = r->s[1];

	r->s[0] = b;
	a ^= a << 23;
	r->s[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
	return r->s[1] + b;
}

void rng_init(struct rng *r, u64 seed)
{
	r->s[0] = mix(seed + 0x9e3779b97f4a7c15ULL);
	r->s[1] = mix(seed + 2 * 0x9e3779b97f4a7c15ULL);
}

u64 rng_below(struct rng *r, u64 n)
{
	return (u64)(((__uint128_t)rng_next(r) * n) >> 64);
}

double rng_unit(struct rng *r)
{
	return (double)(rng_next(r) >> 11) / (1ULL << 53);
}

/* (exp(x) - 1) / x and log(1 + x) / x, also near 0. */
static double expm1_by(double x)
{
	return fabs(x) > NEAR_0 ? expm1(x) / x : 1 + x / 2;
}

static double log1p_by(double x)
{
	return fabs(x) > NEAR_0 ? log1p(x) / x : 1 - x / 2;
}

/* The integral of x^-theta, and its inverse. */
static double h_integral(double x, double theta)
{
	double l = log(x);

	return expm1_by((1 - theta) * l) * l;
}

static double h_inverse(double x, double theta)
{
	double t = x * (1 - theta);

	if (t < -1)
		t = -1;
	return exp(log1p_by(t) * x);
}

void zipf_init(struct zipf *z, u64 n, double theta)
{
	z->n = n;
	z->theta = theta;
	z->h_x1 = h_integral(1.5, theta) - 1;
	z->h_n = h_integral(n + 0.5, theta);
	z->s = 2 - h_inverse(h_integral(2.5, theta) - pow(2, -theta), theta);
}

/* A rank, 0 the most frequent. */
u64 zipf_draw(const struct zipf *z, struct rng *r)
{
	for (;;) {
		double u = z->h_n + rng_unit(r) * (z->h_x1 - z->h_n);
		double x = h_inverse(u, z->theta);
		double k = floor(x + 0.5);

		if (k < 1)
			k = 1;
		else if (k > z->n)
			k = z->n;
		if (k - x <= z->s ||
		    u >= h_integral(k + 0.5, z->theta) - pow(k, -z->theta))
			return (u64)k - 1;
	}
}

/* The sum of r^-theta for r from @a to @b: by Euler and Maclaurin from 64 on. */
double zipf_sum(u64 a, u64 b, double theta)
{
	double sum = 0, fa, fb;

	for (; a <= b && a < 64; a++)
		sum += pow(a, -theta);
	if (a > b)
		return sum;
	fa = pow(a, -theta);
	fb = pow(b, -theta);
	sum += h_integral(b, theta) - h_integral(a, theta) + (fa + fb) / 2;
	return sum + theta * (fa / a - fb / b) / 12;
}

/* A fixed permutation of the numbers below @n. */
u64 scatter(u64 x, u64 n)
{
	u32 bits = 1;
	u64 mask;

	while (bits < 63 && (1ULL << bits) < n)
		bits++;
	mask = (1ULL << bits) - 1;
	/* Each step is one to one within @mask; walk on until it fits. */
	do {
		x = (x * 0x9e3779b97f4a7c15ULL + 0x632be59bd9b4e019ULL) & mask;
		x ^= x >> (bits / 2 + 1);
		x = (x * 0xbf58476d1ce4e5b9ULL) & mask;
		x ^= x >> (bits / 3 + 1);
		x = (x * 0x94d049bb133111ebULL) & mask;
		x ^= x >> (bits / 2 + 1);
	} while (x >= n);
	return x;
}

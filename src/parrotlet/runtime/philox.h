/* Seed, stream and position come in; the random number in [0, 1) that belongs to them goes out.
 *
 * Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), laid out as in
 * numpy.random.Philox: positions 4i .. 4i+3 are the four words of counter i + 1. */
#ifndef PARROTLET_PHILOX_H
#define PARROTLET_PHILOX_H

#include <stdint.h>

#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_ARM64))
#include <intrin.h>
#endif

/* The high 64 bits of a * b. */
static uint64_t pl_high(uint64_t a, uint64_t b) {
#if defined(__SIZEOF_INT128__)
    return (uint64_t)(((unsigned __int128)a * b) >> 64);
#elif defined(_MSC_VER) && (defined(_M_X64) || defined(_M_ARM64))
    return __umulh(a, b);
#else
    uint64_t low_a = a & 0xffffffffu, high_a = a >> 32, low_b = b & 0xffffffffu, high_b = b >> 32;
    uint64_t low = low_a * low_b, middle = high_a * low_b + (low >> 32);
    uint64_t other = low_a * high_b + (middle & 0xffffffffu);
    return high_a * high_b + (middle >> 32) + (other >> 32);
#endif
}

static double pl_uniform(uint64_t seed, uint64_t stream, uint64_t position) {
    uint64_t word[4] = {position / 4 + 1, 0, 0, 0};
    int round;
    for (round = 0; round < 10; round++) {
        uint64_t high0 = pl_high(UINT64_C(0xD2E7470EE14C6C93), word[0]);
        uint64_t low0 = UINT64_C(0xD2E7470EE14C6C93) * word[0];
        uint64_t high1 = pl_high(UINT64_C(0xCA5A826395121157), word[2]);
        uint64_t low1 = UINT64_C(0xCA5A826395121157) * word[2];
        word[0] = high1 ^ word[1] ^ seed;
        word[1] = low1;
        word[2] = high0 ^ word[3] ^ stream;
        word[3] = low0;
        seed += UINT64_C(0x9E3779B97F4A7C15);   /* the key schedule: golden ratio */
        stream += UINT64_C(0xBB67AE8584CAA73B); /* and the square root of three */
    }
    return (double)(word[position % 4] >> 11) * (1.0 / 9007199254740992.0);
}

#endif

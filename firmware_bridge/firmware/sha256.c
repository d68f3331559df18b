#include "sha256.h"

#include <string.h>

/* In RAM, not in flash: the boot section lies past the 64 KB that a plain LPM reaches. */
static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The compiler moves bytes for the first of each pair; an AVR has no shifter, and every single step costs. */
static uint32_t right1(uint32_t v) { return (v >> 1) | (v << 31); }
static uint32_t left1(uint32_t v) { return (v << 1) | (v >> 31); }
static uint32_t right8(uint32_t v) { return (v >> 8) | (v << 24); }
static uint32_t right16(uint32_t v) { return (v >> 16) | (v << 16); }
static uint32_t left8(uint32_t v) { return (v << 8) | (v >> 24); }
static uint32_t right2(uint32_t v) { return right1(right1(v)); }
static uint32_t left2(uint32_t v) { return left1(left1(v)); }
static uint32_t right3(uint32_t v) { return right1(right2(v)); }

/* FIPS 180-4, 4.4 to 4.7: rotations by 2 13 22, 6 11 25, 7 18 and a shift by 3, 17 19 and a shift by 10. */
static uint32_t big0(uint32_t v) { return right2(v) ^ left1(left2(right16(v))) ^ left2(left8(v)); }
static uint32_t big1(uint32_t v) { return left2(right8(v)) ^ right3(right8(v)) ^ right1(left8(v)); }
static uint32_t small0(uint32_t v) { return left1(right8(v)) ^ right2(right16(v)) ^ (v >> 3); }
static uint32_t small1(uint32_t v) { return right1(right16(v)) ^ right3(right16(v)) ^ (v >> 8 >> 2); }

static void compress(struct sha256 *sha) {
    uint32_t w[16], v[8];

    for (uint8_t i = 0; i < 16; i++) {
        const uint8_t *at = sha->block + 4 * i;
        w[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint16_t)(at[2] << 8) | at[3];
    }
    memcpy(v, sha->state, sizeof v);
    for (uint8_t i = 0; i < 64; i++) {
        uint32_t *word = &w[i & 15];
        if (i >= 16) {
            uint32_t a = w[(i + 1) & 15], b = w[(i + 14) & 15];
            *word += small0(a) + w[(i + 9) & 15] + small1(b);
        }
        uint32_t one = v[7] + big1(v[4]) +
                       ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_constant[i] + *word;
        uint32_t two = big0(v[0]) +
                       ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof v[0]);
        v[4] += one;
        v[0] = one + two;
    }
    for (uint8_t i = 0; i < 8; i++)
        sha->state[i] += v[i];
}

void sha256_init(struct sha256 *sha) {
    static const uint32_t start[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    memcpy(sha->state, start, sizeof start);
    sha->length = 0;
}

void sha256_feed(struct sha256 *sha, uint8_t byte) {
    sha->block[sha->length++ & 63] = byte;
    if ((sha->length & 63) == 0)
        compress(sha);
}

void sha256_end(struct sha256 *sha, uint8_t digest[SHA256_BYTES]) {
    uint32_t bits = sha->length << 3;

    sha256_feed(sha, 0x80);
    while ((sha->length & 63) != 60)
        sha256_feed(sha, 0);
    for (int8_t shift = 24; shift >= 0; shift -= 8)
        sha256_feed(sha, (uint8_t)(bits >> shift));
    for (uint8_t i = 0; i < SHA256_BYTES; i++)
        digest[i] = (uint8_t)(sha->state[i >> 2] >> (24 - 8 * (i & 3)));
}

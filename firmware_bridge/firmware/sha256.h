/* SHA-256, FIPS 180-4. */
#ifndef SHA256_H
#define SHA256_H

#include <stdint.h>

#define SHA256_BYTES 32

struct sha256 {
    uint32_t state[8];
    uint32_t length; /* bytes so far */
    uint8_t block[64];
};

void sha256_init(struct sha256 *sha);
void sha256_feed(struct sha256 *sha, uint8_t byte);
void sha256_end(struct sha256 *sha, uint8_t digest[SHA256_BYTES]);

#endif

/* The header of an image; firmware_bridge/flashing/image.py packs it. Numbers are little-endian.

   0 "YZDB" | 4 format u16 | 6 hardware u16 | 8 major 10 minor 12 patch u16 | 14 zero | 16 length u32
   20 SHA-256 of the body (32) | 52 CRC-16/MODBUS of bytes 0..51 | 54 zero to 63 | 64 Ed25519 of bytes 0..63 (64)
   128 zero to 255

   The signature is checked by the host (decision 0010); the board checks everything else. */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "sha256.h"

#define IMAGE_FORMAT 1

struct image_header {
    char magic[4];
    uint16_t format;
    uint16_t hardware;
    uint16_t version[3];
    uint16_t zero;
    uint32_t length;
    uint8_t digest[SHA256_BYTES];
    uint16_t check;
};

/* Whether it is a whole header of a format that we know. */
bool image_header_ok(const struct image_header *header);

/* Reads the header of a slot; whether there is one. */
bool image_in_slot(uint32_t slot, struct image_header *header);

/* Feeds `count` bytes of flash from `at`. */
void image_hash(struct sha256 *sha, uint32_t at, uint32_t count);

#endif

#include "image.h"

#include <avr/pgmspace.h>
#include <string.h>

#include "board.h"
#include "crc.h"

bool image_header_ok(const struct image_header *header) {
    return memcmp(header->magic, "YZDB", 4) == 0 && header->format == IMAGE_FORMAT &&
           header->check == crc_modbus((const uint8_t *)header, sizeof *header - sizeof header->check) &&
           header->length > 0 && header->length <= HEADER_AT;
}

bool image_in_slot(uint32_t slot, struct image_header *header) {
    uint8_t *into = (uint8_t *)header;

    for (uint8_t i = 0; i < sizeof *header; i++)
        into[i] = pgm_read_byte_far(slot + HEADER_AT + i);
    return image_header_ok(header);
}

void image_hash(struct sha256 *sha, uint32_t at, uint32_t count) {
    for (; count > 0; count--)
        sha256_feed(sha, pgm_read_byte_far(at++));
}

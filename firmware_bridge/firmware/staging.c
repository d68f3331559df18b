#include "staging.h"

#include <string.h>

#include "board.h"
#include "flash.h"
#include "image.h"
#include "protocol.h"

/* One round of the hash: the door waits for no more. */
#define HASH_BYTES 64u

static union {
    struct image_header fields;
    uint8_t page[PAGE_BYTES];
} header;
static uint8_t page[PAGE_BYTES];
static uint32_t received; /* bytes of the file so far */
static uint32_t hashed;
static struct sha256 sha;
static bool older_fine;

static void write_page(uint32_t offset, const uint8_t *data) {
    ((flash_stage_page_t)(BOOT_API / 2))(offset, data);
}

void staging_begin(bool older_is_fine) {
    older_fine = older_is_fine;
    received = hashed = 0;
    sha256_init(&sha);
    memset(page, 0xFF, sizeof page);
    write_page(HEADER_AT, page); /* what was there is an image no more */
}

static bool older(const uint16_t version[3]) {
    static const uint16_t running[3] = {VERSION_MAJOR, VERSION_MINOR, VERSION_PATCH};

    for (uint8_t i = 0; i < 3; i++)
        if (version[i] != running[i])
            return version[i] < running[i];
    return false;
}

static uint8_t judge(void) {
    if (!image_header_ok(&header.fields))
        return header.fields.length > HEADER_AT ? UPDATE_TOO_LONG : UPDATE_BAD_HEADER;
    if (header.fields.hardware != HARDWARE_ID)
        return UPDATE_WRONG_HARDWARE;
    if (older(header.fields.version) && !older_fine)
        return UPDATE_OLDER;
    return UPDATE_RECEIVING;
}

uint8_t staging_take(const uint8_t *data, uint16_t count) {
    for (; count > 0; count--, data++) {
        if (received < PAGE_BYTES) {
            header.page[received++] = *data;
            if (received == PAGE_BYTES) {
                uint8_t verdict = judge();
                if (verdict != UPDATE_RECEIVING)
                    return verdict;
            }
            continue;
        }
        if (staging_whole())
            break; /* XMODEM fills its last block */
        uint32_t offset = received++ - PAGE_BYTES;
        page[offset % PAGE_BYTES] = *data;
        if (received % PAGE_BYTES == 0 || staging_whole()) {
            write_page(offset - offset % PAGE_BYTES, page);
            memset(page, 0xFF, sizeof page);
        }
    }
    return UPDATE_RECEIVING;
}

bool staging_whole(void) { return received >= PAGE_BYTES && received - PAGE_BYTES >= header.fields.length; }

uint8_t staging_verify(void) {
    uint32_t left = header.fields.length - hashed;
    uint8_t digest[SHA256_BYTES];

    if (left > 0) {
        if (left > HASH_BYTES)
            left = HASH_BYTES;
        image_hash(&sha, STAGED_START + hashed, left);
        hashed += left;
        return UPDATE_VERIFYING;
    }
    sha256_end(&sha, digest);
    if (memcmp(digest, header.fields.digest, sizeof digest) != 0)
        return UPDATE_BAD_HASH;
    write_page(HEADER_AT, header.page);
    return UPDATE_READY;
}

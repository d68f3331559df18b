/* The image as it comes in: header first, then body, page by page into the slot STAGED. */
#ifndef STAGING_H
#define STAGING_H

#include <stdbool.h>
#include <stdint.h>

void staging_begin(bool older_is_fine);
/* Takes what came; an UPDATE_ state that ends the upload, or UPDATE_RECEIVING. */
uint8_t staging_take(const uint8_t *data, uint16_t count);
bool staging_whole(void);
/* Hashes a little more, 9 ms long; UPDATE_VERIFYING until it is done, then UPDATE_READY or UPDATE_BAD_HASH. */
uint8_t staging_verify(void);

#endif

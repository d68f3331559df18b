/* What a warm reset must not change, at a place of RAM that neither program initialises: the lock stays what it was.
   Each value stands there with its complement; after a power cut nothing of it is believed. */
#ifndef KEPT_H
#define KEPT_H

#include <stdbool.h>
#include <stdint.h>

enum { KEPT_RELEASE, KEPT_EGRESS, KEPT_HEARTBEAT, KEPT_RESETS, KEPT_WORDS };

bool kept_whole(void);
void kept_clear(void);
uint32_t kept_get(uint8_t which);
void kept_set(uint8_t which, uint32_t value);

#endif

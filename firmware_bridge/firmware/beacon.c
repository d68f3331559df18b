#include "beacon.h"

#include "board.h"

#define HALF_PERIOD_MS 128u /* a power of two: the time that is left says whether the light is on */

static uint32_t left_ms;

void beacon_init(void) { DDRB |= _BV(BEACON_PIN); }

void beacon_blink(uint32_t for_ms) { left_ms = for_ms; }

bool beacon_on(void) { return left_ms != 0; }

void beacon_tick(void) {
    if (left_ms != 0 && left_ms != UINT32_MAX)
        left_ms--;
    if (left_ms != 0 && (left_ms == UINT32_MAX || !(left_ms & HALF_PERIOD_MS)))
        PORTB |= _BV(BEACON_PIN);
    else
        PORTB &= (uint8_t)~_BV(BEACON_PIN);
}

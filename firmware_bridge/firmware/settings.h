/* What a host may set for good; in EEPROM with a check, the defaults when there is none. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

enum { SAFE_SECURED, SAFE_RELEASED };

struct settings {
    uint16_t heartbeat_timeout; /* tenths of a second */
    uint16_t safe_state;
    uint16_t egress_hold; /* tenths of a second */
    uint16_t unit;
    uint16_t trial; /* seconds */
};

#define SETTINGS_COUNT (sizeof(struct settings) / sizeof(uint16_t))

extern const struct settings settings_min, settings_max;

void settings_load(void);
const struct settings *settings(void);

/* The settings are also an array in the order of their holding registers. */
bool settings_fits(uint8_t index, uint16_t value);
void settings_set(uint8_t index, uint16_t value);

#endif

#include "settings.h"

#include <avr/eeprom.h>

#include "board.h"
#include "crc.h"

union known {
    struct settings named;
    uint16_t listed[SETTINGS_COUNT];
};

struct stored {
    union known known;
    uint16_t check;
};

const struct settings settings_min = {
    .heartbeat_timeout = 10, .safe_state = SAFE_SECURED, .egress_hold = 10, .unit = 1, .trial = 5};
const struct settings settings_max = {
    .heartbeat_timeout = 6000, .safe_state = SAFE_RELEASED, .egress_hold = 600, .unit = 247, .trial = 600};
static const struct settings defaults = {
    .heartbeat_timeout = 150, .safe_state = SAFE_SECURED, .egress_hold = 50, .unit = 1, .trial = 60};

static union known current;

static uint16_t check_of(const union known *known) { return crc_modbus((const uint8_t *)known, sizeof *known); }

bool settings_fits(uint8_t index, uint16_t value) {
    return value >= ((const union known *)&settings_min)->listed[index] &&
           value <= ((const union known *)&settings_max)->listed[index];
}

void settings_load(void) {
    struct stored stored;
    bool good;

    eeprom_read_block(&stored, (const void *)SETTINGS_START, sizeof stored);
    good = stored.check == check_of(&stored.known);
    for (uint8_t i = 0; good && i < SETTINGS_COUNT; i++)
        good = settings_fits(i, stored.known.listed[i]);
    current = good ? stored.known : (union known){.named = defaults};
}

const struct settings *settings(void) { return &current.named; }

void settings_set(uint8_t index, uint16_t value) {
    struct stored stored;

    if (current.listed[index] == value)
        return;
    current.listed[index] = value;
    stored.known = current;
    stored.check = check_of(&current);
    eeprom_update_block(&stored, (void *)SETTINGS_START, sizeof stored);
}

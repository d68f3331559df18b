#include "dictionary.h"

#include <avr/pgmspace.h>

#include "protocol.h"

enum space { COIL, DISCRETE, HOLDING, INPUT };
enum type { BIT, U16, U32 };
enum access { R = 1, W = 2, RW = 3 };

struct entry {
    char name[16];
    char unit[6];
    uint8_t space;
    uint8_t type;
    uint8_t address[2];
    int8_t power;
    uint8_t access;
    uint8_t least[2], most[2];
};

#define U16BE(value) {(uint8_t)((value) >> 8), (uint8_t)(value)}
#define ENTRY(name, unit, space, type, address, power, access, least, most) \
    {name, unit, space, type, U16BE(address), power, access, U16BE(least), U16BE(most)}
#define READ_BIT(name, address) ENTRY(name, "", DISCRETE, BIT, address, 0, R, 0, 0)
#define READ_WORD(name, unit, address) ENTRY(name, unit, INPUT, U16, address, 0, R, 0, 0)

static const struct entry entries[] PROGMEM = {
    ENTRY("lock", "", COIL, BIT, COIL_LOCK, 0, RW, 0, 0),
    ENTRY("beacon", "", COIL, BIT, COIL_BEACON, 0, RW, 0, 0),
    ENTRY("lock_for", "s", COIL, U16, FLASH_ON + COIL_LOCK, -1, W, 0, 0xFFFF),
    ENTRY("beacon_for", "s", COIL, U16, FLASH_ON + COIL_BEACON, -1, W, 0, 0xFFFF),
    READ_BIT("contact", BIT_CONTACT),
    READ_BIT("egress", BIT_EGRESS),
    READ_BIT("fire", BIT_FIRE),
    READ_BIT("tamper", BIT_TAMPER),
    READ_BIT("released", BIT_RELEASED),
    READ_BIT("host_lost", BIT_HOST_LOST),
    READ_BIT("in_use", BIT_IN_USE),
    READ_BIT("on_trial", BIT_ON_TRIAL),
    READ_WORD("map_version", "", INPUT_MAP_VERSION),
    READ_WORD("hardware", "", INPUT_HARDWARE),
    READ_WORD("version_major", "", INPUT_MAJOR),
    READ_WORD("version_minor", "", INPUT_MINOR),
    READ_WORD("version_patch", "", INPUT_PATCH),
    READ_WORD("reset_cause", "", INPUT_RESET_CAUSE),
    READ_WORD("resets", "", INPUT_RESETS),
    ENTRY("uptime", "s", INPUT, U32, INPUT_UPTIME_HIGH, 0, R, 0, 0),
    ENTRY("supply", "V", INPUT, U16, INPUT_SUPPLY, -3, R, 0, 0),
    READ_WORD("update_state", "", INPUT_UPDATE_STATE),
    READ_WORD("trial_left", "s", INPUT_TRIAL_LEFT),
    READ_WORD("host_losses", "", INPUT_HOST_LOSSES),
    READ_WORD("bad_frames", "", INPUT_BAD_FRAMES),
    ENTRY("heartbeat", "", HOLDING, U16, HOLDING_HEARTBEAT, 0, RW, 0, 0xFFFF),
    ENTRY("heartbeat_max", "s", HOLDING, U16, HOLDING_HEARTBEAT_TIMEOUT, -1, RW, 10, 6000),
    ENTRY("safe_state", "", HOLDING, U16, HOLDING_SAFE_STATE, 0, RW, 0, 1),
    ENTRY("egress_hold", "s", HOLDING, U16, HOLDING_EGRESS_HOLD, -1, RW, 10, 600),
    ENTRY("unit", "", HOLDING, U16, HOLDING_UNIT, 0, RW, 1, 247),
    ENTRY("trial", "s", HOLDING, U16, HOLDING_TRIAL, 0, RW, 5, 600),
    ENTRY("update_command", "", HOLDING, U16, UPDATE_COMMAND, 0, W, 0, 0xFFFF),
};

#define ENTRIES (sizeof entries / sizeof entries[0])
#define ENTRY_WORDS (sizeof entries[0] / 2)

bool dictionary_word(uint16_t address, uint16_t *value) {
    static const uint16_t head[] = {DICTIONARY_MAGIC, DICTIONARY_VERSION, ENTRIES, ENTRY_WORDS};
    uint16_t index = (uint16_t)(address - DICTIONARY_START);

    if (index < sizeof head / sizeof head[0]) {
        *value = head[index];
        return true;
    }
    index = (uint16_t)(address - DICTIONARY_ENTRIES);
    if (index >= ENTRIES * ENTRY_WORDS)
        return false;
    *value = (uint16_t)(pgm_read_byte((const uint8_t *)entries + 2 * index) << 8 |
                        pgm_read_byte((const uint8_t *)entries + 2 * index + 1));
    return true;
}

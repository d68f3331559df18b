#include "registers.h"

#include "beacon.h"
#include "board.h"
#include "dictionary.h"
#include "door.h"
#include "inputs.h"
#include "protocol.h"
#include "settings.h"
#include "supply.h"
#include "update.h"

#define ON 0xFF00
#define OFF 0x0000

static uint8_t cause;
static uint16_t resets, bad_frames, heartbeat;
static uint32_t uptime_s, second_ms;

void registers_init(uint8_t reset_cause, uint16_t reset_count) {
    cause = reset_cause;
    resets = reset_count;
}

void registers_tick(uint32_t now_ms) {
    if (now_ms - second_ms >= 1000) {
        second_ms += 1000;
        uptime_s++;
        supply_measure();
    }
}

void registers_count_bad_frame(void) {
    if (bad_frames < UINT16_MAX)
        bad_frames++;
}

uint8_t registers_bit(bool coil, uint16_t address, bool *value) {
    if (coil) {
        if (address >= COILS)
            return ILLEGAL_ADDRESS;
        *value = address == COIL_LOCK ? door_released() : beacon_on();
        return OK;
    }
    switch (address) {
    case BIT_CONTACT: *value = inputs_active(INPUT_CONTACT); return OK;
    case BIT_EGRESS: *value = inputs_active(INPUT_EGRESS); return OK;
    case BIT_FIRE: *value = inputs_active(INPUT_FIRE); return OK;
    case BIT_TAMPER: *value = inputs_active(INPUT_TAMPER); return OK;
    case BIT_RELEASED: *value = door_released(); return OK;
    case BIT_HOST_LOST: *value = door_host_lost(); return OK;
    case BIT_IN_USE: *value = door_in_use(); return OK;
    case BIT_ON_TRIAL: *value = update_on_trial(); return OK;
    default: return ILLEGAL_ADDRESS;
    }
}

static uint8_t input_word(uint16_t address, uint16_t *value) {
    switch (address) {
    case INPUT_MAP_VERSION: *value = MAP_VERSION; return OK;
    case INPUT_HARDWARE: *value = HARDWARE_ID; return OK;
    case INPUT_MAJOR: *value = VERSION_MAJOR; return OK;
    case INPUT_MINOR: *value = VERSION_MINOR; return OK;
    case INPUT_PATCH: *value = VERSION_PATCH; return OK;
    case INPUT_RESET_CAUSE: *value = cause; return OK;
    case INPUT_RESETS: *value = resets; return OK;
    case INPUT_UPTIME_HIGH: *value = (uint16_t)(uptime_s >> 16); return OK;
    case INPUT_UPTIME_LOW: *value = (uint16_t)uptime_s; return OK;
    case INPUT_SUPPLY: *value = supply_mv(); return OK;
    case INPUT_UPDATE_STATE: *value = update_state(); return OK;
    case INPUT_TRIAL_LEFT: *value = update_trial_left_s(); return OK;
    case INPUT_HOST_LOSSES: *value = door_host_losses(); return OK;
    case INPUT_BAD_FRAMES: *value = bad_frames; return OK;
    default: return dictionary_word(address, value) ? OK : ILLEGAL_ADDRESS;
    }
}

uint8_t registers_word(bool holding, uint16_t address, uint16_t *value) {
    if (!holding)
        return input_word(address, value);
    if (address >= HOLDINGS)
        return ILLEGAL_ADDRESS;
    *value = address == HOLDING_HEARTBEAT ? heartbeat : ((const uint16_t *)settings())[address - 1];
    return OK;
}

static uint8_t write_lock(uint32_t for_ms) {
    door_release(for_ms);
    /* The host's own release is over; what the button or the fire input holds is not the host's to end. */
    return for_ms == 0 && door_released() ? BUSY : OK;
}

uint8_t registers_write_coil(uint16_t address, uint16_t value) {
    bool flash = address >= FLASH_ON;
    uint32_t for_ms = flash ? 100ul * value : value == ON ? RELEASE_FOREVER : 0;

    if (!flash && value != ON && value != OFF)
        return ILLEGAL_VALUE;
    switch (flash ? address - FLASH_ON : address) {
    case COIL_LOCK:
        return write_lock(for_ms);
    case COIL_BEACON:
        beacon_blink(for_ms);
        return OK;
    default:
        return ILLEGAL_ADDRESS;
    }
}

uint8_t registers_write_word(uint16_t address, uint16_t value, bool commit) {
    if (address == UPDATE_COMMAND)
        return update_command(value, commit);
    if (address == HOLDING_HEARTBEAT) {
        if (commit) {
            heartbeat = value;
            door_heartbeat();
        }
        return OK;
    }
    if (address >= HOLDINGS)
        return ILLEGAL_ADDRESS;
    if (!settings_fits((uint8_t)(address - 1), value))
        return ILLEGAL_VALUE;
    if (commit)
        settings_set((uint8_t)(address - 1), value);
    return OK;
}

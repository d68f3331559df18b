#include "inputs.h"

#include "board.h"

static uint8_t active, stable_ms[INPUT_COUNT];
static bool changed;

/* Bit n: input n is active. */
static uint8_t sample(void) {
    uint8_t pins = PINC;

    return (uint8_t)(((pins >> CONTACT_PIN) & 1) << INPUT_CONTACT | ((~pins >> EGRESS_PIN) & 1) << INPUT_EGRESS |
                     ((pins >> FIRE_PIN) & 1) << INPUT_FIRE | ((pins >> TAMPER_PIN) & 1) << INPUT_TAMPER);
}

void inputs_init(void) {
    PORTC |= INPUT_PINS;
    active = sample();
}

void inputs_tick(void) {
    uint8_t differs = sample() ^ active;

    for (uint8_t i = 0; i < INPUT_COUNT; i++) {
        if (!(differs & (1 << i))) {
            stable_ms[i] = 0;
        } else if (++stable_ms[i] >= INPUT_STABLE_MS) {
            stable_ms[i] = 0;
            active ^= (uint8_t)(1 << i);
            changed = true;
        }
    }
}

bool inputs_active(uint8_t input) { return (active >> input) & 1; }

bool inputs_changed(void) {
    bool was = changed;

    changed = false;
    return was;
}

#include "door.h"

#include "board.h"
#include "inputs.h"
#include "kept.h"
#include "settings.h"

#define QUIET_MS 10000u

static uint32_t release_ms, egress_ms, heartbeat_ms; /* what is left of each */
static uint16_t quiet_ms = QUIET_MS, host_losses;
static bool host_lost;

static uint32_t heartbeat_whole(void) { return 100ul * settings()->heartbeat_timeout; }

static void drive(void) {
    if (door_released())
        PORTB |= _BV(LOCK_PIN);
    else
        PORTB &= (uint8_t)~_BV(LOCK_PIN);
}

void door_init(bool cold) {
    if (!cold) {
        release_ms = kept_get(KEPT_RELEASE);
        egress_ms = kept_get(KEPT_EGRESS);
        heartbeat_ms = kept_get(KEPT_HEARTBEAT);
    } else {
        heartbeat_ms = heartbeat_whole();
    }
    host_lost = heartbeat_ms == 0; /* the safe state was taken before the reset */
    drive();
    DDRB |= _BV(LOCK_PIN);
}

static void count_down(uint32_t *left_ms) {
    if (*left_ms != 0 && *left_ms != RELEASE_FOREVER)
        --*left_ms;
}

static void lose_host(void) {
    host_lost = true;
    if (host_losses < UINT16_MAX)
        host_losses++;
    release_ms = settings()->safe_state == SAFE_RELEASED ? RELEASE_FOREVER : 0;
}

void door_tick(void) {
    bool was = door_released();

    count_down(&release_ms);
    count_down(&egress_ms);
    count_down(&heartbeat_ms);
    if (inputs_active(INPUT_EGRESS))
        egress_ms = 100ul * settings()->egress_hold;
    if (heartbeat_ms == 0 && !host_lost)
        lose_host();
    if (quiet_ms < QUIET_MS)
        quiet_ms++;
    if (inputs_changed() || door_released() || was)
        quiet_ms = 0;
    kept_set(KEPT_RELEASE, release_ms);
    kept_set(KEPT_EGRESS, egress_ms);
    kept_set(KEPT_HEARTBEAT, heartbeat_ms);
    drive();
}

void door_release(uint32_t for_ms) {
    release_ms = for_ms;
    drive();
}

void door_heartbeat(void) {
    heartbeat_ms = heartbeat_whole();
    host_lost = false;
}

bool door_released(void) { return release_ms != 0 || egress_ms != 0 || inputs_active(INPUT_FIRE); }

bool door_host_lost(void) { return host_lost; }

bool door_in_use(void) { return door_released() || inputs_active(INPUT_CONTACT) || quiet_ms < QUIET_MS; }

uint16_t door_host_losses(void) { return host_losses; }

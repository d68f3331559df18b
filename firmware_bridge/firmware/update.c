/* XMODEM-1k with CRC, the receiving end (Forsberg, "XMODEM/YMODEM protocol reference", 1988, chapters 4 and 5):

   we: C     they: SOH or STX | n | 255-n | 128 or 1024 bytes | CRC-16 high, low     we: ACK, or NAK: again
             they: EOT                                                               we: ACK */
#include "update.h"

#include <avr/interrupt.h>
#include <avr/wdt.h>

#include "board.h"
#include "crc.h"
#include "door.h"
#include "journal.h"
#include "modbus.h"
#include "protocol.h"
#include "settings.h"
#include "staging.h"
#include "uart.h"

enum { SOH = 0x01, STX = 0x02, EOT = 0x04, ACK = 0x06, NAK = 0x15, CAN = 0x18 };

#define BLOCK_MAX 1024
#define FRAME_EXTRA 5
/* The first byte is asked for this often; a block that stops half-way is asked for again. */
#define ASK_EVERY_MS 500u
#define BLOCK_SILENCE_MS 1000u
/* So the line is the host's again ten seconds after it went silent. */
#define ERRORS_MAX 20
/* An image that nobody confirmed goes back once the lock is secured, or when it is overdue for this long. */
#define OVERDUE_MS 600000UL

static uint8_t state;
static bool on_trial, trial_over, reset_wanted, entering;
static uint32_t trial_ends_ms;

static uint8_t block[BLOCK_MAX + FRAME_EXTRA];
static uint16_t have;
static uint8_t expected, errors, cancels, say;
static bool started;
static uint32_t heard_ms;

void update_init(void) {
    on_trial = journal_read() == JOURNAL_TRIAL;
    trial_ends_ms = 1000ul * settings()->trial;
}

bool update_receiving(void) { return state == UPDATE_RECEIVING; }

uint8_t update_state(void) { return state; }

bool update_on_trial(void) { return on_trial; }

static uint16_t trial_left;

uint16_t update_trial_left_s(void) { return on_trial ? trial_left : 0; }

static uint8_t enter(uint16_t command, bool commit) {
    if (door_in_use() || on_trial || state == UPDATE_VERIFYING)
        return BUSY;
    if (commit) {
        staging_begin(command == COMMAND_ENTER_OLDER);
        entering = true;
    }
    return OK;
}

static uint8_t reset_into(enum journal_state next, bool allowed, bool commit) {
    if (!allowed)
        return ILLEGAL_VALUE;
    if (door_in_use())
        return BUSY;
    if (commit) {
        journal_write(next);
        reset_wanted = true;
    }
    return OK;
}

uint8_t update_command(uint16_t command, bool commit) {
    switch (command) {
    case COMMAND_ENTER:
    case COMMAND_ENTER_OLDER:
        return enter(command, commit);
    case COMMAND_BOOT:
        return reset_into(JOURNAL_INSTALL, state == UPDATE_READY, commit);
    case COMMAND_REVERT:
        return reset_into(JOURNAL_REVERT, on_trial, commit);
    case COMMAND_CONFIRM:
        if (commit && on_trial) {
            journal_write(JOURNAL_CONFIRMED);
            on_trial = false;
        }
        return OK;
    default:
        return ILLEGAL_VALUE;
    }
}

/* The reason stays readable until the next upload; the line is Modbus again. */
static void give_up(uint8_t why) {
    uart_out[0] = uart_out[1] = CAN;
    uart_send(2);
    state = why;
}

static void again(uint32_t now_ms) {
    have = 0;
    heard_ms = now_ms;
    if (++errors > ERRORS_MAX)
        give_up(UPDATE_BROKEN_OFF);
    else
        say = started ? NAK : 'C';
}

static void begin(uint32_t now_ms) {
    state = UPDATE_RECEIVING;
    have = errors = cancels = 0;
    expected = 1;
    started = false;
    heard_ms = now_ms;
    say = 'C';
}

static void end(void) {
    if (!staging_whole()) {
        give_up(UPDATE_BROKEN_OFF);
        return;
    }
    say = ACK;
    state = UPDATE_VERIFYING;
}

static void take_block(uint16_t size, uint32_t now_ms) {
    uint8_t number = block[1], verdict;

    if ((uint8_t)(number + block[2]) != 0xFF || crc_xmodem(block + 3, (uint16_t)(size + 2)) != 0) {
        again(now_ms);
        return;
    }
    have = 0;
    door_heartbeat(); /* the host cannot write its own now */
    if (number == expected) {
        started = true;
        verdict = staging_take(block + 3, size);
        if (verdict != UPDATE_RECEIVING) {
            give_up(verdict);
            return;
        }
        expected++;
        errors = 0;
    } else if (number != (uint8_t)(expected - 1)) {
        give_up(UPDATE_BROKEN_OFF);
        return;
    } /* else our ACK was lost: the same block once more */
    say = ACK;
}

void update_heard(uint8_t byte, uint32_t now_ms) {
    heard_ms = now_ms;
    if (have == 0) {
        cancels = byte == CAN ? (uint8_t)(cancels + 1) : 0;
        if (cancels == 2)
            give_up(UPDATE_BROKEN_OFF);
        else if (byte == EOT && started)
            end();
        if (byte != SOH && byte != STX)
            return;
    }
    block[have++] = byte;
    uint16_t size = block[0] == STX ? 1024 : 128;
    if (have == size + FRAME_EXTRA)
        take_block(size, now_ms);
}

static void reset_now(void) {
    cli();
    wdt_enable(WDTO_15MS);
    for (;;)
        ;
}

static void watch_trial(uint32_t now_ms) {
    int32_t left_ms = (int32_t)(trial_ends_ms - now_ms);

    trial_left = left_ms > 0 ? (uint16_t)(left_ms / 1000) : 0;
    trial_over = trial_over || left_ms <= 0;
    if (trial_over && (!door_released() || now_ms - trial_ends_ms > OVERDUE_MS)) {
        journal_write(JOURNAL_REVERT);
        reset_wanted = true;
    }
}

void update_tick(uint32_t now_ms) {
    if (uart_sending() || modbus_answering())
        return;
    if (say) {
        uart_out[0] = say;
        say = 0;
        uart_send(1);
        return;
    }
    if (entering) { /* the answer to the command is out */
        entering = false;
        begin(now_ms);
        return;
    }
    if (state == UPDATE_RECEIVING && now_ms - heard_ms > (started ? BLOCK_SILENCE_MS : ASK_EVERY_MS))
        again(now_ms);
    if (state == UPDATE_VERIFYING)
        state = staging_verify();
    if (on_trial)
        watch_trial(now_ms);
    if (reset_wanted)
        reset_now();
}

/* The boot loader: brings a staged image into place, takes it back when it fails, starts what is there.

   It speaks to nobody. While it hashes and copies, and when there is nothing to start, fire input and egress button still
   release the lock: leaving never depends on an update. */
#include <avr/interrupt.h>
#include <avr/pgmspace.h>
#include <avr/wdt.h>
#include <stdbool.h>
#include <string.h>
#include <util/delay.h>

#include "board.h"
#include "flash.h"
#include "image.h"
#include "journal.h"

/* Longer than the slowest single step here, the hash of one page. */
#define LOADER_TIMEOUT WDTO_2S
#define COPY_TRIES_MAX 3
/* After a power cut the capacitors of the inputs charge through the pull-ups: until then the button seems pressed. */
#define INPUTS_SETTLE_MS 20

static void serve_door(void) {
    wdt_reset();
    if (FIRE_NOW() || EGRESS_NOW()) {
        PORTB |= _BV(LOCK_PIN);
        DDRB |= _BV(LOCK_PIN);
    } else {
        PORTB &= (uint8_t)~_BV(LOCK_PIN);
    }
}

static bool page_differs(uint32_t a, uint32_t b) {
    for (uint16_t i = 0; i < PAGE_BYTES; i++)
        if (pgm_read_byte_far(a + i) != pgm_read_byte_far(b + i))
            return true;
    return false;
}

/* Can be broken off and done again at any point: the source is never touched. */
static void copy_slot(uint32_t from, uint32_t to) {
    uint8_t page[PAGE_BYTES];

    for (uint32_t at = 0; at < SLOT_BYTES; at += PAGE_BYTES) {
        for (uint8_t tries = 0; tries < COPY_TRIES_MAX && page_differs(from + at, to + at); tries++) {
            for (uint16_t i = 0; i < PAGE_BYTES; i++)
                page[i] = pgm_read_byte_far(from + at + i);
            flash_write_page(to + at, page);
        }
        serve_door();
    }
}

/* Whether the body in a slot is the one that the header describes; 6 s for the largest. */
static bool body_ok(uint32_t slot, const struct image_header *header) {
    struct sha256 sha;
    uint8_t digest[SHA256_BYTES];

    sha256_init(&sha);
    for (uint32_t at = 0; at < header->length; at += PAGE_BYTES) {
        uint32_t left = header->length - at;
        image_hash(&sha, slot + at, left < PAGE_BYTES ? left : PAGE_BYTES);
        serve_door();
    }
    sha256_end(&sha, digest);
    return memcmp(digest, header->digest, sizeof digest) == 0;
}

static bool slot_ok(uint32_t slot) {
    struct image_header header;

    return image_in_slot(slot, &header) && header.hardware == HARDWARE_ID && body_ok(slot, &header);
}

static void install(void) {
    if (slot_ok(STAGED_START)) {
        copy_slot(ACTIVE_START, BACKUP_START);
        journal_write(JOURNAL_COPY);
    } else {
        journal_write(JOURNAL_CONFIRMED);
    }
}

/* The steps that are due, each leaving its mark before the next. */
static void carry_on(void) {
    if (journal_read() == JOURNAL_TRIAL)
        journal_write(JOURNAL_REVERT); /* it was reset before anybody confirmed it */
    if (journal_read() == JOURNAL_INSTALL)
        install();
    if (journal_read() == JOURNAL_COPY) {
        copy_slot(STAGED_START, ACTIVE_START);
        journal_write(JOURNAL_FIRST);
    }
    if (journal_read() == JOURNAL_REVERT) {
        copy_slot(BACKUP_START, ACTIVE_START);
        journal_write(JOURNAL_CONFIRMED);
    }
    if (journal_read() == JOURNAL_FIRST)
        journal_write(JOURNAL_TRIAL);
}

/* Whether ACTIVE may be started. A programmer writes no header: then a reset vector has to do. */
static bool startable(void) {
    struct image_header header;

    if (image_in_slot(ACTIVE_START, &header))
        return body_ok(ACTIVE_START, &header);
    return pgm_read_word(0) != 0xFFFF;
}

int main(void) {
    uint8_t cause = MCUSR;

    cli();
    MCUSR = 0; /* with WDRF set the watchdog cannot be given its time */
    wdt_enable(LOADER_TIMEOUT);
    wdt_reset(); /* simavr 1.6 keeps the 16 ms of after a reset until then */
    PORTC |= INPUT_PINS;
    if (cause & (_BV(PORF) | _BV(BORF)))
        _delay_ms(INPUTS_SETTLE_MS);
    carry_on();
    /* After a power cut all is checked; after a warm reset the lock waits, and the flash is as it was. */
    if ((cause & _BV(PORF)) && !startable()) {
        if (slot_ok(BACKUP_START))
            copy_slot(BACKUP_START, ACTIVE_START);
        if (!startable())
            for (;;)
                serve_door(); /* a programmer has to help */
    }
    GPIOR0 = cause;
    __asm__ volatile("jmp 0");
    return 0;
}

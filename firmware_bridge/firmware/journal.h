/* How far an update is, in EEPROM: the one thing that boot loader and application tell each other.

   CONFIRMED --host: BOOT--> INSTALL --backup made--> COPY --copied--> FIRST --boot--> TRIAL --host: CONFIRM--> CONFIRMED
                                                                                 |
                                       CONFIRMED <--old one copied back-- REVERT <--- time is up, or any reset

   Two records are written in turn, each with its check: a power cut in a write leaves the state before it, and
   every step can be done again. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdint.h>

enum journal_state {
    JOURNAL_CONFIRMED = 0x11,
    JOURNAL_INSTALL = 0x22,
    JOURNAL_COPY = 0x33,
    JOURNAL_FIRST = 0x44,
    JOURNAL_TRIAL = 0x55,
    JOURNAL_REVERT = 0x66,
};

/* A board that was never updated is CONFIRMED. */
enum journal_state journal_read(void);
void journal_write(enum journal_state state);

#endif

/* What the board is: clock, pins, and how its flash, RAM and EEPROM are divided.

   flash   0x00000  ACTIVE   40 KB   runs                            } each: code from its start, the image's
           0x0A000  STAGED   40 KB   the upload                      } header in its last page
           0x14000  BACKUP   40 KB   what ran before                 }
           0x1E000  BOOT      8 KB   never written by itself         (fuses BOOTSZ = 00, BOOTRST = 0)
   RAM     0x0100   64 bytes that a reset keeps (kept.h), then data of whoever runs
   EEPROM  0x0000   journal of the update, 0x0010 settings */
#ifndef BOARD_H
#define BOARD_H

#include <avr/io.h>
#include <stdint.h>

#define HARDWARE_ID 0x0D01u

#define BAUD 38400UL

#define PAGE_BYTES 256u
#define SLOT_BYTES 0xA000UL
#define ACTIVE_START 0x00000UL
#define STAGED_START 0x0A000UL
#define BACKUP_START 0x14000UL
#define HEADER_AT (SLOT_BYTES - PAGE_BYTES)
/* Entry of the boot section that the application calls to write a page of STAGED. */
#define BOOT_API 0x1FFF0UL

#define KEPT_START 0x0100
#define JOURNAL_START 0x0000
#define SETTINGS_START 0x0010

/* Outputs on port B. High releases the lock; the gate holds its charge for 20 ms, longer than a reset takes. */
#define LOCK_PIN PB0
#define BEACON_PIN PB1
/* RS-485 driver enable on port D. */
#define DRIVER_PIN PD4

/* Inputs on port C, with pull-ups. Contact, fire and tamper are loops that are closed to ground when all is well:
   a cut wire reads as open door, fire, tamper. The button closes to ground. */
#define CONTACT_PIN PC0
#define EGRESS_PIN PC1
#define FIRE_PIN PC2
#define TAMPER_PIN PC3
#define INPUT_PINS (_BV(CONTACT_PIN) | _BV(EGRESS_PIN) | _BV(FIRE_PIN) | _BV(TAMPER_PIN))

#define FIRE_NOW() ((PINC & _BV(FIRE_PIN)) != 0)
#define EGRESS_NOW() ((PINC & _BV(EGRESS_PIN)) == 0)

#endif

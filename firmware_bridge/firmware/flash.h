/* Writing flash. The code lies in the boot section: only there may SPM stand. */
#ifndef FLASH_H
#define FLASH_H

#include <stdint.h>

/* Erase and write one page, aligned; interrupts are off for about 9 ms. */
void flash_write_page(uint32_t address, const uint8_t *data);

/* What the application calls, by BOOT_API: writes nowhere but in STAGED. */
typedef void (*flash_stage_page_t)(uint32_t offset, const uint8_t *data);

#endif

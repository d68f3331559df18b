#include "flash.h"

#include <avr/boot.h>
#include <avr/eeprom.h>
#include <avr/interrupt.h>

#include "board.h"

void flash_write_page(uint32_t address, const uint8_t *data) {
    uint8_t interrupts = SREG;

    eeprom_busy_wait(); /* SPM and EEPROM share the charge pump */
    cli();
    boot_page_erase(address);
    boot_spm_busy_wait();
    for (uint16_t at = 0; at < PAGE_BYTES; at += 2)
        boot_page_fill(address + at, (uint16_t)(data[at] | data[at + 1] << 8));
    boot_page_write(address);
    boot_spm_busy_wait();
    boot_rww_enable();
    SREG = interrupts;
}

__attribute__((used)) void flash_stage_page(uint32_t offset, const uint8_t *data) {
    if (offset < SLOT_BYTES && offset % PAGE_BYTES == 0)
        flash_write_page(STAGED_START + offset, data);
}

/* The linker puts this at BOOT_API, so that every application finds it whatever the loader's version. */
__attribute__((used, naked, section(".bootapi"))) void boot_api(void) {
    __asm__ volatile("jmp flash_stage_page");
}

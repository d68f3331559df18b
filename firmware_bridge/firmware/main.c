/* The door board: start, then one turn of everything a millisecond. Nothing here waits longer than a page write. */
#include <avr/interrupt.h>
#include <avr/sleep.h>
#include <avr/wdt.h>

#include "beacon.h"
#include "board.h"
#include "clock.h"
#include "door.h"
#include "inputs.h"
#include "kept.h"
#include "modbus.h"
#include "registers.h"
#include "settings.h"
#include "supply.h"
#include "uart.h"
#include "update.h"

/* Longer than EEPROM takes for all settings, 50 ms. */
#define WATCHDOG WDTO_500MS

static void start(void) {
    uint8_t cause = GPIOR0; /* the boot loader has read MCUSR */
    bool cold = (cause & (_BV(PORF) | _BV(BORF))) != 0 || !kept_whole();

    inputs_init();
    settings_load();
    if (cold)
        kept_clear();
    door_init(cold);
    kept_set(KEPT_RESETS, kept_get(KEPT_RESETS) + !cold);
    wdt_enable(WATCHDOG);
    registers_init(cause, (uint16_t)kept_get(KEPT_RESETS));
    beacon_init();
    supply_init();
    clock_init();
    uart_init();
    update_init();
    sei();
}

static void every_ms(void) {
    inputs_tick();
    door_tick();
    beacon_tick();
}

int main(void) {
    uint32_t done_ms = 0;

    start();
    for (;;) {
        uint32_t now_ms = clock_ms();
        int16_t byte;

        while ((byte = uart_get()) >= 0) {
            if (update_receiving())
                update_heard((uint8_t)byte, now_ms);
            else
                modbus_heard((uint8_t)byte, now_ms);
        }
        for (; done_ms != now_ms; done_ms++)
            every_ms();
        registers_tick(now_ms);
        modbus_tick(now_ms);
        update_tick(now_ms);
        wdt_reset();
        sleep_mode();
    }
}

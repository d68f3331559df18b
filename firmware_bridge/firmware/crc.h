/* The two CRCs of the line: Modbus (reflected 0x8005, low byte first) and XMODEM (0x1021, high byte first). */
#ifndef CRC_H
#define CRC_H

#include <stdint.h>
#include <util/crc16.h>

static inline uint16_t crc_modbus(const uint8_t *data, uint16_t count) {
    uint16_t crc = 0xFFFF;

    while (count--)
        crc = _crc16_update(crc, *data++);
    return crc;
}

static inline uint16_t crc_xmodem(const uint8_t *data, uint16_t count) {
    uint16_t crc = 0;

    while (count--)
        crc = _crc_xmodem_update(crc, *data++);
    return crc;
}

#endif

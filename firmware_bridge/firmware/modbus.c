/* A frame ends at its last byte, which its function tells; no silence is waited for. Silence only ends what will
   never be whole: T3.5 would be 1.75 ms, but what feeds the line (USB adapters, a simulator) stutters, and 12 ms holds.
   Bytes that cannot be a frame for us are skipped one by one, so that other slaves' answers harm nothing. */
#include "modbus.h"

#include <string.h>

#include "crc.h"
#include "protocol.h"
#include "registers.h"
#include "settings.h"
#include "uart.h"

#define SILENCE_MS 12
/* The master needs T3.5 to turn its driver round. */
#define ANSWER_AFTER_MS 2
#define WRITE_MAX 8
#define FRAME_MAX (9 + 2 * WRITE_MAX)
#define READ_BITS_MAX 64
#define READ_WORDS_MAX 120

static uint8_t frame[FRAME_MAX], have;
static uint32_t heard_ms, answer_ms;
static uint16_t answer_bytes; /* waiting to be sent */

static uint16_t word_at(uint8_t at) { return (uint16_t)(frame[at] << 8 | frame[at + 1]); }

/* How long the request at the start is; 0 when none begins there. */
static uint8_t length(void) {
    if (frame[0] != settings()->unit)
        return 0;
    if (frame[1] >= 1 && frame[1] <= 6)
        return 8;
    if (frame[1] != 16)
        return 0;
    if (have < 7)
        return 9;
    return word_at(4) >= 1 && word_at(4) <= WRITE_MAX && frame[6] == 2 * word_at(4) ? (uint8_t)(9 + frame[6]) : 0;
}

static void skip(void) { memmove(frame, frame + 1, --have); }

static uint8_t put_bits(bool coil, uint16_t address, uint16_t count) {
    if (count < 1 || count > READ_BITS_MAX)
        return ILLEGAL_VALUE;
    uart_out[2] = (uint8_t)((count + 7) / 8);
    memset(uart_out + 3, 0, uart_out[2]);
    for (uint16_t i = 0; i < count; i++) {
        bool bit;
        uint8_t refusal = registers_bit(coil, (uint16_t)(address + i), &bit);
        if (refusal)
            return refusal;
        if (bit)
            uart_out[3 + i / 8] |= (uint8_t)(1 << (i % 8));
    }
    return OK;
}

static uint8_t put_words(bool holding, uint16_t address, uint16_t count) {
    if (count < 1 || count > READ_WORDS_MAX)
        return ILLEGAL_VALUE;
    uart_out[2] = (uint8_t)(2 * count);
    for (uint16_t i = 0; i < count; i++) {
        uint16_t word;
        uint8_t refusal = registers_word(holding, (uint16_t)(address + i), &word);
        if (refusal)
            return refusal;
        uart_out[3 + 2 * i] = (uint8_t)(word >> 8);
        uart_out[4 + 2 * i] = (uint8_t)word;
    }
    return OK;
}

/* All or none. */
static uint8_t write_words(uint16_t address, uint16_t count, uint8_t at) {
    for (uint8_t pass = 0; pass < 2; pass++)
        for (uint16_t i = 0; i < count; i++) {
            uint8_t refusal = registers_write_word((uint16_t)(address + i), word_at((uint8_t)(at + 2 * i)), pass == 1);
            if (refusal)
                return refusal;
        }
    return OK;
}

static uint8_t carry_out(uint16_t *bytes) {
    uint16_t address = word_at(2), value = word_at(4);
    uint8_t refusal;

    switch (frame[1]) {
    case 1:
    case 2:
        refusal = put_bits(frame[1] == 1, address, value);
        *bytes = (uint16_t)(3 + uart_out[2]);
        return refusal;
    case 3:
    case 4:
        refusal = put_words(frame[1] == 3, address, value);
        *bytes = (uint16_t)(3 + uart_out[2]);
        return refusal;
    case 5:
        refusal = registers_write_coil(address, value);
        break;
    case 6:
        refusal = write_words(address, 1, 4);
        break;
    default:
        refusal = write_words(address, value, 7);
        break;
    }
    memcpy(uart_out + 2, frame + 2, 4);
    *bytes = 6;
    return refusal;
}

static void serve(uint32_t now_ms) {
    uint16_t bytes = 0, crc;
    uint8_t refusal;

    uart_out[0] = frame[0];
    uart_out[1] = frame[1];
    refusal = carry_out(&bytes);
    if (refusal) {
        uart_out[1] |= 0x80;
        uart_out[2] = refusal;
        bytes = 3;
    }
    crc = crc_modbus(uart_out, bytes);
    uart_out[bytes] = (uint8_t)crc;
    uart_out[bytes + 1] = (uint8_t)(crc >> 8);
    answer_bytes = (uint16_t)(bytes + 2);
    answer_ms = now_ms + ANSWER_AFTER_MS;
}

static void look(uint32_t now_ms) {
    while (have >= 2) {
        uint8_t bytes = length();
        if (bytes == 0) {
            skip();
        } else if (have < bytes) {
            return;
        } else if (crc_modbus(frame, bytes) != 0) {
            registers_count_bad_frame();
            skip();
        } else {
            have = 0;
            serve(now_ms);
        }
    }
}

void modbus_heard(uint8_t byte, uint32_t now_ms) {
    heard_ms = now_ms;
    if (modbus_answering() || uart_sending())
        return; /* half duplex: who talks into our answer is not heard */
    frame[have++] = byte; /* fits: a whole frame never stays */
    look(now_ms);
}

void modbus_tick(uint32_t now_ms) {
    if (answer_bytes && (int32_t)(now_ms - answer_ms) >= 0) {
        uart_send(answer_bytes);
        answer_bytes = 0;
    }
    if (have && now_ms - heard_ms > SILENCE_MS) {
        skip();
        look(now_ms);
    }
}

bool modbus_answering(void) { return answer_bytes != 0; }

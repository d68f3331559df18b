/* What stands at each Modbus address. Functions return OK or a Modbus exception code. */
#ifndef REGISTERS_H
#define REGISTERS_H

#include <stdbool.h>
#include <stdint.h>

void registers_init(uint8_t reset_cause, uint16_t resets);
void registers_tick(uint32_t now_ms);
void registers_count_bad_frame(void);

uint8_t registers_bit(bool coil, uint16_t address, bool *value);
uint8_t registers_word(bool holding, uint16_t address, uint16_t *value);
uint8_t registers_write_coil(uint16_t address, uint16_t value);
/* Without `commit` it only says whether it would be done. */
uint8_t registers_write_word(uint16_t address, uint16_t value, bool commit);

#endif

/* Modbus RTU slave: functions 1-6 and 16. Broadcasts are not obeyed: nobody acknowledges them. */
#ifndef MODBUS_H
#define MODBUS_H

#include <stdbool.h>
#include <stdint.h>

void modbus_heard(uint8_t byte, uint32_t now_ms);
void modbus_tick(uint32_t now_ms);
bool modbus_answering(void); /* an answer lies in uart_out and is not out yet */

#endif

/* The RS-485 line at 8N1: bytes in by a ring, one answer at a time out, with the driver enabled just for it. */
#ifndef UART_H
#define UART_H

#include <stdbool.h>
#include <stdint.h>

#define UART_OUT_MAX 256

void uart_init(void);
int16_t uart_get(void); /* the next byte that came, or -1 */
/* Where the next answer is put together; free while nothing is being sent. */
extern uint8_t uart_out[UART_OUT_MAX];
void uart_send(uint16_t count);
bool uart_sending(void);

#endif

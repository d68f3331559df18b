#include "uart.h"

#include <avr/interrupt.h>
#include <util/atomic.h>

#include "board.h"

/* More than comes at this baud in the longest time that the main loop is away, a page write of 9 ms. */
#define RING_BYTES 128

uint8_t uart_out[UART_OUT_MAX];
static volatile uint16_t out_at, out_count;
static volatile bool sending;
static volatile uint8_t ring[RING_BYTES], ring_in, ring_out;

ISR(USART0_RX_vect) {
    uint8_t byte = UDR0, next = (uint8_t)(ring_in + 1) % RING_BYTES;

    if (next != ring_out) { /* a full ring drops; the frame's check tells */
        ring[ring_in] = byte;
        ring_in = next;
    }
}

ISR(USART0_UDRE_vect) {
    UDR0 = uart_out[out_at++];
    if (out_at == out_count)
        UCSR0B = (uint8_t)((UCSR0B & ~_BV(UDRIE0)) | _BV(TXCIE0));
}

ISR(USART0_TX_vect) {
    UCSR0B &= (uint8_t)~_BV(TXCIE0);
    PORTD &= (uint8_t)~_BV(DRIVER_PIN);
    sending = false;
}

void uart_init(void) {
    DDRD |= _BV(DRIVER_PIN);
    UBRR0 = (uint16_t)(F_CPU / 16 / BAUD - 1);
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXCIE0) | _BV(RXEN0) | _BV(TXEN0);
}

int16_t uart_get(void) {
    uint8_t byte;

    if (ring_in == ring_out)
        return -1;
    byte = ring[ring_out];
    ring_out = (uint8_t)(ring_out + 1) % RING_BYTES;
    return byte;
}

void uart_send(uint16_t count) {
    PORTD |= _BV(DRIVER_PIN);
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        sending = true;
        out_at = 0;
        out_count = count;
        UCSR0A |= _BV(TXC0); /* an old end of transmission is not this one's */
        UCSR0B |= _BV(UDRIE0);
    }
}

bool uart_sending(void) { return sending; }

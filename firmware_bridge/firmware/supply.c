#include "supply.h"

#include <avr/io.h>

#define REFERENCE_MV 1100ul

static uint16_t last_mv;

void supply_init(void) {
    ADMUX = _BV(REFS0) | _BV(MUX4) | _BV(MUX3) | _BV(MUX2) | _BV(MUX1); /* the reference, against AVCC */
    ADCSRA = _BV(ADEN) | _BV(ADPS2) | _BV(ADPS1);
}

void supply_measure(void) {
    uint16_t raw;

    ADCSRA |= _BV(ADSC);
    while (ADCSRA & _BV(ADSC))
        ;
    raw = ADC;
    if (raw != 0)
        last_mv = (uint16_t)(REFERENCE_MV * 1024 / raw);
}

uint16_t supply_mv(void) { return last_mv; }

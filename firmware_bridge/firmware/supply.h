/* The supply, measured against the internal reference of 1.1 V. */
#ifndef SUPPLY_H
#define SUPPLY_H

#include <stdint.h>

void supply_init(void);
void supply_measure(void); /* takes 0.2 ms */
uint16_t supply_mv(void);  /* 0 before the first measurement */

#endif

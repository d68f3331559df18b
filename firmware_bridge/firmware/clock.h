/* The 1 ms tick. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stdint.h>

void clock_init(void);
uint32_t clock_ms(void); /* since the start; wraps after 49 days */

#endif

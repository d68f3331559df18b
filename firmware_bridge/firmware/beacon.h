/* The light that tells a technician which board this is. */
#ifndef BEACON_H
#define BEACON_H

#include <stdbool.h>
#include <stdint.h>

void beacon_init(void);
void beacon_tick(void); /* once a millisecond */
void beacon_blink(uint32_t for_ms);
bool beacon_on(void);

#endif

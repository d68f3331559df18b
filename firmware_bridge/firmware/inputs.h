/* The four inputs, debounced: a level counts once it has stood for INPUT_STABLE_MS. */
#ifndef INPUTS_H
#define INPUTS_H

#include <stdbool.h>
#include <stdint.h>

enum { INPUT_CONTACT, INPUT_EGRESS, INPUT_FIRE, INPUT_TAMPER, INPUT_COUNT };
#define INPUT_STABLE_MS 20

/* Takes the first levels as they are: a reset while the alarm rings must not close the door for a moment. */
void inputs_init(void);
void inputs_tick(void); /* once a millisecond; whether something changed tells inputs_changed */
bool inputs_active(uint8_t input);
bool inputs_changed(void); /* since it was last asked */

#endif

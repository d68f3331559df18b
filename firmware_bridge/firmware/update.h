/* A new image: received by XMODEM-1k into STAGED while the door is served, checked, and handed to the boot loader;
   then, as the new image, the time within which the host has to confirm it. */
#ifndef UPDATE_H
#define UPDATE_H

#include <stdbool.h>
#include <stdint.h>

void update_init(void);
void update_tick(uint32_t now_ms);

/* A command of protocol.h; OK or a Modbus exception code. Without `commit` it only says whether it would be done. */
uint8_t update_command(uint16_t command, bool commit);

/* While it is true the line speaks XMODEM and every byte comes here. */
bool update_receiving(void);
void update_heard(uint8_t byte, uint32_t now_ms);

uint8_t update_state(void);
bool update_on_trial(void);
uint16_t update_trial_left_s(void);

#endif

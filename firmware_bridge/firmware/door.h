/* The lock: who may release it, and for how long.

   released = the host's release (with its timer) or the egress button (for egress_hold) or the fire input (as long
   as it is active). When the host's heartbeat stops, the board itself gives the command of the declared safe state,
   once: secure, or release until told otherwise. A host that comes back moves nothing. */
#ifndef DOOR_H
#define DOOR_H

#include <stdbool.h>
#include <stdint.h>

#define RELEASE_FOREVER UINT32_MAX

/* `cold`: after a power cut. After a warm reset the lock goes on as it was. */
void door_init(bool cold);
void door_tick(void); /* once a millisecond, after inputs_tick */

void door_release(uint32_t for_ms); /* RELEASE_FOREVER, or a time; 0 ends it */
void door_heartbeat(void);

bool door_released(void);
bool door_host_lost(void);
bool door_in_use(void); /* released, open, or something happened in the last 10 s */
uint16_t door_host_losses(void);

#endif

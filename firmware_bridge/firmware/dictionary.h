/* The board's own data dictionary, in input registers: what a host needs to know to use the board without a profile.

   0x1000 magic "YD" | version | entries | words of an entry (16)
   0x1010 entries, 32 bytes each, the first byte the high one of its register:
     0 name (16, zero-padded) | 16 unit (6) | 22 space | 23 type | 24 address u16 | 26 power of ten i8 | 27 access
     28 least u16 | 30 most u16 (raw values that can be written; 0 and 0: any) */
#ifndef DICTIONARY_H
#define DICTIONARY_H

#include <stdbool.h>
#include <stdint.h>

bool dictionary_word(uint16_t address, uint16_t *value);

#endif

#include "kept.h"

#include "board.h"

struct word {
    uint32_t value;
    uint32_t complement;
};

#define WORDS ((volatile struct word *)KEPT_START)

bool kept_whole(void) {
    for (uint8_t i = 0; i < KEPT_WORDS; i++)
        if (WORDS[i].complement != ~WORDS[i].value)
            return false;
    return true;
}

uint32_t kept_get(uint8_t which) { return WORDS[which].value; }

void kept_set(uint8_t which, uint32_t value) {
    WORDS[which].value = value;
    WORDS[which].complement = ~value;
}

void kept_clear(void) {
    for (uint8_t i = 0; i < KEPT_WORDS; i++)
        kept_set(i, 0);
}

#include "journal.h"

#include <avr/eeprom.h>
#include <stdbool.h>

#include "board.h"

struct record {
    uint8_t turn;
    uint8_t state;
    uint8_t check;
};

static uint8_t check_of(const struct record *record) { return (uint8_t)~(record->turn + 3 * record->state); }

static uint8_t *place(uint8_t which) { return (uint8_t *)(uintptr_t)(JOURNAL_START + which * sizeof(struct record)); }

static bool load(uint8_t which, struct record *record) {
    eeprom_read_block(record, place(which), sizeof *record);
    return record->check == check_of(record) && record->state % 0x11 == 0 &&
           record->state >= JOURNAL_CONFIRMED && record->state <= JOURNAL_REVERT;
}

/* The newer of the two, and where it is; a blank one in place 1 when there is none. */
static uint8_t newest(struct record *record) {
    struct record other;
    bool first = load(0, record), second = load(1, &other);

    if (first && !(second && (int8_t)(other.turn - record->turn) > 0))
        return 0;
    if (second)
        *record = other;
    else
        *record = (struct record){.turn = 0, .state = JOURNAL_CONFIRMED};
    return 1;
}

enum journal_state journal_read(void) {
    struct record record;

    newest(&record);
    return (enum journal_state)record.state;
}

void journal_write(enum journal_state state) {
    struct record record;
    uint8_t into = !newest(&record);

    if (record.state == state)
        return;
    record.turn++;
    record.state = (uint8_t)state;
    record.check = check_of(&record);
    eeprom_update_block(&record, place(into), sizeof record);
    eeprom_busy_wait();
}

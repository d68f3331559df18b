/* A Modbus RTU slave by libmodbus, for tests/contract/bridge: libmodbus_slave PATH UNIT
 *
 * Eight coils, eight discrete inputs, eight input registers, and the relay timer of Waveshare boards (FC05 to
 * 0x0200 + coil, value in tenths of a second), which libmodbus frames and sums but does not know.
 * Commands come on stdin, one a line, each answered by one line: "di N V", "ir N V", "coil N", "mute V",
 * "refuse V".
 */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#define COUNT 8
#define FLASH_ON 0x0200

static double off_at[COUNT];

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void expire(modbus_mapping_t *map) {
    for (int i = 0; i < COUNT; i++)
        if (off_at[i] > 0 && now_s() >= off_at[i]) {
            map->tab_bits[i] = 0;
            off_at[i] = 0;
        }
}

static int command(modbus_mapping_t *map, int *mute, int *refuse) {
    char word[16];
    char line[64];
    int index = 0, value = 0;
    if (!fgets(line, sizeof line, stdin)) return 0;
    sscanf(line, "%15s %d %d", word, &index, &value);
    if (!strcmp(word, "mute")) *mute = index;
    else if (!strcmp(word, "refuse")) *refuse = index;
    else if (index < 0 || index >= COUNT) index = 0;
    else if (!strcmp(word, "di")) map->tab_input_bits[index] = value;
    else if (!strcmp(word, "ir")) map->tab_input_registers[index] = value;
    if (!strcmp(word, "coil")) printf("%d\n", map->tab_bits[index]);
    else printf("ok\n");
    fflush(stdout);
    return 1;
}

/* The vendor's own use of FC05; 1 when it was one. */
static int flash(modbus_t *ctx, modbus_mapping_t *map, const uint8_t *query) {
    int address = query[2] << 8 | query[3], value = query[4] << 8 | query[5];
    if (query[1] != MODBUS_FC_WRITE_SINGLE_COIL || address < FLASH_ON || address >= FLASH_ON + COUNT) return 0;
    map->tab_bits[address - FLASH_ON] = 1;
    off_at[address - FLASH_ON] = now_s() + value / 10.0;
    uint8_t echo[6];
    memcpy(echo, query, sizeof echo);
    modbus_send_raw_request(ctx, echo, sizeof echo);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    int unit = atoi(argv[2]), mute = 0, refuse = 0;
    modbus_t *ctx = modbus_new_rtu(argv[1], 9600, 'N', 8, 1);
    modbus_mapping_t *map = modbus_mapping_new(COUNT, COUNT, COUNT, COUNT);
    if (!ctx || !map || modbus_set_slave(ctx, unit) || modbus_connect(ctx)) {
        fprintf(stderr, "libmodbus_slave: %s\n", modbus_strerror(errno));
        return 1;
    }
    setvbuf(stdin, NULL, _IONBF, 0);
    printf("ready\n");
    fflush(stdout);
    int line = modbus_get_socket(ctx);
    for (;;) {
        fd_set readable;
        FD_ZERO(&readable);
        FD_SET(line, &readable);
        FD_SET(STDIN_FILENO, &readable);
        struct timeval wait = {0, 20000};
        if (select(line + 1, &readable, NULL, NULL, &wait) < 0) return 1;
        expire(map);
        if (FD_ISSET(STDIN_FILENO, &readable) && !command(map, &mute, &refuse)) break;
        if (!FD_ISSET(line, &readable)) continue;
        uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
        int length = modbus_receive(ctx, query);
        if (length <= 0) {
            if (length < 0) modbus_flush(ctx);
            continue;
        }
        if (mute || query[0] != unit) continue;
        if (refuse) modbus_reply_exception(ctx, query, MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE);
        else if (!flash(ctx, map, query)) modbus_reply(ctx, query, length, map);
    }
    modbus_close(ctx);
    modbus_free(ctx);
    modbus_mapping_free(map);
    return 0;
}

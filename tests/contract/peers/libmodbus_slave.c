/* A Modbus slave by libmodbus, for tests/contract/bridge: libmodbus_slave PATH UNIT, or libmodbus_slave tcp:PORT UNIT
 *
 * Eight coils, discrete inputs, input and holding registers, and the relay timer of Waveshare boards (FC05 to
 * 0x0200 + coil, value in tenths of a second), which libmodbus frames and sums but does not know.
 * Commands come on stdin, one a line, each answered by one line: "di N V", "ir N V", "hr N V", "hr N", "coil N";
 * and its faults: "mute V" hears and says nothing, "refuse V" answers "device failure", "late MS" answers so late,
 * "decoy V" (TCP) first sends a refusal with another transaction, "stuck V" takes writes and keeps what it had.
 */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COUNT 8
#define FLASH_ON 0x0200

static double off_at[COUNT];
static int mute, refuse, late_ms, decoy, stuck;

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

static int command(modbus_mapping_t *map) {
    char word[16] = "";
    char line[64];
    int index = 0, value = 0;
    if (!fgets(line, sizeof line, stdin)) return 0;
    int words = sscanf(line, "%15s %d %d", word, &index, &value);
    int asked = words < 3 && (!strcmp(word, "coil") || !strcmp(word, "hr"));
    if (!strcmp(word, "mute")) mute = index;
    else if (!strcmp(word, "refuse")) refuse = index;
    else if (!strcmp(word, "late")) late_ms = index;
    else if (!strcmp(word, "decoy")) decoy = index;
    else if (!strcmp(word, "stuck")) stuck = index;
    else if (index < 0 || index >= COUNT) index = 0;
    else if (!strcmp(word, "di")) map->tab_input_bits[index] = value;
    else if (!strcmp(word, "ir")) map->tab_input_registers[index] = value;
    else if (!strcmp(word, "hr") && !asked) map->tab_registers[index] = value;
    if (asked) printf("%d\n", !strcmp(word, "hr") ? map->tab_registers[index] : map->tab_bits[index]);
    else printf("ok\n");
    fflush(stdout);
    return 1;
}

/* The vendor's own use of FC05; 1 when it was one. */
static int flash(modbus_t *ctx, modbus_mapping_t *map, const uint8_t *query, int header) {
    const uint8_t *pdu = query + header;
    int address = pdu[1] << 8 | pdu[2], value = pdu[3] << 8 | pdu[4];
    if (pdu[0] != MODBUS_FC_WRITE_SINGLE_COIL || address < FLASH_ON || address >= FLASH_ON + COUNT) return 0;
    map->tab_bits[address - FLASH_ON] = 1;
    off_at[address - FLASH_ON] = now_s() + value / 10.0;
    if (header > 1) { /* over TCP libmodbus would number a raw request by itself */
        send(modbus_get_socket(ctx), query, header + 5, 0);
        return 1;
    }
    uint8_t echo[6];
    memcpy(echo, query, sizeof echo);
    modbus_send_raw_request(ctx, echo, sizeof echo);
    return 1;
}

static void answer(modbus_t *ctx, modbus_mapping_t *map, const uint8_t *query, int length) {
    int header = modbus_get_header_length(ctx);
    modbus_mapping_t *kept = NULL;
    if (late_ms) usleep(late_ms * 1000);
    if (decoy && header > 1) {
        uint8_t other[9] = {query[0] ^ 0x55, query[1], 0, 0, 0, 3, query[6], query[7] | 0x80, 4};
        send(modbus_get_socket(ctx), other, sizeof other, 0);
    }
    if (refuse) {
        modbus_reply_exception(ctx, query, MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE);
        return;
    }
    if (flash(ctx, map, query, header)) return;
    if (stuck && query[header] > MODBUS_FC_READ_INPUT_REGISTERS) kept = map, map = modbus_mapping_new(COUNT, COUNT, COUNT, COUNT);
    modbus_reply(ctx, query, length, map);
    if (kept) modbus_mapping_free(map);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    int unit = atoi(argv[2]), tcp = !strncmp(argv[1], "tcp:", 4), listening = -1;
    modbus_t *ctx = tcp ? modbus_new_tcp("127.0.0.1", atoi(argv[1] + 4)) : modbus_new_rtu(argv[1], 9600, 'N', 8, 1);
    modbus_mapping_t *map = modbus_mapping_new(COUNT, COUNT, COUNT, COUNT);
    if (!ctx || !map || modbus_set_slave(ctx, unit) || (!tcp && modbus_connect(ctx)) ||
        (tcp && (listening = modbus_tcp_listen(ctx, 1)) < 0)) {
        fprintf(stderr, "libmodbus_slave: %s\n", modbus_strerror(errno));
        return 1;
    }
    setvbuf(stdin, NULL, _IONBF, 0);
    printf("ready\n");
    fflush(stdout);
    int line = tcp ? -1 : modbus_get_socket(ctx);
    for (;;) {
        fd_set readable;
        FD_ZERO(&readable);
        FD_SET(STDIN_FILENO, &readable);
        int wanted = line >= 0 ? line : listening, most = wanted > STDIN_FILENO ? wanted : STDIN_FILENO;
        FD_SET(wanted, &readable);
        struct timeval wait = {0, 20000};
        if (select(most + 1, &readable, NULL, NULL, &wait) < 0) return 1;
        expire(map);
        if (FD_ISSET(STDIN_FILENO, &readable) && !command(map)) break;
        if (!FD_ISSET(wanted, &readable)) continue;
        if (line < 0) {
            line = modbus_tcp_accept(ctx, &listening);
            continue;
        }
        uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
        int length = modbus_receive(ctx, query);
        if (length < 0 && tcp) {
            modbus_close(ctx); /* the client went away */
            line = -1;
            continue;
        }
        if (length <= 0) {
            if (length < 0) modbus_flush(ctx);
            continue;
        }
        int to = query[modbus_get_header_length(ctx) - 1], everybody = !tcp && to == MODBUS_BROADCAST_ADDRESS;
        if (!mute && (to == unit || everybody)) answer(ctx, map, query, length);
    }
    if (listening >= 0) close(listening);
    modbus_close(ctx);
    modbus_free(ctx);
    modbus_mapping_free(map);
    return 0;
}

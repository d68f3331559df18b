/* An ATmega1284P under libsimavr: our door board's ELFs, its UART on a pty, its flash and EEPROM in files.

   simavr_board LINK FLASH EEPROM BOOT_ELF APP_ELF

   LINK becomes a symlink to the pty. FLASH and EEPROM are memory of the simulated chip, mapped: what was written
   when this process dies is there when it starts again. A FLASH that does not exist is made from the two ELFs.
   "ready" is printed, then every line of stdin gets a line:

     set contact|egress|fire|tamper 0|1   what a person or the panel does (1: open, pressed, burning, opened)
     get                                  lock=0 beacon=0
     wait lock|beacon 0|1 MS              runs until it is so: "lock=1 after 12", or "lock=0 still"
     changes                              how often the lock's relay moved so far
     pulse INPUT MS                       set, let so long pass, and unset: no slower than that
     hear HEX MS [HEX MS]...              bytes on the line, with so much board time after each piece
     skip MS                              that much board time as fast as the machine can
     speed N                              from now on N times as fast as real time, bytes too
     reset | power-cycle | hang           the reset pin; power off and on; the CPU runs away with interrupts off
     cut ADDRESS                          the power goes the moment that flash byte changes: exit status 9

   Board time follows real time unless told otherwise. A byte takes eleven bits at 38400 baud. The lock's relay picks up
   at once and falls 20 ms after its gate went low, as board.h says of the circuit. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <avr_eeprom.h>
#include <avr_ioport.h>
#include <avr_uart.h>
#include <sim_avr.h>
#include <sim_time.h>

#define FREQUENCY 7372800u
#define CYCLES_PER_MS (FREQUENCY / 1000)
/* simavr 1.6 gives every byte a parity bit's time, and loses what comes faster. */
#define CYCLES_PER_BYTE (FREQUENCY * 11 / 38400)
#define BOOT_START 0x1E000u
#define RUNAWAY_AT 0x9EFEu /* the last word of the slot ACTIVE before its header; no code is that long */
#define MCUSR_AT 0x54
#define PINC_AT 0x26
#define PORF 1
#define EXTRF 2
#define RELAY_HOLDS_MS 20
#define BEHIND_MS_MAX 100
#define CUT_STATUS 9

enum { CONTACT, EGRESS, FIRE, TAMPER, INPUTS };
static const char *const input_names[INPUTS] = {"contact", "egress", "fire", "tamper"};

static avr_t *avr;
static void (*core_reset)(avr_t *);
static bool inputs[INPUTS];
static int line;
static uint8_t waiting[4096];
static size_t waiting_at, waiting_end;
static bool feeding;
static bool gate, relay, beacon;
static uint64_t gate_fell;
static unsigned relay_changes;
static uint8_t *cut_at, cut_was;
static uint16_t runaway_was;
static bool runaway;

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* ---- memory in files ---- */

static uint8_t *mapped(const char *path, size_t bytes, bool *fresh) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat known;
    if (fd < 0 || fstat(fd, &known) < 0 || ftruncate(fd, (off_t)bytes) < 0)
        die(path);
    uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        die(path);
    close(fd);
    *fresh = known.st_size == 0;
    if (*fresh)
        memset(memory, 0xFF, bytes);
    return memory;
}

static void load_elf(const char *path) {
    static uint8_t file[1 << 20];
    FILE *in = fopen(path, "rb");
    if (!in)
        die(path);
    size_t bytes = fread(file, 1, sizeof file, in);
    fclose(in);
    const Elf32_Ehdr *head = (const void *)file;
    if (bytes < sizeof *head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_machine != EM_AVR) {
        fprintf(stderr, "%s is no ELF of an AVR\n", path);
        exit(1);
    }
    const Elf32_Phdr *part = (const void *)(file + head->e_phoff);
    for (int i = 0; i < head->e_phnum; i++)
        if (part[i].p_type == PT_LOAD && part[i].p_filesz > 0 && part[i].p_paddr + part[i].p_filesz <= avr->flashend + 1)
            memcpy(avr->flash + part[i].p_paddr, file + part[i].p_offset, part[i].p_filesz);
}

static void map_memories(const char *flash, const char *eeprom, const char *boot_elf, const char *app_elf) {
    bool fresh, blank;
    uint8_t *memory = mapped(flash, avr->flashend + 4, &fresh);
    memcpy(memory + avr->flashend + 1, avr->flash + avr->flashend + 1, 2); /* simavr's mark of the end */
    free(avr->flash);
    avr->flash = memory;
    if (fresh) {
        load_elf(boot_elf);
        load_elf(app_elf);
    }
    for (avr_io_t *io = avr->io_port; io; io = io->next)
        if (strcmp(io->kind, "eeprom") == 0) {
            avr_eeprom_t *module = (avr_eeprom_t *)io;
            free(module->eeprom);
            module->eeprom = mapped(eeprom, module->size, &blank);
        }
}

/* ---- pins ---- */

static uint8_t input_levels(void) {
    return (uint8_t)(inputs[CONTACT] | !inputs[EGRESS] << 1 | inputs[FIRE] << 2 | inputs[TAMPER] << 3);
}

static void drive_inputs(void) {
    avr_ioport_external_t external = {.name = 'C', .mask = 0x0F, .value = input_levels()};
    avr_ioctl(avr, AVR_IOCTL_IOPORT_SET_EXTERNAL('C'), &external);
    avr->data[PINC_AT] = (uint8_t)((avr->data[PINC_AT] & 0xF0) | input_levels());
}

static void look_at_outputs(void) {
    avr_ioport_state_t port;
    avr_ioctl(avr, AVR_IOCTL_IOPORT_GETSTATE('B'), &port);
    bool high = port.ddr & port.port & 1;
    beacon = port.ddr & port.port & 2;
    if (gate && !high)
        gate_fell = avr->cycle;
    gate = high;
    bool drawn = gate || (relay && avr->cycle - gate_fell < RELAY_HOLDS_MS * (uint64_t)CYCLES_PER_MS);
    if (drawn != relay) {
        relay = drawn;
        relay_changes++;
    }
}

static void port_written(struct avr_irq_t *irq, uint32_t value, void *param) {
    (void)irq, (void)value, (void)param;
    look_at_outputs();
}

/* ---- the line ---- */

static avr_cycle_count_t feed(avr_t *chip, avr_cycle_count_t when, void *param) {
    (void)param;
    if (waiting_at == waiting_end) {
        feeding = false;
        return 0;
    }
    avr_raise_irq(avr_io_getirq(chip, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT), waiting[waiting_at++]);
    return when + CYCLES_PER_BYTE;
}

static void start_feeding(void) {
    if (!feeding && waiting_at < waiting_end) {
        feeding = true;
        avr_cycle_timer_register(avr, CYCLES_PER_BYTE, feed, NULL);
    }
}

static void hear_line(void) {
    if (waiting_at == waiting_end)
        waiting_at = waiting_end = 0;
    ssize_t got = read(line, waiting + waiting_end, sizeof waiting - waiting_end);
    if (got > 0)
        waiting_end += (size_t)got;
    start_feeding();
}

static void board_says(struct avr_irq_t *irq, uint32_t value, void *param) {
    (void)irq, (void)param;
    uint8_t byte = (uint8_t)value;
    if (write(line, &byte, 1) < 0 && errno != EAGAIN)
        die("pty");
}

static void open_line(const char *link) {
    int slave; /* stays open: whoever opens the pty later finds it as it is */
    char path[256];
    struct termios raw;
    if (openpty(&line, &slave, path, NULL, NULL) < 0 || tcgetattr(slave, &raw) < 0)
        die("pty");
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    fcntl(line, F_SETFL, O_NONBLOCK);
    unlink(link);
    if (symlink(path, link) < 0)
        die(link);
}

/* ---- resets ---- */

/* simavr calls this in every reset, its registers already zero and its timers gone. */
static void was_reset(avr_t *chip) {
    core_reset(chip);
    avr->data[PINC_AT] = input_levels();
    if (runaway) {
        memcpy(avr->flash + RUNAWAY_AT, &runaway_was, 2);
        runaway = false;
    }
    feeding = false;
    waiting_at = waiting_end = 0; /* who speaks to a board in reset is not heard */
    look_at_outputs();
}

static void watch(void) {
    for (int pin = 0; pin < 2; pin++)
        avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('B'), pin), port_written, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), board_says, NULL);
    uint32_t flags = 0;
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
}

static void reset(uint8_t cause) {
    if (cause == PORF)
        for (uint32_t at = avr->ioend + 1u; at <= avr->ramend; at++)
            avr->data[at] = (uint8_t)rand(); /* RAM comes up as it likes */
    avr_reset(avr);
    avr->data[MCUSR_AT] |= cause;
    drive_inputs();
}

static void hang(void) {
    const uint16_t self = 0xCFFF; /* rjmp to itself */
    memcpy(&runaway_was, avr->flash + RUNAWAY_AT, 2);
    memcpy(avr->flash + RUNAWAY_AT, &self, 2);
    runaway = true;
    avr->sreg[S_I] = 0;
    avr->state = cpu_Running;
    avr->pc = RUNAWAY_AT;
}

/* ---- time ---- */

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t base_ns, base_cycle;
static unsigned speed = 1;

static void no_sleep(avr_t *chip, avr_cycle_count_t cycles) { (void)chip, (void)cycles; }

static void run_ms(void) {
    uint64_t end = avr->cycle + CYCLES_PER_MS;
    while (avr->cycle < end) {
        int state = avr_run(avr);
        if (state == cpu_Done || state == cpu_Crashed) {
            fprintf(stderr, "the board crashed at 0x%x\n", avr->pc);
            exit(1);
        }
        if (cut_at && *cut_at != cut_was)
            _exit(CUT_STATUS);
    }
    look_at_outputs();
}

static void rebase(void) {
    base_ns = now_ns();
    base_cycle = avr->cycle;
}

/* How far the board is ahead of real time, in nanoseconds. A board that is far behind gives up catching up. */
static int64_t ahead_ns(void) {
    int64_t ahead = (int64_t)((avr->cycle - base_cycle) * 1000000000u / FREQUENCY / speed) - (int64_t)(now_ns() - base_ns);
    if (ahead < -BEHIND_MS_MAX * 1000000ll)
        rebase();
    return ahead;
}

/* One millisecond of the board; whether stdin has something. */
static bool live_ms(void) {
    run_ms();
    for (;;) {
        int64_t ahead = ahead_ns();
        struct timespec left = {0, ahead > 0 ? (long)ahead : 0};
        struct pollfd ends[] = {{0, POLLIN, 0}, {line, waiting_end < sizeof waiting ? POLLIN : 0, 0}};
        ppoll(ends, 2, &left, NULL);
        if (ends[1].revents & POLLIN)
            hear_line();
        if (ends[0].revents)
            return true;
        if (ahead <= 0)
            return false;
    }
}

/* ---- orders ---- */

static void wait_for(const char *what, bool wanted, unsigned ms) {
    const bool *pin = strcmp(what, "lock") == 0 ? &relay : &beacon;
    unsigned after = 0;
    for (; *pin != wanted && after < ms; after++)
        live_ms();
    if (*pin == wanted)
        printf("%s=%d after %u\n", what, *pin, after);
    else
        printf("%s=%d still\n", what, *pin);
}

static void skip(unsigned ms) {
    while (ms--)
        run_ms();
    rebase();
}

static void set_input(const char *what, bool active) {
    for (int i = 0; i < INPUTS; i++)
        if (strcmp(what, input_names[i]) == 0)
            inputs[i] = active;
    drive_inputs();
}

static void hear(char *pieces) {
    char *at = NULL, *piece = strtok_r(pieces, " \n", &at), *ms;
    for (; piece && (ms = strtok_r(NULL, " \n", &at)); piece = strtok_r(NULL, " \n", &at)) {
        unsigned byte;
        for (; sscanf(piece, "%2x", &byte) == 1 && waiting_end < sizeof waiting; piece += 2)
            waiting[waiting_end++] = (uint8_t)byte;
        start_feeding();
        skip((unsigned)atoi(ms));
    }
}

static void obey(char *order) {
    char what[16] = "";
    unsigned value = 0, ms = 0;
    if (sscanf(order, "set %15s %u", what, &value) == 2) {
        set_input(what, value != 0);
        puts("set");
    } else if (sscanf(order, "pulse %15s %u", what, &ms) == 2) {
        set_input(what, true);
        skip(ms);
        set_input(what, false);
        puts("pulse");
    } else if (strncmp(order, "hear ", 5) == 0) {
        hear(order + 5);
        puts("heard");
    } else if (sscanf(order, "wait %15s %u %u", what, &value, &ms) == 3) {
        wait_for(what, value != 0, ms);
    } else if (sscanf(order, "skip %u", &ms) == 1) {
        skip(ms);
        puts("skipped");
    } else if (sscanf(order, "cut %x", &value) == 1 && value <= avr->flashend) {
        cut_at = avr->flash + value;
        cut_was = *cut_at;
        puts("armed");
    } else if (sscanf(order, "speed %u", &value) == 1 && value > 0) {
        speed = value;
        rebase();
        puts("speed");
    } else if (strcmp(order, "get\n") == 0) {
        printf("lock=%d beacon=%d\n", relay, beacon);
    } else if (strcmp(order, "changes\n") == 0) {
        printf("%u\n", relay_changes);
    } else if (strcmp(order, "reset\n") == 0) {
        reset(EXTRF);
        puts("reset");
    } else if (strcmp(order, "power-cycle\n") == 0) {
        reset(PORF);
        puts("power-cycle");
    } else if (strcmp(order, "hang\n") == 0) {
        hang();
        puts("hang");
    } else {
        printf("what is %s", order);
    }
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: simavr_board LINK FLASH EEPROM BOOT_ELF APP_ELF\n");
        return 2;
    }
    avr = avr_make_mcu_by_name("atmega1284p");
    core_reset = avr->reset;
    avr_init(avr);
    avr->frequency = FREQUENCY;
    avr->vcc = avr->avcc = avr->aref = 5000;
    avr->log = LOG_ERROR;
    avr->sleep = no_sleep;
    avr->reset = was_reset;
    avr->reset_pc = BOOT_START;
    map_memories(argv[2], argv[3], argv[4], argv[5]);
    open_line(argv[1]);
    watch();
    reset(PORF);
    setvbuf(stdin, NULL, _IONBF, 0); /* what is waiting must show in poll */
    rebase();
    puts("ready");
    fflush(stdout);
    char order[200];
    for (;;) {
        if (!live_ms())
            continue;
        if (!fgets(order, sizeof order, stdin))
            break;
        obey(order);
    }
    unlink(argv[1]);
    return 0;
}

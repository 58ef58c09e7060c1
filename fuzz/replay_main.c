/* fuzz/replay_main.c — turns a fuzz target into an ordinary test: every file of its corpus as it is, then some
 * thousands of seeded mutations of them. The same bytes on every machine and in every run, so a failure can be
 * replayed:
 *
 *     replay_gguf fuzz/corpus/gguf                 what the test runs
 *     replay_gguf fuzz/corpus/gguf/v3.gguf 1234    only mutation 1234 of that file (0: the file as it is)
 *
 * A crash or an input that takes more than ten seconds prints which input it was. */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"

#define MUTATIONS_PER_TARGET 4000
#define MUTATIONS_PER_FILE_MIN 20
#define SECONDS_PER_INPUT 10
#define MAX_BYTES (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char current[512];       /* what is running, for the signal handler */

static void say_current(void) {
    ssize_t n = write(STDERR_FILENO, current, strlen(current));
    (void)n;
}

static void on_signal(int number) {
    say_current();
    signal(number, SIG_DFL);
    raise(number);
}

/* Called by the sanitizers before they end the process. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void watch_for_crashes(void) {
    static const int ours[] = {SIGALRM, SIGABRT, SIGILL}, theirs[] = {SIGSEGV, SIGBUS, SIGFPE};
    for (size_t i = 0; i < QN_LEN(ours); i++)
        signal(ours[i], on_signal);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(say_current);
    else
        for (size_t i = 0; i < QN_LEN(theirs); i++)
            signal(theirs[i], on_signal);
}

static uint8_t *read_whole(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    uint8_t *bytes = malloc(2 * MAX_BYTES);
    *n = bytes ? fread(bytes, 1, MAX_BYTES, f) : 0;
    fclose(f);
    return bytes;
}

typedef struct { uint64_t seed, step, drawn; } source;

static uint64_t draw(source *s, uint64_t below) {
    return qn_rng_u64(s->seed, QN_RNG_TEST, s->step, s->drawn++) % below;
}

/* One small damage: flip a bit, set a hostile byte, write a hostile length, cut, repeat a piece, swallow a piece. */
static size_t mutate_once(uint8_t *b, size_t n, source *s) {
    static const uint64_t hostile[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
                                       0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 1ull << 40};
    uint64_t value = hostile[draw(s, QN_LEN(hostile))];
    size_t at = n ? draw(s, n) : 0, span = 1 + draw(s, 64);
    if (n == 0) {
        b[0] = (uint8_t)value;
        return 1;
    }
    span = span > n - at ? n - at : span;
    switch (draw(s, 7)) {
    case 0: b[at] ^= (uint8_t)(1u << draw(s, 8)); return n;
    case 1: b[at] = (uint8_t)draw(s, 256); return n;
    case 2: memcpy(b + at, &value, n - at < 8 ? n - at : 8); return n;
    case 3: memcpy(b + at, &value, n - at < 4 ? n - at : 4); return n;
    case 4: return at;
    case 5:
        if (n + span > 2 * MAX_BYTES)
            return n;
        memmove(b + at + span, b + at, n - at);
        return n + span;
    default: memmove(b + at, b + at + span, n - at - span); return n - span;
    }
}

static void run_one(const char *path, const uint8_t *bytes, size_t n, uint64_t mutation) {
    uint8_t *copy = malloc(2 * MAX_BYTES);
    source s = {.seed = qn_fill_salt(strrchr(path, '/') ? strrchr(path, '/') + 1 : path), .step = mutation};
    if (!copy)
        exit(1);
    memcpy(copy, bytes, n);
    for (uint64_t left = mutation ? 1 + draw(&s, 4) : 0; left > 0; left--)
        n = mutate_once(copy, n, &s);
    /* An exact block, so that the address sanitizer sees one byte too many. */
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact)
        exit(1);
    memcpy(exact, copy, n);
    free(copy);
    snprintf(current, sizeof current, "\nwhile running: %s %llu\n", path, (unsigned long long)mutation);
    alarm(SECONDS_PER_INPUT);
    LLVMFuzzerTestOneInput(exact, n);
    alarm(0);
    free(exact);
}

static int visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static int run_corpus(const char *folder) {
    struct dirent **entry;
    int files = scandir(folder, &entry, visible, alphasort);
    if (files <= 0) {
        printf("skipped: no corpus in %s\n", folder);
        return 77;
    }
    uint64_t each = MUTATIONS_PER_TARGET / (uint64_t)files;
    each = each < MUTATIONS_PER_FILE_MIN ? MUTATIONS_PER_FILE_MIN : each;
    for (int i = 0; i < files; i++) {
        char path[1024];
        size_t n;
        snprintf(path, sizeof path, "%s/%s", folder, entry[i]->d_name);
        uint8_t *bytes = read_whole(path, &n);
        for (uint64_t m = 0; m <= each; m++)
            run_one(path, bytes, n, m);
        free(bytes);
        free(entry[i]);
    }
    free(entry);
    printf("%d files, %llu mutations each\n", files, (unsigned long long)each);
    return 0;
}

int main(int argc, char **argv) {
    struct stat st;
    if (argc < 2 || stat(argv[1], &st) != 0) {
        fprintf(stderr, "usage: %s FOLDER | FILE MUTATION\n", argv[0]);
        return 2;
    }
    watch_for_crashes();
    if (S_ISDIR(st.st_mode))
        return run_corpus(argv[1]);
    size_t n;
    uint8_t *bytes = read_whole(argv[1], &n);
    run_one(argv[1], bytes, n, argc > 2 ? strtoull(argv[2], NULL, 10) : 0);
    free(bytes);
    return 0;
}

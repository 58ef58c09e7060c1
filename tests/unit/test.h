/* tests/unit/test.h — a thin layer over cmocka: one file of tests is one program.
 *
 *     #include "test.h"
 *
 *     TEST(doubles_a_number) {
 *         CHECK_INT(twice(2), 4, "twice(%d)", 2);
 *     }
 *     TEST(reads_the_demo) {
 *         const char *path = qn_test_shared("data/wiki_demo.txt");
 *         if (!path)
 *             SKIP("the shared data is not here");
 *         …
 *     }
 *
 * That is all: TEST enters itself into the table, and main() is below.
 *
 * A check that fails says what was found, what was expected, and the message of the last QN_E* error. The format and
 * its arguments, last in each check, say which case of a loop it was; they may be left out. `./test_x PATTERN` runs
 * the tests whose names match (with * and ?). */
#ifndef QN_TESTS_UNIT_TEST_H
#define QN_TESTS_UNIT_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/file.h"
#include "kernels/kernels.h"

#define QN_TESTS_MAX 256
static struct CMUnitTest qn_tests_[QN_TESTS_MAX];
static size_t qn_tests_n_;
static int qn_test_setup_(void **state);

/* Runs before main, in the order of the file. */
#define TEST(name)                                                                                       \
    static void name(void **state);                                                                      \
    __attribute__((constructor)) static void qn_register_##name##_(void) {                               \
        qn_assert(qn_tests_n_ < QN_TESTS_MAX);                                                           \
        qn_tests_[qn_tests_n_++] = (struct CMUnitTest){#name, name, qn_test_setup_, NULL, NULL};          \
    }                                                                                                    \
    static void name(QN_UNUSED void **state)

/* Where the sources are: for fixtures and the shared data. CMake defines it; by hand, run from the source root. */
#ifndef QN_SOURCE_DIR
#define QN_SOURCE_DIR "."
#endif

static size_t qn_tests_skipped_;

#define SKIP(...)                                          \
    do {                                                   \
        qn_test_note_("skipped: ", __func__, __VA_ARGS__); \
        qn_tests_skipped_++;                               \
        skip();                                            \
    } while (0)

/* " " __VA_ARGS__ lets the explanation be left out. */
#define CHECK(cond, ...) qn_test_check_(__FILE__, __LINE__, (cond), #cond, " " __VA_ARGS__)
#define CHECK_INT(got, want, ...) \
    qn_test_int_(__FILE__, __LINE__, (int64_t)(got), (int64_t)(want), #got, " " __VA_ARGS__)
#define CHECK_STR(got, want, ...) qn_test_str_(__FILE__, __LINE__, (got), (want), #got, " " __VA_ARGS__)
/* got is a qn_str; want is a C string. */
#define CHECK_VIEW(got, want, ...) qn_test_view_(__FILE__, __LINE__, (got), qn_str_of(want), #got, " " __VA_ARGS__)
#define CHECK_CONTAINS(haystack, needle, ...) \
    qn_test_contains_(__FILE__, __LINE__, (haystack), (needle), #haystack, " " __VA_ARGS__)
/* |got − want| ≤ tolerance; NaN is near nothing. */
#define CHECK_NEAR(got, want, tolerance, ...) \
    qn_test_near_(__FILE__, __LINE__, (double)(got), (double)(want), (double)(tolerance), #got, " " __VA_ARGS__)
/* The call succeeds; or fails with this code and a message that contains this text. */
#define CHECK_OK(call, ...) qn_test_code_(__FILE__, __LINE__, (call), 0, NULL, #call, " " __VA_ARGS__)
#define CHECK_FAIL(call, code, needle, ...) \
    qn_test_code_(__FILE__, __LINE__, (call), (code), (needle), #call, " " __VA_ARGS__)
/* All memory of a tag was given back since `before` (from qn_mem_stats_get(tag).live_bytes). */
#define CHECK_NO_LEAK(tag, before, ...) \
    CHECK_INT(qn_mem_stats_get(tag).live_bytes, (before), __VA_ARGS__)

QN_UNUSED QN_PRINTF(3, 4) static void qn_test_note_(const char *what, const char *name, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "[   NOTE   ] %s%s: ", what, name);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
}

/* Reports a failed check, then leaves the test. */
QN_PRINTF(4, 0) static void qn_test_fail_(const char *file, int line, const char *found, const char *fmt,
                                          va_list args) {
    char which[512];
    vsnprintf(which, sizeof which, fmt, args);
    const char *error = qn_error_message();
    print_error("%s\n", found);
    if (which[1])
        print_error("  case:%s\n", which);
    if (*error)
        print_error("  last error: \"%s\"\n", error);
    _fail(file, line);
}

#define QN_TEST_FAIL_(...)                              \
    do {                                                \
        char found_[1024];                              \
        va_list args_;                                  \
        snprintf(found_, sizeof found_, __VA_ARGS__);   \
        va_start(args_, fmt);                           \
        qn_test_fail_(file, line, found_, fmt, args_);  \
        va_end(args_);                                  \
    } while (0)

QN_UNUSED QN_PRINTF(5, 6) static void qn_test_check_(const char *file, int line, bool ok, const char *cond,
                                                     const char *fmt, ...) {
    if (!ok)
        QN_TEST_FAIL_("%s does not hold", cond);
}

QN_UNUSED QN_PRINTF(6, 7) static void qn_test_int_(const char *file, int line, int64_t got, int64_t want,
                                                   const char *what, const char *fmt, ...) {
    if (got != want)
        QN_TEST_FAIL_("%s is %lld (0x%llx), expected %lld (0x%llx)", what, (long long)got, (unsigned long long)got,
                      (long long)want, (unsigned long long)want);
}

QN_UNUSED QN_PRINTF(6, 7) static void qn_test_view_(const char *file, int line, qn_str got, qn_str want,
                                                    const char *what, const char *fmt, ...) {
    if (!qn_str_eq(got, want))
        QN_TEST_FAIL_("%s is \"%.*s\" (%zu bytes), expected \"%.*s\" (%zu bytes)", what, QN_STR_ARG(got), got.n,
                      QN_STR_ARG(want), want.n);
}

QN_UNUSED QN_PRINTF(6, 7) static void qn_test_str_(const char *file, int line, const char *got, const char *want,
                                                   const char *what, const char *fmt, ...) {
    if (!got || !want ? got != want : strcmp(got, want) != 0)
        QN_TEST_FAIL_("%s is \"%.400s\", expected \"%.400s\"", what, got ? got : "(null)", want ? want : "(null)");
}

QN_UNUSED QN_PRINTF(6, 7) static void qn_test_contains_(const char *file, int line, const char *haystack,
                                                        const char *needle, const char *what, const char *fmt, ...) {
    if (!haystack || !strstr(haystack, needle))
        QN_TEST_FAIL_("%s is \"%.400s\", which does not contain \"%.400s\"", what, haystack ? haystack : "(null)",
                      needle);
}

QN_UNUSED QN_PRINTF(7, 8) static void qn_test_near_(const char *file, int line, double got, double want,
                                                    double tolerance, const char *what, const char *fmt, ...) {
    if (got != want && !(fabs(got - want) <= tolerance))
        QN_TEST_FAIL_("%s is %.17g, expected %.17g within %.3g (off by %.3g)", what, got, want, tolerance, got - want);
}

QN_UNUSED QN_PRINTF(7, 8) static void qn_test_code_(const char *file, int line, int got, int want, const char *needle,
                                                    const char *what, const char *fmt, ...) {
    if (want == 0 ? got < 0 : got != want)
        QN_TEST_FAIL_("%s returned %d (%s), expected %d (%s)", what, got, qn_error_name(got), want,
                      qn_error_name(want));
    if (needle && !strstr(qn_error_message(), needle))
        QN_TEST_FAIL_("%s failed as expected, but its message does not say \"%.400s\"", what, needle);
}

/* Paths below live in static buffers, one per helper: good until the helper's next call. */

/* A file of tests/fixtures. It must be there. */
QN_UNUSED static const char *qn_test_fixture(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/tests/fixtures/%s", QN_SOURCE_DIR, name);
    CHECK(access(path, R_OK) == 0, "missing fixture %s", path);
    return path;
}

/* A file of the shared data folder (QUERN_SHARED, or "../shared" beside the sources), or NULL where there is none. */
QN_UNUSED static const char *qn_test_shared(const char *name) {
    static char path[1024];
    const char *folder = getenv("QUERN_SHARED");
    if (folder)
        snprintf(path, sizeof path, "%s/%s", folder, name);
    else
        snprintf(path, sizeof path, "%s/../shared/%s", QN_SOURCE_DIR, name);
    return access(path, R_OK) == 0 ? path : NULL;
}

/* A name in a fresh directory of this program's own, removed with all that is in it at the end. */
QN_UNUSED static const char *qn_test_temp_dir(void);
QN_UNUSED static const char *qn_test_temp(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", qn_test_temp_dir(), name);
    return path;
}

/* Whether all of it shall run, as the label full does by a line like this one below a test's head: full: WHOLE=1. */
QN_UNUSED static bool qn_test_whole(void) {
    const char *whole = getenv("WHOLE");
    return whole && strcmp(whole, "1") == 0;
}

static char qn_test_dir_[512];

static void qn_test_remove_dir_(void) {
    char command[640];
    snprintf(command, sizeof command, "rm -rf '%s'", qn_test_dir_);
    if (system(command) != 0)
        fprintf(stderr, "cannot remove %s\n", qn_test_dir_);
}

static const char *qn_test_temp_dir(void) {
    if (!qn_test_dir_[0]) {
        const char *base = getenv("TMPDIR");
        snprintf(qn_test_dir_, sizeof qn_test_dir_, "%s/quern-test-XXXXXX", base ? base : "/tmp");
        CHECK(mkdtemp(qn_test_dir_) != NULL, "%s", qn_test_dir_);
        atexit(qn_test_remove_dir_);
    }
    return qn_test_dir_;
}

/* Writes a file into that directory and returns its path. */
QN_UNUSED static const char *qn_test_write(const char *name, const void *bytes, size_t n) {
    const char *path = qn_test_temp(name);
    FILE *f = fopen(path, "wb");
    CHECK(f != NULL && fwrite(bytes, 1, n, f) == n && fclose(f) == 0, "writing %s", path);
    return path;
}

/* Each test starts without an error from the one before, and with no failure left armed. */
static int qn_test_setup_(void **state) {
    (void)state;
    qn_error_clear();
    qn_mem_fail_after(-1);
    qn_file_fail_after(-1);
    return 0;
}

/* The highest level that this run may use: the machine's, or QUERN_CPU where it is set. Tests that call this are run
 * once per level. main() has checked the name and that the machine has it. */
QN_UNUSED static qn_isa qn_test_isa(void) {
    const char *cap = getenv("QUERN_CPU");
    return cap ? (qn_isa)qn_isa_from_name(cap) : qn_isa_detect();
}

int main(int argc, char **argv) {
    const char *cap = getenv("QUERN_CPU");
    if (cap && (qn_isa_from_name(cap) < 0 || !qn_isa_has((qn_isa)qn_isa_from_name(cap)))) {
        printf("[  SKIPPED ] this machine has no level %s\n", cap);
        return 77;
    }
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const char *name = strrchr(argv[0], '/');
    if (_cmocka_run_group_tests(name ? name + 1 : argv[0], qn_tests_, qn_tests_n_, NULL, NULL) != 0)
        return 1;
    return qn_tests_skipped_ == qn_tests_n_ ? 77 : 0;     /* 77: CTest calls it skipped */
}

#endif

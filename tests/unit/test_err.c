/* tests/unit/test_err.c — the error list and the thread's last message. */
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

TEST(keeps_code_and_message) {
    CHECK_INT(qn_fail(QN_EFORMAT, "tensor %s: %d dims", "a.b", 9), QN_EFORMAT);
    CHECK_STR(qn_error_message(), "tensor a.b: 9 dims");
    qn_error_clear();
    CHECK_STR(qn_error_message(), "");
}

TEST(puts_the_context_in_front) {
    qn_fail(QN_ETRUNC, "12 bytes missing");
    CHECK_INT(qn_fail_in(QN_ETRUNC, "%s", "model.gguf"), QN_ETRUNC);
    CHECK_STR(qn_error_message(), "model.gguf: 12 bytes missing");
}

TEST(a_message_may_quote_the_last_one) {
    qn_fail(QN_EIO, "disk on fire");
    qn_fail(QN_ENOTFOUND, "no model (%s)", qn_error_message());
    CHECK_STR(qn_error_message(), "no model (disk on fire)");
}

TEST(cuts_long_messages) {
    static char big[5000];
    memset(big, 'x', sizeof big - 1);
    qn_fail(QN_EINVAL, "%s", big);
    CHECK_INT(strlen(qn_error_message()), 1023);
    qn_fail_in(QN_EINVAL, "front");
    CHECK_INT(strlen(qn_error_message()), 1023);
    CHECK_CONTAINS(qn_error_message(), "front: xxx");
    qn_fail_in(QN_EINVAL, "%s", big);
    CHECK_INT(strlen(qn_error_message()), 1023);
    for (int n = 1018; n < 1023; n++) {
        qn_fail(QN_EINVAL, "tail");
        qn_fail_in(QN_EINVAL, "%.*s", n, big);
        CHECK_INT(strlen(qn_error_message()), QN_MIN(n + 6, 1023), "context of %d", n);
    }
}

TEST(cuts_between_characters) {
    static const char *const characters[] = {"ä", "€", "🜲"};
    for (size_t k = 0; k < QN_LEN(characters); k++)
        for (int front = 0; front < 4; front++) {
            qn_buf b = {0};
            size_t width = strlen(characters[k]), whole = (1023 - (size_t)front) / width;
            CHECK_OK(qn_buf_printf(&b, "%.*s", front, "...."));
            while (b.n < 1100)
                CHECK_OK(qn_buf_puts(&b, characters[k]));
            qn_fail(QN_EINVAL, "%s", b.s);
            CHECK_INT(strlen(qn_error_message()), (size_t)front + whole * width, "%s after %d", characters[k], front);
            CHECK(qn_utf8_check(qn_error_message(), strlen(qn_error_message())) == QN_UTF8_OK);
            qn_buf_drop(&b);
        }
}

TEST(control_codes_stay_out_of_messages) {
    qn_fail(QN_EFORMAT, "name \x1b[31m\x7f\ttab");
    CHECK_STR(qn_error_message(), "name ?[31m?\ttab");
}

TEST(every_code_has_name_text_and_exit) {
    static const int codes[] = {
#define CODE(name, code, exit_code, text) name,
        QN_ERROR_LIST(CODE)
#undef CODE
    };
    for (size_t i = 0; i < QN_LEN(codes); i++) {
        CHECK(codes[i] < 0, "code %d", codes[i]);
        CHECK(strncmp(qn_error_name(codes[i]), "QN_E", 4) == 0, "code %d", codes[i]);
        CHECK(strcmp(qn_error_text(codes[i]), "unknown error") != 0, "code %d", codes[i]);
        CHECK(qn_error_exit(codes[i]) > 0, "code %d", codes[i]);
        for (size_t j = 0; j < i; j++)
            CHECK(codes[i] != codes[j], "codes %zu and %zu are both %d", i, j, codes[i]);
    }
    CHECK_STR(qn_error_name(QN_EFORMAT), "QN_EFORMAT");
    CHECK_STR(qn_error_text(QN_EUTF8), "invalid UTF-8");
    CHECK_INT(qn_error_exit(QN_ENOTFOUND), 4);
    CHECK_INT(qn_error_exit(0), 0);
    CHECK_STR(qn_error_text(-999), "unknown error");
    CHECK_STR(qn_error_name(-999), "QN_E?");
    CHECK(qn_error_exit(-999) != 0);
}

static void *fail_elsewhere(void *arg) {
    (void)arg;
    qn_fail(QN_EIO, "over there");
    return NULL;
}

TEST(each_thread_has_its_own_message) {
    pthread_t t;
    qn_fail(QN_EINVAL, "here");
    CHECK(pthread_create(&t, NULL, fail_elsewhere, NULL) == 0);
    pthread_join(t, NULL);
    CHECK_STR(qn_error_message(), "here");
}

static int first_step(int code) {
    return code < 0 ? qn_fail(code, "step") : code;
}

static int two_steps(int a, int b, bool *cleaned) {
    int rc;
    QN_TRY(first_step(a));
    QN_TRY_OUT(first_step(b));
out:
    *cleaned = true;
    return rc;
}

TEST(try_forwards_errors_only) {
    bool cleaned = false;
    CHECK_FAIL(two_steps(QN_EIO, 0, &cleaned), QN_EIO, "step");
    CHECK(!cleaned);
    CHECK_FAIL(two_steps(0, QN_ESHAPE, &cleaned), QN_ESHAPE, "step");
    CHECK(cleaned);
    CHECK_INT(two_steps(1, 7, &cleaned), 7);
}

TEST(a_bug_of_ours_stops_the_program_and_says_where) {
    int ends[2], status = 0;
    char said[300] = "";
    CHECK_INT(pipe(ends), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        qn_assert(1 + 1 == 2);
        qn_assert(1 + 1 == 3);
        _exit(0);
    }
    close(ends[1]);
    CHECK(read(ends[0], said, sizeof said - 1) > 0);
    close(ends[0]);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK_CONTAINS(said, "test_err.c:");
    CHECK_CONTAINS(said, "(1 + 1 == 3) does not hold");
}

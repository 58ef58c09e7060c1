/* tests/unit/test_log.c — remarks go to the sink or nowhere; the clock goes forward. */
#include "test.h"

#include <time.h>

typedef struct {
    int calls;
    qn_log_level level;
    char text[2000];
} heard;

static void listen(void *arg, qn_log_level level, const char *message) {
    heard *h = arg;
    h->calls++;
    h->level = level;
    snprintf(h->text, sizeof h->text, "%s", message);
}

TEST(the_sink_hears_each_remark) {
    static heard h;
    static char big[3000];
    qn_log(QN_LOG_WARN, "to nobody");
    qn_log_set(listen, &h);
    CHECK_INT(h.calls, 0);
    qn_log(QN_LOG_INFO, "%d tensors", 7);
    CHECK_INT(h.calls, 1);
    CHECK_INT(h.level, QN_LOG_INFO);
    CHECK_STR(h.text, "7 tensors");
    memset(big, 'x', sizeof big - 1);
    qn_log(QN_LOG_DEBUG, "%s", big);
    CHECK_INT(h.level, QN_LOG_DEBUG);
    CHECK_INT(strlen(h.text), 1023);
    qn_log_set(NULL, NULL);
    qn_log(QN_LOG_WARN, "to nobody again");
    CHECK_INT(h.calls, 2);
}

TEST(the_clock_goes_forward) {
    double start = qn_now(), last = start;
    for (int i = 0; i < 1000; i++) {
        double t = qn_now();
        CHECK(t >= last);
        last = t;
    }
    usleep(2000);
    CHECK(qn_now() - start >= 0.002);
}

TEST(the_wall_clock_is_the_systems) {
    double before = (double)time(NULL), wall = qn_wall();
    CHECK(wall >= before - 1 && wall <= (double)time(NULL) + 2);
}

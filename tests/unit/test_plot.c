/* Figures: ticks, scales, what decimation keeps, escaping, degenerate ranges, golden texts. */
#include "test.h"

#include <locale.h>

#include "plot/plot.h"
#include "well_formed.h"

/* ---- numbers ---- */

TEST(numbers_are_short_and_right) {
    static const struct { double v; int digits; const char *text; } cases[] = {
        {0, 3, "0"}, {-0.0, 3, "0"}, {7.6146, 3, "7.61"}, {-7.6146, 2, "-7.6"}, {0.1 + 0.2, 6, "0.3"},
        {9999.6, 4, "10k"}, {9999, 4, "9999"}, {12345, 3, "12.3k"}, {4.5e6, 3, "4.5M"}, {1e9, 3, "1G"},
        {2.5e14, 3, "250T"}, {3e-5, 2, "3e-5"}, {0.00012, 2, "0.00012"}, {0.0003, 3, "0.0003"}, {1e300, 3, "1e300"},
        {9.999e-31, 2, "1e-30"}, {5e-324, 3, "4.94e-324"}, {NAN, 3, "–"}, {INFINITY, 3, "–"}, {2e305, 3, "–"},
        {999.96, 4, "1000"}, {999960, 3, "1M"}, {0.9996, 3, "1"}
    };
    char text[QN_NUMBER_TEXT];
    for (size_t i = 0; i < QN_LEN(cases); i++)
        CHECK_STR(qn_number(cases[i].v, cases[i].digits, text), cases[i].text, "%.17g in %d", cases[i].v,
                  cases[i].digits);
}

TEST(fixed_numbers_keep_their_zeros) {
    char text[QN_NUMBER_TEXT];
    CHECK_STR(qn_fixed(2.5, 2, text), "2.50");
    CHECK_STR(qn_fixed(-0.001, 2, text), "0.00");
    CHECK_STR(qn_fixed(-1.005, 1, text), "-1.0");
    CHECK_STR(qn_fixed(0.05, 3, text), "0.050");
    CHECK_STR(qn_fixed(123.456, 0, text), "123");
    CHECK_STR(qn_fixed(1e12, 2, text), "1T");
    CHECK_STR(qn_fixed(NAN, 2, text), "–");
}

TEST(a_locale_with_commas_changes_nothing) {
    char text[QN_NUMBER_TEXT];
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        SKIP("there is no locale de_DE.UTF-8 here");
    CHECK_STR(qn_number(7.5, 3, text), "7.5");
    CHECK_STR(qn_number(1.5e-30, 3, text), "1.5e-30");
    setlocale(LC_ALL, "C");
}

/* ---- scales and ticks ---- */

static void check_ticks(double lo, double hi, bool log, int about, const char *want) {
    const qn_scale s = {lo, hi, log};
    double tick[QN_TICKS];
    char text[QN_NUMBER_TEXT], got[512] = "";
    const size_t n = qn_ticks(&s, about, tick);
    for (size_t i = 0; i < n; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i ? " " : "", qn_tick_text(tick[i], &s, text));
    CHECK_STR(got, want, "%g to %g", lo, hi);
}

TEST(ticks_are_nice) {
    check_ticks(0, 100, false, 5, "0 20 40 60 80 100");
    check_ticks(1.93, 7.61, false, 4, "2 4 6");
    check_ticks(0, 1, false, 5, "0 0.2 0.4 0.6 0.8 1");
    check_ticks(-0.31, 0.29, false, 5, "-0.2 0 0.2");
    check_ticks(0, 20000, false, 4, "0 5k 10k 15k 20k");
    check_ticks(0, 2e6, false, 4, "0 0.5M 1M 1.5M 2M");
    check_ticks(0, 0.003, false, 3, "0 0.001 0.002 0.003");
    check_ticks(0, 3e-6, false, 3, "0 1e-6 2e-6 3e-6");
    check_ticks(0.9, 1200, true, 4, "1 10 100 1000");
    check_ticks(0.9, 55, true, 4, "1 2 5 10 20 50");
    check_ticks(3, 4, true, 4, "3 3.5 4");
    check_ticks(1e-9, 1e9, true, 4, "1e-9 0.0001 10 1M");
    check_ticks(0.3, 0.8, true, 4, "0.4 0.6 0.8");
}

TEST(every_scale_can_be_divided_by) {
    static const double lo[] = {0, 5, -3, 1e-300, -1e300, NAN, 1, 1e300, 5e-324, 1e15, INFINITY};
    static const double hi[] = {0, 5, -3, 1e-300, 1e300, NAN, -1, 1e300, 5e-324, 1e15 + 0.125, -INFINITY};
    for (size_t i = 0; i < QN_LEN(lo); i++)
        for (int kind = 0; kind < 4; kind++) {
            double tick[QN_TICKS];
            const qn_scale s = qn_scale_fit(lo[i], hi[i], kind & 1, kind & 2);
            CHECK(s.hi > s.lo && isfinite(s.hi - s.lo), "%g to %g, kind %d", lo[i], hi[i], kind);
            const double at = qn_scale_at(&s, lo[i]);
            CHECK(!qn_plots(lo[i]) || lo[i] > hi[i] || (at >= 0 && at <= 1), "%g stands at %g, kind %d", lo[i],
                  at, kind);
            const size_t n = qn_ticks(&s, 5, tick);
            CHECK(n >= 1 && n <= QN_TICKS, "%zu ticks for %g to %g", n, lo[i], hi[i]);
        }
}

TEST(a_scale_with_zero_begins_there) {
    const qn_scale s = qn_scale_fit(3, 10, false, true);
    CHECK_NEAR(s.lo, 0, 0);
    CHECK(s.hi > 10);
    CHECK(isnan(qn_scale_at(&(qn_scale){1, 10, true}, 0)));
}

/* ---- decimation ---- */

TEST(decimation_keeps_spikes_ends_and_gaps) {
    enum { N = 100000 };
    double *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y);
    qn_kept k = {0};
    bool first = false, last = false, spike = false, dip = false, gap = false;
    for (int i = 0; i < N; i++) {
        x[i] = i;
        y[i] = sin(i * 0.001);
    }
    y[31416] = 50;
    y[77777] = -50;
    y[50000] = NAN;
    CHECK_OK(qn_decimate(&k, x, y, N, &(qn_scale){0, N - 1, false}, 400));
    for (size_t i = 0; i < k.n; i++) {
        CHECK(i == 0 || k.i[i] > k.i[i - 1], "ascending at %zu", i);
        first |= k.i[i] == 0;
        last |= k.i[i] == N - 1;
        spike |= k.i[i] == 31416;
        dip |= k.i[i] == 77777;
        gap |= k.i[i] == 50000;
    }
    CHECK(first && last && spike && dip && gap);
    CHECK(k.n <= 401 * 5, "%zu kept", k.n);
    k.n = 0;
    CHECK_OK(qn_decimate(&k, x, y, 400, &(qn_scale){0, 399, false}, 400));
    CHECK_INT(k.n, 400);
    qn_kept_drop(&k);
    free(x);
    free(y);
}

/* ---- escaping ---- */

TEST(any_bytes_become_text) {
    qn_buf b = {0};
    static const char bytes[] = "a<b>&\"'\x01\x7f\xff\xc3\xa9\xef\xbf\xbe\xed\xa0\x80\n";
    CHECK_OK(qn_xml(&b, (qn_str){bytes, sizeof bytes - 1}));
    CHECK_STR(b.s, "a&lt;b&gt;&amp;&quot;&#39;\uFFFD\uFFFD\uFFFDé\uFFFD\uFFFD\uFFFD\uFFFD\n");
    qn_buf_clear(&b);
    for (int c = 0; c < 256; c++) {
        const char one = (char)c;
        qn_xml(&b, (qn_str){&one, 1});
    }
    CHECK_INT((int64_t)qn_utf8_check(b.s, b.n), (int64_t)QN_UTF8_OK);
    CHECK(!well_formed(b.s, false), "%s", b.s);
    qn_buf_drop(&b);
}

TEST(places_have_one_decimal) {
    qn_buf b = {0};
    static const double v[] = {12, 12.34, -0.04, NAN, 1e300};
    for (size_t i = 0; i < QN_LEN(v); i++) {
        qn_xml_place(&b, v[i]);
        qn_buf_putc(&b, ' ');
    }
    CHECK_STR(b.s, "12 12.3 0 0 1000000 ");
    qn_buf_drop(&b);
}

/* ---- figures ---- */

static void check_both(const qn_lines *p, const char *what) {
    qn_buf b = {0};
    CHECK_OK(qn_lines_svg(&b, p));
    const char *wrong = well_formed(b.s, false);
    CHECK(!wrong, "%s: %s", what, wrong ? wrong : "");
    CHECK(!strstr(b.s, "nan") && !strstr(b.s, "inf\"") && !strstr(b.s, "inf "), "%s: %s", what, b.s);
    qn_buf_clear(&b);
    for (int utf8 = 0; utf8 < 2; utf8++)
        for (int color = 0; color < 2; color++)
            CHECK_OK(qn_lines_text(&b, p, &(qn_text_plot){.width = 60, .utf8 = utf8, .color = color}));
    CHECK_INT((int64_t)qn_utf8_check(b.s, b.n), (int64_t)QN_UTF8_OK, "%s", what);
    qn_buf_drop(&b);
}

TEST(degenerate_figures_are_drawn) {
    static const double x[] = {1, 2, 3, 4}, equal[] = {2, 2, 2, 2}, none[] = {NAN, NAN, INFINITY, NAN};
    static const double gap[] = {1, NAN, 3, -INFINITY}, huge[] = {-1e308, 1e300, -1e300, 1e308}, zero[] = {0, 0, 0, 0};
    static const struct { const char *what; const double *y; size_t n; } cases[] = {
        {"one point", equal, 1}, {"all equal", equal, 4}, {"nothing but NaN", none, 4}, {"gaps", gap, 4},
        {"huge", huge, 4}, {"zeros", zero, 4}, {"empty", NULL, 0}
    };
    for (size_t i = 0; i < QN_LEN(cases); i++)
        for (int log = 0; log < 2; log++) {
            const qn_series s[] = {
                {.name = "a<b", .x = x, .y = cases[i].y, .lo = cases[i].y, .hi = equal, .n = cases[i].n},
                {.name = "\xff&", .x = x, .y = cases[i].y, .n = cases[i].n, .color = 1, .look = QN_POINTS}
            };
            const qn_level level[] = {{"floor", 1.5}, {"none", NAN}};
            const qn_lines p = {.title = "\"t\"", .x_name = "<x>", .y_name = "y", .series = s, .n = 2,
                                .level = level, .n_levels = 2, .log = log};
            check_both(&p, cases[i].what);
        }
    check_both(&(qn_lines){.title = "nothing"}, "no series");
}

TEST(values_stand_under_the_pointer) {
    static const double x[] = {1, 2, 3}, y[] = {7.5, 6.25, NAN}, lo[] = {7, 6, 0}, hi[] = {8, 6.5, 0};
    const qn_series s = {.name = "loss", .x = x, .y = y, .lo = lo, .hi = hi, .n = 3};
    qn_buf b = {0};
    CHECK_OK(qn_lines_svg(&b, &(qn_lines){.title = "t", .x_name = "step", .series = &s, .n = 1}));
    CHECK_CONTAINS(b.s, "<title>step 1\nloss 7.5 (7 to 8)</title>");
    CHECK_CONTAINS(b.s, "<title>step 2\nloss 6.25 (6 to 6.5)</title>");
    CHECK(!strstr(b.s, "step 3"));
    qn_buf_drop(&b);
}

TEST(a_long_curve_is_a_small_figure) {
    enum { N = 200000 };
    double *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y);
    qn_buf b = {0};
    for (int i = 0; i < N; i++) {
        x[i] = i + 1;
        y[i] = 2 + 5.0 / (1 + i * 0.001) + 0.3 * sin(i * 1.7);
    }
    const qn_series s = {.name = "loss", .x = x, .y = y, .n = N};
    CHECK_OK(qn_lines_svg(&b, &(qn_lines){.title = "t", .series = &s, .n = 1, .width = 960}));
    CHECK(b.n < 60000, "%zu bytes", b.n);
    CHECK_CONTAINS(b.s, "<title>x 1990");
    qn_buf_drop(&b);
    free(x);
    free(y);
}

static const char golden_braille[] =
    "Loss, nats   ⠤ training   o validation   ╌ floor\n"
    "        │o\n"
    "        │⢱\n"
    "        │ ⢣\n"
    "        │  ⢣\n"
    "      5 ┤   ⠑⢄⡀\n"
    "        │     ⠈⠑⠢⢄⣀⡀  o\n"
    "        │          ⠈⠉⠉⠑⠒⠒⠢⠤⠤⠤⠤⠤⠤⠤⣀⣀o⣀⣀⣀⣀⣀⣀⣀⣀    o\n"
    "        │╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌⠉⠉⠉⠉⠉\n"
    "        └┬───────────────────┬───────────────────\n"
    "         0                  100 step\n";

static const char golden_ascii[] =
    "Loss, nats   * training   o validation   - floor\n"
    "        |o\n"
    "        |*\n"
    "        | *\n"
    "        |  *\n"
    "      5 |   ***\n"
    "        |     ******  o\n"
    "        |          ****************o********    o\n"
    "        |-----------------------------------*****\n"
    "        ++-------------------+-------------------\n"
    "         0                  100 step\n";

TEST(a_curve_in_characters) {
    double x[40], a[40], c[40];
    qn_buf b = {0};
    for (int i = 0; i < 40; i++) {
        x[i] = i * 5;
        a[i] = 2 + 6.0 / (1 + i * 0.3);
        c[i] = i % 13 ? NAN : 2.5 + 6.0 / (1 + i * 0.3);
    }
    const qn_series s[] = {{.name = "training", .x = x, .y = a, .n = 40},
                           {.name = "validation", .x = x, .y = c, .n = 40, .color = 1, .look = QN_POINTS}};
    const qn_level floor_at = {"floor", 2};
    const qn_lines p = {.title = "Loss", .x_name = "step", .y_name = "nats", .series = s, .n = 2, .level = &floor_at,
                        .n_levels = 1};
    CHECK_OK(qn_lines_text(&b, &p, &(qn_text_plot){.width = 50, .height = 8, .utf8 = true}));
    CHECK_STR(b.s, golden_braille);
    qn_buf_clear(&b);
    CHECK_OK(qn_lines_text(&b, &p, &(qn_text_plot){.width = 50, .height = 8}));
    CHECK_STR(b.s, golden_ascii);
    for (const char *at = b.s; *at; at++)
        CHECK((unsigned char)*at < 0x80, "plain ASCII");
    qn_buf_drop(&b);
}

TEST(upright_lines_stand_behind_the_curves) {
    static const double x[] = {0, 10, 20}, y[] = {3, 2, 1}, mark[] = {5, NAN, 99, 12};
    const qn_series s = {.name = "loss", .x = x, .y = y, .n = 3};
    qn_lines p = {.title = "t", .x_name = "step", .series = &s, .n = 1, .mark = mark, .n_marks = QN_LEN(mark)};
    qn_buf b = {0};
    CHECK_OK(qn_lines_svg(&b, &p));
    const char *first = strstr(b.s, "class=\"u\""), *second = first ? strstr(first + 1, "class=\"u\"") : NULL;
    CHECK(second && !strstr(second + 1, "class=\"u\""), "two of four have a place");
    CHECK(second < strstr(b.s, "class=\"l s0\""), "behind the curve");
    qn_buf_clear(&b);
    CHECK_OK(qn_lines_text(&b, &p, &(qn_text_plot){.width = 50, .height = 8}));
    int columns = 0;
    for (const char *at = strchr(b.s, '\n') + 1; *at != '\n'; at++)
        columns += *at == ':';
    CHECK_INT(columns, 2, "%s", b.s);
    qn_buf_drop(&b);
    p.n_marks = 0;
    CHECK_OK(qn_lines_text(&b, &p, &(qn_text_plot){.width = 50, .height = 8}));
    CHECK(!strchr(b.s, ':'));
    qn_buf_drop(&b);
}

static const char *const columns[] = {"model", "5-gram", "chance"};
static const qn_bar recall[] = {{0.84, 0.81, 0.87}, {0.4, 0.36, 0.44}, {0.03, NAN, NAN}};
static const qn_bar agreement[] = {{0.98, 0.96, 0.99}, {NAN, NAN, NAN}, {0.5, NAN, NAN}};
static const qn_bar_row rows[] = {{"recall", "acc", recall}, {"agree & <ment>", NULL, agreement}};
static const qn_bars bars = {.title = "Evaluation", .x_name = "share right", .column = columns, .columns = 3, .bars = 1,
                             .row = rows, .n = 2, .most = 1};

static const char golden_bars[] =
    "Evaluation, share right\n"
    "recall         #########################|      0.84 (0.81 to 0.87)\n"
    "               5-gram 0.4   chance 0.03\n"
    "agree & <ment> #############################|  0.98 (0.96 to 0.99)\n"
    "               chance 0.5\n";

TEST(bars_with_intervals) {
    qn_buf b = {0};
    CHECK_OK(qn_bars_svg(&b, &bars));
    CHECK(!well_formed(b.s, false), "%s", well_formed(b.s, false));
    CHECK_CONTAINS(b.s, "<title>recall\nmodel 0.84 (0.81 to 0.87)\n5-gram 0.4 (0.36 to 0.44)\nchance 0.03</title>");
    CHECK_CONTAINS(b.s, "agree &amp; &lt;ment&gt;");
    qn_buf_clear(&b);
    CHECK_OK(qn_bars_text(&b, &bars, &(qn_text_plot){.width = 70}));
    CHECK_STR(b.s, golden_bars);
    qn_buf_clear(&b);
    CHECK_OK(qn_bars_svg(&b, &(qn_bars){.title = "", .column = columns, .columns = 1, .bars = 1}));
    CHECK(!well_formed(b.s, false));
    qn_buf_drop(&b);
}

TEST(words_from_strangers_are_safe) {
    qn_buf b = {0};
    const char text[] = "a\033[31m\xffé";
    CHECK_INT(qn_text_words(&b, (qn_str){text, sizeof text - 1}, 20, &(qn_text_plot){.utf8 = true}), 8);
    CHECK_STR(b.s, "a?[31m?é");
    qn_buf_clear(&b);
    CHECK_INT(qn_text_words(&b, (qn_str){text, sizeof text - 1}, 3, &(qn_text_plot){0}), 3);
    CHECK_STR(b.s, "a?[");
    qn_buf_drop(&b);
}

TEST(memory_that_runs_out_is_an_error) {
    const double x[] = {1, 2, 3}, y[] = {1, 3, 2};
    const qn_series s = {.name = "a", .x = x, .y = y, .n = 3};
    const qn_lines p = {.title = "t", .series = &s, .n = 1};
    for (int64_t after = 0; after < 3; after++) {
        qn_buf b = {0};
        qn_mem_fail_after(after);
        const int svg = qn_lines_svg(&b, &p);
        qn_mem_fail_after(-1);
        CHECK(svg == 0 || svg == QN_ENOMEM, "%d", svg);
        qn_buf_drop(&b);
    }
    qn_buf b = {0};
    qn_mem_fail_after(0);
    CHECK_INT(qn_lines_text(&b, &p, &(qn_text_plot){.width = 60}), QN_ENOMEM);
    qn_buf_drop(&b);
}

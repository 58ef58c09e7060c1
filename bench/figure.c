/* bench/figure.c — numbers as a figure that stands alone, by the plot room: for docs/img.
 *
 *     figure [--log] TITLE X-NAME Y-NAME < rows > figure.svg     a row: X <tab> Y <tab> SERIES; x ascending in each
 *
 * --log: y on a logarithm; x may be one by itself.
 *
 * The same curves, colours and dark mode as in a report, but as a file of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plot/plot.h"

enum { CURVES = QN_PALETTE, POINTS = 1000, LINE = 256 };

static char name[CURVES][LINE];
static double x[CURVES][POINTS], y[CURVES][POINTS];
static qn_series curve[CURVES];
static size_t curves;

static int fail(const char *what, long line) {
    fprintf(stderr, "figure: standard input, line %ld: %s\n", line, what);
    return 1;
}

static qn_series *curve_of(const char *text) {
    for (size_t i = 0; i < curves; i++)
        if (strcmp(name[i], text) == 0)
            return &curve[i];
    if (curves == CURVES)
        return NULL;
    snprintf(name[curves], LINE, "%s", text);
    curve[curves] = (qn_series){.name = name[curves], .x = x[curves], .y = y[curves], .color = (int)curves,
                                .look = QN_POINTS};
    return &curve[curves++];
}

static int read_row(char *line, long number) {
    char *end = line;
    line[strcspn(line, "\r\n")] = 0;
    const double at = strtod(line, &end);
    char *value = end, *rest = end;
    const double is = strtod(value, &rest);
    if (end == line || rest == value || *rest != '\t')
        return fail("expected a number, a tab, a number, a tab, a name", number);
    qn_series *s = curve_of(rest + 1);
    if (!s || s->n == POINTS)
        return fail(s ? "too many points of one series" : "too many series", number);
    x[s - curve][s->n] = at;
    y[s - curve][s->n++] = is;
    return 0;
}

/* A figure of a page becomes a file: its namespace, and the page's rules within it. */
static int put(const qn_buf *svg, const qn_buf *css) {
    const char *open = strchr(svg->s, '>');
    if (!open)
        return 1;
    printf("<svg xmlns=\"http://www.w3.org/2000/svg\"%.*s<style>%s</style>%s\n", (int)(open + 1 - svg->s - 4),
           svg->s + 4, css->s, open + 1);
    return ferror(stdout) ? 1 : 0;
}

int main(int argc, char **argv) {
    char line[LINE];
    qn_buf svg = {0}, css = {0};
    const bool log = argc > 1 && strcmp(argv[1], "--log") == 0;
    if (argc != 4 + log) {
        fprintf(stderr, "usage: figure [--log] TITLE X-NAME Y-NAME < rows > figure.svg\n");
        return 2;
    }
    argv += log;
    for (long n = 1; fgets(line, sizeof line, stdin); n++)
        if (read_row(line, n))
            return 1;
    const qn_lines p = {.title = argv[1], .x_name = argv[2], .y_name = argv[3], .series = curve, .n = curves,
                        .log = log, .zero = !log};
    const int rc = qn_lines_svg(&svg, &p) < 0 || qn_plot_css(&css) < 0 || put(&svg, &css);
    qn_buf_drop(&svg);
    qn_buf_drop(&css);
    return rc;
}

/* plot/text_lines.c — curves in characters: braille where the terminal has it, letters where not.
 *
 *     nats                                   a cell of braille has two columns of four dots: 80 characters
 *     7.5 ┤⢣                                 are 160 places across
 *         │ ⠣⡀                                        ⠁⠈
 *     5   ┤   ⠑⠢⠤⣀⣀                                   ⠂⠐
 *         └┬──────┬──────┬                            ⠄⠠
 *          0      50     100 step                     ⡀⢀
 *
 * In colour every curve is braille. Without, only the first is; the second is drawn with o, the third with x … */
#include "plot/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_WIDE = 40, HIGH = 12, LABEL = 8 };

typedef struct { uint8_t dots; char letter; int8_t color; } cell;       /* letter 0: braille; color -1: nothing */

typedef struct {
    qn_buf *out;
    const qn_lines *p;
    const qn_text_plot *t;
    qn_span span;
    cell *cells;                    /* [rows][columns] */
    int rows, columns;
} drawing;

/* ---- words ------------------------------------------------------------------------------------------------------- */

int qn_text_words(qn_buf *out, qn_str s, int most, const qn_text_plot *t) {
    int columns = 0;
    for (size_t i = 0; i < s.n && columns < most; columns++) {
        uint32_t code;
        const int n = qn_utf8_decode(s.s + i, s.n - i, &code);
        const bool control = n == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0);
        const bool plain = !control && (t->utf8 || code < 0x80);
        QN_TRY(plain ? qn_buf_put(out, s.s + i, (size_t)n) : qn_buf_putc(out, '?'));
        i += (size_t)QN_MAX(n, 1);
    }
    return columns;
}

static const char *color_of(const qn_text_plot *t, int color) {
    static const char *const code[QN_PALETTE] = {"\033[36m", "\033[33m", "\033[32m", "\033[35m",
                                                 "\033[31m", "\033[34m", "\033[37m", "\033[91m"};
    return t->color ? code[color % QN_PALETTE] : "";
}

static const char *plain_of(const qn_text_plot *t) { return t->color ? "\033[0m" : ""; }

/* The letter of a curve; 0: braille. Lone dots of braille would not be seen. */
static char letter_of(const drawing *d, size_t k) {
    static const char letter[] = "*ox+#@%&";
    size_t named = 0;
    for (size_t i = 0; i < k; i++)
        named += d->p->series[i].name != NULL;
    if (d->t->utf8 && (d->t->color || (named == 0 && d->p->series[k].look != QN_POINTS)))
        return 0;
    return letter[named % (sizeof letter - 1)];
}

/* ---- the canvas -------------------------------------------------------------------------------------------------- */

/* x counts half columns, y quarter rows, both from the upper left. */
static void dot(drawing *d, int x, int y, char letter, int color) {
    static const uint8_t bit[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (x < 0 || y < 0 || x >= 2 * d->columns || y >= 4 * d->rows)
        return;
    cell *c = &d->cells[(y / 4) * d->columns + x / 2];
    c->color = (int8_t)(color % QN_PALETTE);
    if (letter)
        c->letter = letter;
    else
        c->dots |= bit[y % 4][x % 2];
}

/* Bresenham's line. */
static void stroke(drawing *d, int x0, int y0, int x1, int y1, char letter, int color) {
    const int dx = abs(x1 - x0), dy = -abs(y1 - y0), sx = x0 < x1 ? 1 : -1, sy = y0 < y1 ? 1 : -1;
    int error = dx + dy;
    for (;;) {
        dot(d, x0, y0, letter, color);
        if (x0 == x1 && y0 == y1)
            return;
        const int twice = 2 * error;
        if (twice >= dy) {
            error += dy;
            x0 += sx;
        }
        if (twice <= dx) {
            error += dx;
            y0 += sy;
        }
    }
}

static void curve(drawing *d, const qn_series *s, char letter) {
    bool open = false;
    int x = 0, y = 0;
    for (size_t i = 0; i < s->n; i++) {
        const double u = qn_scale_at(&d->span.x, s->x[i]), v = qn_scale_at(&d->span.y, s->y[i]);
        if (isnan(u) || isnan(v)) {
            open = false;
            continue;
        }
        const int next_x = (int)round(u * (2 * d->columns - 1)), next_y = (int)round((1 - v) * (4 * d->rows - 1));
        if (open && (s->look != QN_POINTS || !letter))
            stroke(d, x, y, next_x, next_y, letter, s->color);
        else
            dot(d, next_x, next_y, letter, s->color);
        x = next_x;
        y = next_y;
        open = true;
    }
}

/* A reference line is drawn where nothing else is. */
static void level(drawing *d, double y) {
    const double v = qn_scale_at(&d->span.y, y);
    if (isnan(v))
        return;
    const int row = QN_MAX(0, QN_MIN((int)((1 - v) * d->rows), d->rows - 1));
    for (int i = 0; i < d->columns; i++) {
        cell *c = &d->cells[row * d->columns + i];
        if (c->color < 0)
            *c = (cell){.letter = '-', .color = -1};
    }
}

/* An upright one as well. */
static void mark(drawing *d, double x) {
    const double u = qn_scale_at(&d->span.x, x);
    if (isnan(u) || u < 0 || u > 1)
        return;
    const int column = QN_MIN((int)(u * d->columns), d->columns - 1);
    for (int r = 0; r < d->rows; r++) {
        cell *c = &d->cells[r * d->columns + column];
        if (!c->letter && !c->dots)
            *c = (cell){.letter = ':', .color = -1};
    }
}

static int put_cell(drawing *d, const cell *c) {
    if (!c->letter && !c->dots)
        return qn_buf_putc(d->out, ' ');
    QN_TRY(qn_buf_puts(d->out, c->color >= 0 ? color_of(d->t, c->color) : ""));
    if (c->letter == '-' && d->t->utf8)
        QN_TRY(qn_buf_puts(d->out, "╌"));
    else if (c->letter == ':' && d->t->utf8)
        QN_TRY(qn_buf_puts(d->out, "┊"));
    else
        QN_TRY(c->letter ? qn_buf_putc(d->out, c->letter) : qn_buf_utf8(d->out, 0x2800u + c->dots));
    return qn_buf_puts(d->out, c->color >= 0 ? plain_of(d->t) : "");
}

/* ---- around it --------------------------------------------------------------------------------------------------- */

static int blanks(qn_buf *out, int n) {
    for (int i = 0; i < n; i++)
        QN_TRY(qn_buf_putc(out, ' '));
    return 0;
}

static int label(drawing *d, int row, const double *tick, size_t ticks) {
    char text[QN_NUMBER_TEXT] = "";
    for (size_t k = 0; k < ticks; k++)
        if ((int)((1 - qn_scale_at(&d->span.y, tick[k])) * (d->rows - 1) + 0.5) == row)
            qn_tick_text(tick[k], &d->span.y, text);
    const int n = (int)strlen(text);
    QN_TRY(blanks(d->out, LABEL - 1 - QN_MIN(n, LABEL - 1)));
    QN_TRY(qn_buf_puts(d->out, text));
    return qn_buf_puts(d->out, d->t->utf8 ? (n ? " ┤" : " │") : " |");
}

static int rows(drawing *d) {
    double tick[QN_TICKS];
    const size_t n = qn_ticks(&d->span.y, QN_MAX((d->rows + 1) / 3, 2), tick);
    for (int r = 0; r < d->rows; r++) {
        int end = d->columns;
        while (end > 0 && !d->cells[r * d->columns + end - 1].letter && !d->cells[r * d->columns + end - 1].dots)
            end--;
        QN_TRY(label(d, r, tick, n));
        for (int i = 0; i < end; i++)
            QN_TRY(put_cell(d, &d->cells[r * d->columns + i]));
        QN_TRY(qn_buf_putc(d->out, '\n'));
    }
    return 0;
}

static int axis_line(drawing *d, const int *at, size_t n) {
    QN_TRY(blanks(d->out, LABEL));
    QN_TRY(qn_buf_puts(d->out, d->t->utf8 ? "└" : "+"));
    for (int i = 0, k = 0; i < d->columns; i++) {
        const bool tick = k < (int)n && at[k] == i;
        k += tick;
        QN_TRY(qn_buf_puts(d->out, d->t->utf8 ? (tick ? "┬" : "─") : tick ? "+" : "-"));
    }
    return qn_buf_putc(d->out, '\n');
}

static int axis_x(drawing *d) {
    double tick[QN_TICKS];
    int at[QN_TICKS], column = -1;
    const size_t n = qn_ticks(&d->span.x, QN_MAX(d->columns / 16, 2), tick);
    for (size_t k = 0; k < n; k++)
        at[k] = (int)round(qn_scale_at(&d->span.x, tick[k]) * (d->columns - 1));
    QN_TRY(axis_line(d, at, n));
    QN_TRY(blanks(d->out, LABEL));
    for (size_t k = 0; k < n; k++) {
        char text[QN_NUMBER_TEXT];
        const int wide = (int)strlen(qn_tick_text(tick[k], &d->span.x, text));
        const int from = QN_MAX(at[k] - wide / 2, column + 1);
        QN_TRY(blanks(d->out, from - column));
        QN_TRY(qn_buf_puts(d->out, text));
        column = from + wide;
    }
    QN_TRY(qn_buf_puts(d->out, " "));
    QN_TRY(qn_text_words(d->out, qn_str_of(d->p->x_name), 20, d->t));
    return qn_buf_putc(d->out, '\n');
}

/* "loss (nats)   ⠤ training   o validation   ╌ floor" */
static int heading(drawing *d) {
    QN_TRY(qn_text_words(d->out, qn_str_of(d->p->title), d->t->width, d->t));
    if (d->p->y_name)
        QN_TRY(qn_buf_puts(d->out, ", "));
    QN_TRY(qn_text_words(d->out, qn_str_of(d->p->y_name), d->t->width, d->t));
    size_t named = 0;
    for (size_t k = 0; k < d->p->n; k++)
        named += d->p->series[k].name != NULL;
    for (size_t k = 0; k < d->p->n && named + d->p->n_levels > 1; k++) {
        const qn_series *s = &d->p->series[k];
        const char c = letter_of(d, k);
        if (!s->name)
            continue;
        QN_TRY(qn_buf_printf(d->out, "   %s", color_of(d->t, s->color)));
        QN_TRY(c ? qn_buf_putc(d->out, c) : qn_buf_puts(d->out, "⠤"));
        QN_TRY(qn_buf_printf(d->out, "%s ", plain_of(d->t)));
        QN_TRY(qn_text_words(d->out, qn_str_of(s->name), 40, d->t));
    }
    for (size_t k = 0; k < d->p->n_levels; k++) {
        QN_TRY(qn_buf_printf(d->out, "   %s ", d->t->utf8 ? "╌" : "-"));
        QN_TRY(qn_text_words(d->out, qn_str_of(d->p->level[k].name), 40, d->t));
    }
    return qn_buf_putc(d->out, '\n');
}

static int draw(drawing *d) {
    for (int i = 0; i < d->rows * d->columns; i++)
        d->cells[i].color = -1;
    for (size_t k = 0; k < d->p->n; k++)
        if (d->p->series[k].name)
            curve(d, &d->p->series[k], letter_of(d, k));
    for (size_t k = 0; k < d->p->n_levels; k++)
        level(d, d->p->level[k].y);
    for (size_t k = 0; k < d->p->n_marks; k++)
        mark(d, d->p->mark[k]);
    QN_TRY(heading(d));
    QN_TRY(rows(d));
    return axis_x(d);
}

int qn_lines_text(qn_buf *out, const qn_lines *p, const qn_text_plot *t) {
    drawing d = {.out = out, .p = p, .t = t, .span = qn_lines_span(p)};
    d.columns = QN_MIN(QN_MAX(t->width, LEAST_WIDE), 1000) - LABEL - 2;
    d.rows = t->height > 0 ? QN_MIN(t->height, 200) : HIGH;
    d.cells = qn_zalloc(QN_MEM_BASE, (size_t)(d.rows * d.columns), sizeof *d.cells);
    const int rc = d.cells ? draw(&d) : QN_ENOMEM;
    qn_free(d.cells);
    return rc;
}

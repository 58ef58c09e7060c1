/* format/csv.c — rows of fields. */
#include "format/csv.h"

#include <string.h>

void qn_csv_init(qn_csv *c, const char *text, size_t n, const char *name) {
    *c = (qn_csv){.at = text, .end = text + n, .name = name, .next_line = 1};
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        c->at += 3;
}

void qn_csv_drop(qn_csv *c) {
    qn_free(c->field);
    qn_free(c->begin);
    qn_buf_drop(&c->text);
}

static bool at_end_of_field(const qn_csv *c) {
    return c->at == c->end || *c->at == ',' || *c->at == '\n' ||
           (*c->at == '\r' && (c->at + 1 == c->end || c->at[1] == '\n'));
}

static int quoted(qn_csv *c) {
    for (c->at++; c->at < c->end; c->at++) {
        if (*c->at == '"' && (c->at + 1 == c->end || c->at[1] != '"')) {
            c->at++;
            return at_end_of_field(c) ? 0 : qn_fail(QN_EFORMAT, "%s:%lld: text behind a closing quote; expected a "
                                                    "comma or the line's end", c->name, (long long)c->line);
        }
        c->at += *c->at == '"';
        c->next_line += *c->at == '\n';
        QN_TRY(qn_buf_putc(&c->text, *c->at));
    }
    return qn_fail(QN_EFORMAT, "%s:%lld: a quote is opened and never closed", c->name, (long long)c->line);
}

static int one_field(qn_csv *c) {
    QN_TRY(QN_GROW(QN_MEM_FORMAT, c->begin, c->begin_cap, c->fields + 1));
    c->begin[c->fields++] = c->text.n;
    if (c->at < c->end && *c->at == '"')
        return quoted(c);
    const char *from = c->at;
    while (!at_end_of_field(c))
        c->at++;
    return qn_buf_put(&c->text, from, (size_t)(c->at - from));
}

static void pass_line_end(qn_csv *c) {
    if (c->at < c->end && *c->at == '\r')
        c->at++;
    if (c->at < c->end && *c->at == '\n') {
        c->at++;
        c->next_line++;
    }
}

static int read_row(qn_csv *c) {
    for (;;) {
        QN_TRY(one_field(c));
        if (c->at == c->end || *c->at != ',')
            break;
        c->at++;
    }
    pass_line_end(c);
    QN_TRY(QN_GROW(QN_MEM_FORMAT, c->field, c->cap, c->fields));
    for (size_t i = 0; i < c->fields; i++) {
        const size_t end = i + 1 < c->fields ? c->begin[i + 1] : c->text.n;
        c->field[i] = (qn_str){c->text.s ? c->text.s + c->begin[i] : "", end - c->begin[i]};
    }
    return 1;
}

int qn_csv_next(qn_csv *c) {
    while (c->at < c->end && (*c->at == '\n' || (*c->at == '\r' && at_end_of_field(c))))
        pass_line_end(c);
    if (c->at == c->end)
        return 0;
    c->line = c->next_line;
    c->fields = 0;
    qn_buf_clear(&c->text);
    return read_row(c);
}

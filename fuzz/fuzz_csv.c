/* fuzz/fuzz_csv.c — tables of any bytes: every field is read, and a table written out of them reads back the same. */
#include "format/csv.h"

#include <stdint.h>
#include <string.h>

static int put_row(const qn_csv *c, qn_buf *out) {
    for (size_t f = 0; f < c->fields; f++) {
        QN_TRY(qn_buf_puts(out, f ? ",\"" : "\""));
        for (size_t i = 0; i < c->field[f].n; i++) {
            if (c->field[f].s[i] == '"')
                QN_TRY(qn_buf_putc(out, '"'));
            QN_TRY(qn_buf_putc(out, c->field[f].s[i]));
        }
        QN_TRY(qn_buf_putc(out, '"'));
    }
    return qn_buf_putc(out, '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    qn_buf out = {0};
    qn_csv c, again;
    qn_csv_init(&c, (const char *)data, size, "fuzz");
    while (qn_csv_next(&c) > 0) {
        qn_buf_clear(&out);
        qn_assert(put_row(&c, &out) == 0);
        qn_csv_init(&again, out.s, out.n, "again");
        qn_assert(qn_csv_next(&again) == 1 && again.fields == c.fields);
        for (size_t f = 0; f < c.fields; f++)
            qn_assert(qn_str_eq(again.field[f], c.field[f]));
        qn_csv_drop(&again);
    }
    qn_csv_drop(&c);
    qn_buf_drop(&out);
    return 0;
}

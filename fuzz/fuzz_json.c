/* fuzz/fuzz_json.c — any bytes: skipping and reading value by value must agree on what is JSON, and what the writer
 * makes of it must be JSON again, and the same again when read and written once more. */
#include <stdint.h>
#include <string.h>

#include "base/json.h"

/* The key as a C string in `text`, its NUL bytes shown: the writer's keys end at the first one. */
static int take_key(qn_buf *text, qn_str key) {
    qn_buf_clear(text);
    QN_TRY(qn_buf_put(text, key.s, key.n));
    for (size_t i = 0; i < text->n; i++)
        if (!text->s[i])
            text->s[i] = '0';
    return 0;
}

static int copy_scalar(qn_json *j, qn_jw *w, int kind, qn_buf *text) {
    double number;
    bool truth;
    switch (kind) {
    case '"':
        qn_buf_clear(text);
        QN_TRY(qn_json_string(j, text));
        qn_jw_str(w, qn_buf_view(text));
        return 0;
    case '0':
        QN_TRY(qn_json_f64(j, &number));
        qn_jw_f64(w, number);
        return 0;
    case 'n':
        QN_TRY(qn_json_null(j));
        qn_jw_null(w);
        return 0;
    default:
        QN_TRY(qn_json_bool(j, &truth));
        qn_jw_bool(w, truth);
        return 0;
    }
}

/* One document from j to w, by a loop rather than by recursion, as qn_json_skip does it. */
static int copy_document(qn_json *j, qn_jw *w, qn_buf *text) {
    for (;;) {
        int kind = qn_json_peek(j), more = 0;
        QN_TRY(kind);
        if (kind == '{' || kind == '[') {
            QN_TRY(qn_json_enter(j, (char)kind));
            qn_jw_open(w, (char)kind);
        } else {
            QN_TRY(copy_scalar(j, w, kind, text));
        }
        while (j->depth > 0 && more == 0) {
            qn_str key;
            bool object = j->stack[j->depth - 1] == '{';
            more = object ? qn_json_key(j, &key) : qn_json_item(j);
            QN_TRY(more);
            if (more == 0) {
                qn_jw_close(w);
            } else if (object) {
                QN_TRY(take_key(text, key));
                qn_jw_key(w, text->s);
            }
        }
        if (more == 0)
            return qn_json_end(j);
    }
}

static int copy(qn_str in, qn_buf *out, int indent) {
    qn_json j;
    qn_jw w;
    qn_buf text = {0};
    qn_json_init(&j, in.s, in.n, "fuzz");
    qn_jw_init(&w, out, indent);
    int rc = copy_document(&j, &w, &text);
    if (rc == 0)
        rc = qn_jw_end(&w);
    qn_json_drop(&j);
    qn_buf_drop(&text);
    return rc;
}

static int skip(qn_str in) {
    qn_json j;
    qn_json_init(&j, in.s, in.n, "fuzz");
    QN_TRY(qn_json_skip(&j));
    return qn_json_end(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    qn_buf once = {0}, twice = {0};
    char *bytes = qn_alloc(QN_MEM_TEST, size);           /* exactly as long: looking further is seen */
    if (!bytes)
        return 0;
    memcpy(bytes, data, size);
    qn_str in = {bytes, size};
    int skipped = skip(in), copied = copy(in, &once, 2);
    bool too_large = copied < 0 && strstr(qn_error_message(), "is too large for a number");
    qn_assert(copied == skipped || too_large);           /* 1e999 is JSON, but no double */
    if (copied == 0) {
        qn_assert(skip(qn_buf_view(&once)) == 0);
        qn_assert(copy(qn_buf_view(&once), &twice, 2) == 0);
        qn_assert(qn_str_eq(qn_buf_view(&once), qn_buf_view(&twice)));
    }
    qn_buf_drop(&once);
    qn_buf_drop(&twice);
    qn_free(bytes);
    return 0;
}

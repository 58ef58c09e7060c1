/* graph/tensor.c — shapes: counting and showing. */
#include "graph/tensor.h"

#include <stdio.h>

int64_t qn_shape_row(const qn_shape *s) {
    int64_t n = 1;
    for (int i = 1; i < s->rank; i++)
        n *= s->dim[i];
    return n;
}

int64_t qn_tensor_row(const qn_tensor *t) {
    int64_t n = 1;
    for (int i = 1; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

int64_t qn_tensor_numel(const qn_tensor *t) {
    return t->rank ? t->dim[0] * qn_tensor_row(t) : 1;
}

const char *qn_shape_text(const qn_shape *s) {
    static const char *const symbol[QN_DIM_SYMBOLS] = {"T", "S"};
    static _Thread_local char text[QN_MAX_RANK * 22 + 3];
    size_t n = 0;
    text[n++] = '[';
    for (int i = 0; i < s->rank; i++) {
        const char *comma = i ? "," : "";
        const int64_t d = s->dim[i];
        const int w = d < 0 ? snprintf(text + n, sizeof text - n, "%s%s", comma, symbol[-d - 1])
                            : snprintf(text + n, sizeof text - n, "%s%lld", comma, (long long)d);
        n += (size_t)w;
    }
    text[n++] = ']';
    text[n] = 0;
    return text;
}

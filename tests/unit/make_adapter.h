/* tests/unit/make_adapter.h — adapters with numbers in them: B filled as parameters of tests are, magnitudes a little
 * off the lengths that they begin with. */
#ifndef QN_TESTS_UNIT_MAKE_ADAPTER_H
#define QN_TESTS_UNIT_MAKE_ADAPTER_H

#include "make_model.h"
#include "model/adapter.h"
#include "test.h"

/* `salt` tells one from another; B is as large as makes s·B·A a tenth or so of the weight. */
QN_UNUSED static void fill_adapter(qn_adapter *a, const char *salt) {
    for (size_t i = 0; i < a->n; i++) {
        qn_lora *l = &a->lora[i];
        char name[160];
        snprintf(name, sizeof name, "%s.%lld.%s", salt, (long long)l->layer, l->p->gguf);
        float *b = test_fill_values(name, l->rows * l->rank, 0.05f);
        qn_lora_pack(&l->b, b);
        qn_free(b);
        for (int64_t r = 0; r < l->rows && l->magnitude; r++)
            l->magnitude[r] *= 1 + 0.2f * qn_fill_value(qn_fill_salt(name), (uint64_t)r, 1);
    }
}

QN_UNUSED static qn_adapter *make_adapter(const qn_model *m, const qn_lora_options *o, const char *salt) {
    qn_adapter *a;
    CHECK_OK(qn_adapter_fresh(&a, m, o, NULL), "%s", salt);
    fill_adapter(a, salt);
    CHECK_OK(qn_adapter_lengths(a, m, NULL), "%s", salt);
    return a;
}

/* A matrix of a pair, row by row; to be freed. */
QN_UNUSED static float *lora_values(const qn_tensor *t) {
    float *v = qn_alloc(QN_MEM_TEST, (size_t)(t->dim[0] * t->dim[1]) * sizeof *v);
    qn_assert(v);
    qn_lora_unpack(t, v);
    return v;
}

#endif

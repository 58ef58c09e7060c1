/* kernels/dispatch.c — from the list of rows to tables of functions: one per level, and the judge's.
 *
 * Of the rows of a family that a level allows the last in the list wins, so the list stands in ascending order. A
 * product may have several rows at one level, by the number of activation rows; a higher level's rows replace a lower
 * level's together, because levels never mix in a run. */
#include "kernels/kernels.h"

#include <stdatomic.h>

static qn_kernels tables[QN_ISA_LEVELS], judge;

static void linear_add(qn_kernels *k, qn_dtype weight, qn_linear_row row) {
    qn_linear_row *rows = k->linear[weight];
    if (!qn_isa_uses(k->isa, row.isa))
        return;
    if (rows[0].fn && rows[0].isa != row.isa) {
        qn_assert(rows[0].isa < row.isa);
        memset(rows, 0, sizeof k->linear[weight]);
    }
    int n = 0;
    while (n < QN_LINEAR_ROWS && rows[n].fn)
        n++;
    qn_assert(n < QN_LINEAR_ROWS);
    rows[n] = row;
}

#define QN_LINEAR(weight, m_min, m_max, level, f) \
    linear_add(k, QN_##weight, (qn_linear_row){.fn = f, m_min, m_max, #f, QN_ISA_##level});
#define QN_STORED(weight, first, last, f) \
    if (QN_ISA_##first <= k->isa && k->isa <= QN_ISA_##last) k->stored[QN_##weight] = f;
#define QN_ATTN(kv, level, f) if (qn_isa_uses(k->isa, QN_ISA_##level)) k->attn[QN_##kv] = f;
#define QN_PACK(form, level, f) if (qn_isa_uses(k->isa, QN_ISA_##level)) k->act_pack[QN_ACT_##form] = f;
#define QN_KERNEL(family, level, f) if (qn_isa_uses(k->isa, QN_ISA_##level)) k->family = f;

static void table_fill(qn_kernels *k, qn_isa isa) {
    k->isa = isa;
    k->real = sizeof(float);
#include "kernels/kernel_list.inc"
}

static void judge_fill(qn_kernels *k) {
    k->isa = QN_ISA_SCALAR;
    k->real = sizeof(double);
#include "kernels/kernel_list_judge.inc"
}

#undef QN_LINEAR
#undef QN_STORED
#undef QN_ATTN
#undef QN_PACK
#undef QN_KERNEL

/* Whoever comes first makes all tables, those of levels that this machine lacks, too; the others wait for the
 * microseconds that it takes. */
static void tables_make_once(void) {
    enum { NOT_YET, BUSY, DONE };
    static atomic_int state = NOT_YET;
    int expected = NOT_YET;
    if (atomic_load_explicit(&state, memory_order_acquire) == DONE)
        return;
    if (atomic_compare_exchange_strong(&state, &expected, BUSY)) {
        for (int i = 0; i < QN_ISA_LEVELS; i++)
            table_fill(&tables[i], (qn_isa)i);
        judge_fill(&judge);
        atomic_store_explicit(&state, DONE, memory_order_release);
    }
    while (atomic_load_explicit(&state, memory_order_acquire) != DONE)
        ;
}

const qn_kernels *qn_kernels_at(qn_isa cap) {
    tables_make_once();
    return &tables[qn_isa_fit(cap)];
}

const qn_kernels *qn_kernels_judge(void) {
    tables_make_once();
    return &judge;
}

qn_linear_fn *qn_linear_pick(const qn_kernels *k, qn_dtype weight, int64_t m) {
    const qn_linear_row *rows = k->linear[weight];
    qn_linear_fn *fn = NULL;
    for (int i = 0; i < QN_LINEAR_ROWS && rows[i].fn; i++)
        if (rows[i].m_min <= m && m <= rows[i].m_max)
            fn = rows[i].fn;
    qn_assert(fn);
    return fn;
}

/* model/adapter_numbers.c — the numbers of PEFT's files back into an adapter that is there: a run that is taken up.
 *
 * adapter_pairs.c makes of a file the pairs that it needs; here pairs are known, and where each lies in a file is what
 * adapter_group.c decided when it was written. So a checkpoint needs no second copy of them:
 *
 *     A  [3r,K]   Aq │ Ak │ Av, one below the other; or one A that is all of theirs
 *     B  [3N,3r]  the block of rows and columns that a part has; or its rows alone
 */
#include <string.h>

#include "format/safetensors.h"
#include "model/adapter_impl.h"

typedef struct {
    const qn_adapter *a;
    const qn_config *c;
    const qn_tensor_file *f;
    qn_buf module, name;
} taking;

/* The tensor t->name, of so many numbers. */
static int need(taking *t, int64_t numbers, const float **out) {
    const qn_tensor_info *info;
    QN_TRY(qn_tensor_need(t->f, t->name.s, &info));
    if (info->dtype != QN_F32 || qn_tensor_elements(info) != numbers || (uintptr_t)info->data % sizeof(float))
        return qn_fail(QN_ESHAPE, "%s: %s holds %lld numbers of %s; this run's adapter has %lld of F32 there",
                       t->f->name, t->name.s, (long long)qn_tensor_elements(info), info->type, (long long)numbers);
    *out = (const float *)(const void *)info->data;
    return 0;
}

/* Likewise, by the name that `which` has in a group. */
static int need_part(taking *t, const qn_adapter_group *g, qn_lora_tensor which, int64_t numbers, const float **out) {
    QN_TRY(qn_adapter_module(t->a->arch, g->part[0], false, g->layer, &t->module));
    QN_TRY(qn_adapter_tensor_name(t->module.s, false, which, &t->name));
    return need(t, numbers, out);
}

/* How many rows A has in the file: of one pair for all parts, or of all of theirs. */
static int rank_in_file(taking *t, const qn_adapter_group *g, int64_t *rank) {
    const qn_tensor_info *info;
    int64_t sum = 0, one = 0;
    bool equal = true;
    for (int i = 0; i < g->parts; i++) {
        const int64_t r = g->pair[i] ? g->pair[i]->rank : 0;
        equal = equal && (i == 0 || r == one);
        one = i == 0 ? r : one;
        sum += r;
    }
    QN_TRY(qn_adapter_module(t->a->arch, g->part[0], false, g->layer, &t->module));
    QN_TRY(qn_adapter_tensor_name(t->module.s, false, QN_LORA_A, &t->name));
    QN_TRY(qn_tensor_need(t->f, t->name.s, &info));
    *rank = equal && info->rank == 2 && info->dims[0] == one ? one : sum;
    return 0;
}

/* The block of B that a pair has. */
static void take_b(const qn_lora *l, const float *b, int64_t width, float *room) {
    for (int64_t r = 0; r < l->rows; r++)
        memcpy(room + r * l->rank, b + r * width, (size_t)l->rank * sizeof *room);
    qn_lora_pack(&l->b, room);
}

static int take_group(taking *t, const qn_adapter_group *g, float *room) {
    const float *a, *b, *m = NULL;
    int64_t rank, row = 0, column = 0;
    QN_TRY(rank_in_file(t, g, &rank));
    QN_TRY(need_part(t, g, QN_LORA_A, rank * g->cols, &a));
    QN_TRY(need_part(t, g, QN_LORA_B, g->rows * rank, &b));
    if (t->a->dora)
        QN_TRY(need_part(t, g, QN_LORA_MAGNITUDE, g->rows, &m));
    for (int i = 0; i < g->parts; i++) {
        const qn_lora *l = g->pair[i];
        int64_t dim[2];
        qn_param_shape(g->part[i], t->c, dim);
        if (l) {
            const bool shared = g->parts > 1 && rank == l->rank;
            qn_lora_pack(&l->a, a + (shared ? 0 : column) * g->cols);
            take_b(l, b + row * rank + (shared ? 0 : column), rank, room);
            if (m)
                memcpy(l->magnitude, m + row, (size_t)l->rows * sizeof *m);
            column += l->rank;
        }
        row += dim[0];
    }
    return 0;
}

static int take_groups(taking *t) {
    qn_adapter_group *g = qn_alloc(QN_MEM_SCRATCH, t->a->n * sizeof *g);
    size_t widest = 0;
    for (size_t i = 0; i < t->a->n; i++)
        widest = QN_MAX(widest, (size_t)(t->a->lora[i].rows * t->a->lora[i].rank));
    float *room = qn_alloc(QN_MEM_SCRATCH, widest * sizeof *room);
    const size_t n = g ? qn_adapter_groups(t->a, t->c, g) : 0;
    int rc = g && room ? 0 : QN_ENOMEM;
    for (size_t i = 0; i < n && rc >= 0; i++)
        rc = take_group(t, &g[i], room);
    qn_free(room);
    qn_free(g);
    return rc;
}

static int take_tokens(taking *t) {
    const qn_tensor *const rows[] = {&t->a->embed, &t->a->head};
    for (int head = 0; head < 2; head++) {
        const qn_tensor *to = rows[head];
        const float *from;
        if (!to->rank)
            continue;
        QN_TRY(qn_adapter_tokens_tensor(t->a->arch, head, &t->name));
        QN_TRY(need(t, to->dim[0] * to->dim[1], &from));
        qn_lora_pack(to, from);
    }
    return 0;
}

int qn_adapter_load(qn_adapter *a, const qn_config *c, const char *dir) {
    taking t = {.a = a, .c = c};
    qn_safetensors *st = NULL;
    qn_buf path = {0};
    int rc;
    QN_TRY_OUT(qn_path_join(&path, dir, QN_PEFT_WEIGHTS));
    QN_TRY_OUT(qn_safetensors_open(&st, path.s));
    t.f = qn_safetensors_tensors(st);
    QN_TRY_OUT(take_groups(&t));
    rc = take_tokens(&t);
out:
    qn_safetensors_close(st);
    qn_buf_drop(&path);
    qn_buf_drop(&t.module);
    qn_buf_drop(&t.name);
    return rc;
}

/* model/stack.c — the shared stack: parameters and a spec to a graph.
 *
 *   ids ─ embed ─ x ─┬─ norm ─ q,k,v ─ rope ─ attention ─ o ─ + ─┬─ norm ─ gate,up ─ glu ─ down ─ + ─ … ─ norm ─ head
 *                    └────────────────────────────────────────┘  └────────────────────────────────┘
 *
 * By the spec norm is layernorm, a table of positions is added to the embedding in place of rope, up ─ act stands where
 * gate,up ─ glu does. Where norms stand behind the residual, as in BERT:
 *
 *   ids ─ embed ─ norm ─ x ─┬─ q,k,v ─ attention ─ o ─ + ─ norm ─┬─ up ─ act ─ down ─ + ─ norm ─ …
 *                           └──────────────────────────┘         └───────────────────┘
 *
 * Every product asks for its input in the form that its weight's dtype multiplies with; a form is made once per value
 * and shared. Adapters stand behind the products, as nodes of their own. Only this file knows that there is a cache.
 * Nothing here asks whether a gradient will be taken. */
#include "model/adapter.h"
#include "ops/attention.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- a small language for building: errors are kept in b->rc, refs become negative and pass through ---- */

typedef struct {
    const qn_model *m;
    qn_graph *g;
    const qn_graph_options *o;
    int64_t layer;
    int rc;
    bool whole;                         /* texts are read whole: the cache has one layer */
    qn_ref rope_table, types;
    qn_ref table;                       /* the embedding, once it is a value of the graph; it is never the first */
    qn_ref rows[QN_ADAPTERS];           /* likewise an adapter's rows of it */
    struct { qn_ref from, value; } packed[QN_ACT_F64];      /* per form: the last value that was packed into it */
} build;

static qn_ref keep_error(build *b, qn_ref r) {
    if (r < 0 && b->rc == 0)
        b->rc = r;
    return r;
}

/* "blk.<layer>.<name>" for each name; names are separated by spaces. */
static const char *block_names(const build *b, const char *names, char *out, size_t cap) {
    size_t used = 0;
    out[0] = 0;
    for (const char *at = names + strspn(names, " "); *at; at += strspn(at, " ")) {
        const int n = (int)strcspn(at, " ");
        const char *space = used ? " " : "";
        used += (size_t)snprintf(out + used, cap - used, "%sblk.%lld.%.*s", space, (long long)b->layer, n, at);
        at += n;
    }
    return out;
}

static qn_ref node(build *b, const qn_op *op, const char *names, const qn_ref *in, int n_in, int n_out,
                   const void *attr) {
    char full[256];
    if (b->rc < 0)
        return b->rc;
    return keep_error(b, qn_graph_node(b->g, op, b->layer < 0 ? names : block_names(b, names, full, sizeof full), in,
                                       n_in, n_out, attr));
}

static qn_ref view(build *b, const char *name, qn_ref of, qn_shape shape) {
    char full[128];
    if (b->rc < 0)
        return b->rc;
    return keep_error(b, qn_graph_view(b->g, block_names(b, name, full, sizeof full), of, shape));
}

static qn_ref param(build *b, qn_param_id id) {
    const qn_tensor *t = qn_model_param(b->m, id, b->layer);
    qn_buf name = {0};
    if (b->rc < 0)
        return b->rc;
    if (t->rank == 0)
        return keep_error(
            b, qn_fail(QN_EINVAL, "%s: the stack needs a parameter that the family does not have", b->m->arch->name));
    int rc = qn_param_name(qn_arch_param(b->m->arch, id), true, b->layer, &name);
    if (rc >= 0)
        rc = qn_graph_param(b->g, name.s, t);
    qn_buf_drop(&name);
    return keep_error(b, rc);
}

static bool has(const build *b, qn_param_id id) { return qn_model_param(b->m, id, b->layer)->rank > 0; }

/* x in the form that weights of dtype w multiply with. */
static qn_ref in_form(build *b, qn_ref x, qn_dtype w) {
    const qn_act_form form = qn_act_form_of(w);
    const qn_act_pack_attr attr = {w};
    char name[96];
    if (b->rc < 0 || form == QN_ACT_F32 || form == QN_ACT_F64)
        return x;
    if (b->packed[form].value > 0 && b->packed[form].from == x)     /* a packed value is never the first of a graph */
        return b->packed[form].value;
    snprintf(name, sizeof name, "%s.%s", qn_graph_name(b->g, x), form == QN_ACT_BF16 ? "bf16" : "q8");
    b->packed[form].from = x;
    b->packed[form].value = keep_error(b, qn_graph_node(b->g, &qn_op_act_pack, name, &x, 1, 1, &attr));
    return b->packed[form].value;
}

/* ---- products ---- */

enum { GROUP = 3 };                     /* most products that read one x */

typedef struct { qn_param_id weight, bias; const char *name; } product;

static qn_dtype weight_dtype(const build *b, const product *p) {
    return qn_model_param(b->m, p->weight, b->layer)->dtype;
}

/* y[i] = x · W_i + b_i for the products of a group; neighbours whose weights ask for the same form become one node. */
static void plain_products(build *b, qn_ref x, const product *p, int n, qn_ref *y, qn_ref *bias) {
    for (int first = 0, end; first < n; first = end) {
        const qn_dtype dtype = weight_dtype(b, &p[first]);
        qn_ref in[QN_OP_INS];
        qn_linear_attr attr = {0, 0};
        char names[160];
        size_t len = 0;
        int n_in = 1;
        for (end = first; end < n && qn_act_form_of(weight_dtype(b, &p[end])) == qn_act_form_of(dtype); end++) {
            in[n_in++] = param(b, p[end].weight);
            attr.bias |= has(b, p[end].bias) << attr.n++;
            len += (size_t)snprintf(names + len, sizeof names - len, "%s ", p[end].name);
        }
        for (int i = first; i < end; i++)
            if (has(b, p[i].bias))
                in[n_in++] = bias[i] = param(b, p[i].bias);
        in[0] = in_form(b, x, dtype);
        attr.bias |= b->o->half_walk ? QN_LINEAR_HALF : 0;
        const qn_ref out = node(b, &qn_op_linear, names, in, n_in, attr.n, &attr);
        for (int i = first; i < end; i++)
            y[i] = out < 0 ? out : out + (i - first);
    }
}

/* What one adapter has for the products of a group. */
typedef struct {
    int number;                         /* of the adapter */
    const qn_lora *pair[GROUP];
    qn_ref u[GROUP];                    /* x·Aᵀ */
    int n, of[GROUP];                   /* which products have a pair */
} low_rank;

static qn_ref part_of(build *b, const low_rank *r, const qn_lora *l, const char *part, const qn_tensor *t) {
    qn_buf name = {0}, full = {0};
    if (b->rc < 0)
        return b->rc;
    int rc = qn_lora_name(l, part, &name);
    if (rc >= 0)
        rc = r->number ? qn_buf_printf(&full, "%d.%s", r->number, name.s) : qn_buf_puts(&full, name.s);
    if (rc >= 0)
        rc = qn_graph_param(b->g, full.s, t);
    qn_buf_drop(&name);
    qn_buf_drop(&full);
    return keep_error(b, rc);
}

static qn_ref numbers_of(build *b, const low_rank *r, const qn_lora *l, const char *part, float *data) {
    const qn_tensor t = {.dtype = QN_F32, .rank = 1, .dim = {l->rows}, .stride = 1, .data = data};
    return part_of(b, r, l, part, &t);
}

/* A site for each adapter of each group, behind those of the residual stream. */
static qn_ref drop_low(build *b, qn_ref x, const low_rank *r, const product *first) {
    const int64_t group = b->layer * QN_DRAWN_PARAMS + first->weight, before = 1 + 2 * b->m->cfg.layers;
    const qn_dropout_attr attr = {b->o->lora_dropout, before + group * QN_ADAPTERS + r->number};
    char name[96];
    snprintf(name, sizeof name, "%s.lora%d.x", first->name, r->number);
    return b->o->lora_dropout > 0 ? node(b, &qn_op_dropout, name, &x, 1, 1, &attr) : x;
}

static void first_products(build *b, qn_ref x, const product *p, low_rank *r) {
    const qn_linear_attr attr = {r->n, b->o->half_walk ? QN_LINEAR_HALF : 0};
    char names[160];
    size_t len = 0;
    qn_ref in[1 + GROUP] = {drop_low(b, x, r, &p[r->of[0]])};
    for (int i = 0; i < r->n; i++) {
        in[1 + i] = part_of(b, r, r->pair[i], "lora_a", &r->pair[i]->a);
        len += (size_t)snprintf(names + len, sizeof names - len, "%s.lora%d.u ", p[r->of[i]].name, r->number);
    }
    const qn_ref u = node(b, &qn_op_linear, names, in, 1 + r->n, r->n, &attr);
    for (int i = 0; i < r->n; i++)
        r->u[i] = u < 0 ? u : u + i;
}

static void second_products(build *b, const product *p, const low_rank *r, qn_ref *y) {
    qn_lora_attr attr = {.n = r->n, .adapter = r->number, .half = b->o->half_walk};
    char names[160];
    size_t len = 0;
    qn_ref in[3 * GROUP];
    for (int i = 0; i < r->n; i++) {
        in[3 * i] = y[r->of[i]];
        in[3 * i + 1] = r->u[i];
        in[3 * i + 2] = part_of(b, r, r->pair[i], "lora_b", &r->pair[i]->b);
        attr.scale[i] = r->pair[i]->scale;
        len += (size_t)snprintf(names + len, sizeof names - len, "%s.lora%d ", p[r->of[i]].name, r->number);
    }
    const qn_ref out = node(b, &qn_op_lora, names, in, 3 * r->n, r->n, &attr);
    for (int i = 0; i < r->n; i++)
        y[r->of[i]] = out < 0 ? out : out + i;
}

static void second_products_dora(build *b, const product *p, const low_rank *r, qn_ref *y, const qn_ref *bias) {
    char name[96];
    for (int i = 0; i < r->n; i++) {
        const qn_lora *l = r->pair[i];
        const int of = r->of[i];
        const qn_dora_attr attr = {r->number, l->scale, b->o->half_walk};
        const qn_ref in[] = {y[of], r->u[i], part_of(b, r, l, "lora_b", &l->b),
                             numbers_of(b, r, l, "lora_m", l->magnitude), numbers_of(b, r, l, "lora_l", l->length),
                             bias[of]};
        snprintf(name, sizeof name, "%s.lora%d", p[of].name, r->number);
        y[of] = node(b, &qn_op_dora, name, in, bias[of] >= 0 ? 6 : 5, 1, &attr);
    }
}

/* y[i] = x · W_i + b_i and what adapters add to it, one behind the other. */
static void products(build *b, qn_ref x, const product *p, int n, qn_ref *y) {
    qn_ref bias[GROUP] = {-1, -1, -1};
    plain_products(b, x, p, n, y, bias);
    for (int a = 0; a < b->o->n_adapters && b->rc == 0; a++) {
        low_rank r = {.number = a};
        for (int i = 0; i < n; i++)
            if ((r.pair[r.n] = qn_adapter_find(b->o->adapter[a], p[i].weight, b->layer)) != NULL)
                r.of[r.n++] = i;
        if (r.n == 0)
            continue;
        first_products(b, x, p, &r);
        if (b->o->adapter[a]->dora)
            second_products_dora(b, p, &r, y, bias);
        else
            second_products(b, p, &r, y);
    }
}

static qn_ref norm(build *b, const char *name, qn_ref x, qn_param_id weight, qn_param_id bias) {
    const bool biased = has(b, bias);
    const qn_ref in[] = {x, param(b, weight), biased ? param(b, bias) : x};
    if (b->m->spec.norm == QN_NORM_LAYER)
        return node(b, &qn_op_layernorm, name, in, biased ? 3 : 2, 1, &(qn_layernorm_attr){b->m->cfg.norm_eps});
    return node(b, &qn_op_rmsnorm, name, in, 2, 1, &(qn_rmsnorm_attr){b->m->cfg.norm_eps});
}

static qn_ref add(build *b, const char *name, qn_ref x, qn_ref y) {
    const qn_ref in[] = {x, y};
    return node(b, &qn_op_add, name, in, 2, 1, NULL);
}

/* ---- the two halves of a block ---- */

/* Without RoPE the heads as they are. */
static qn_ref rope(build *b, const char *name, qn_ref heads) {
    const qn_ref in[] = {heads, b->rope_table};
    if (b->m->spec.position != QN_POS_ROPE)
        return heads;
    return node(b, &qn_op_rope, name, in, 2, 1, NULL);
}

static qn_ref attention(build *b, qn_ref x) {
    static const product qkv[] = {
        {QN_P_Q, QN_P_Q_BIAS, "attn.q"}, {QN_P_K, QN_P_K_BIAS, "attn.k"}, {QN_P_V, QN_P_V_BIAS, "attn.v"}};
    static const product out = {QN_P_O, QN_P_O_BIAS, "attn.o"};
    const qn_config *c = &b->m->cfg;
    const qn_stack_spec *s = &b->m->spec;
    const double scale = s->score_scale > 0 ? s->score_scale : 1 / sqrt((double)c->Dh);
    const qn_attention_attr attr = {
        .layer = b->whole ? 0 : b->layer, .window = s->window, .both = s->mask == QN_MASK_BOTH,
        .kv = b->o->kv, .max_context = b->o->max_context, .scale = (float)scale, .cap = (float)s->score_cap,
    };
    const qn_shape queries = {3, {QN_DIM_T, c->heads, c->Dh}}, keys = {3, {QN_DIM_T, c->kv_heads, c->Dh}};
    const qn_shape flat = {2, {QN_DIM_T, c->heads * c->Dh}};
    qn_ref y[3], z;
    products(b, x, qkv, 3, y);
    const qn_ref in[] = {
        rope(b, "attn.q_rope", view(b, "attn.q_heads", y[0], queries)),
        rope(b, "attn.k_rope", view(b, "attn.k_heads", y[1], keys)),
        view(b, "attn.v_heads", y[2], keys),
    };
    const qn_ref heads = node(b, &qn_op_attention, "attn.heads", in, 3, 1, &attr);
    products(b, view(b, "attn.out", heads, flat), &out, 1, &z);
    return z;
}

static qn_ref feed_forward(build *b, qn_ref x) {
    static const product gate_up[] = {{QN_P_GATE, QN_P_GATE_BIAS, "ffn.gate"}, {QN_P_UP, QN_P_UP_BIAS, "ffn.up"}};
    static const product down = {QN_P_DOWN, QN_P_DOWN_BIAS, "ffn.down"};
    qn_ref y[2], z;
    if (b->m->spec.ffn == QN_FFN_PLAIN) {
        products(b, x, &gate_up[1], 1, y);
        y[0] = node(b, &qn_op_act, "ffn.hidden", y, 1, 1, &(qn_act_attr){b->m->spec.act});
    } else {
        products(b, x, gate_up, 2, y);
        y[0] = node(b, &qn_op_glu, "ffn.hidden", y, 2, 1, &(qn_glu_attr){b->m->spec.act});
    }
    products(b, y[0], &down, 1, &z);
    return z;
}

/* ---- body and head ---- */

static qn_ref look_up(build *b, const char *name, qn_ref index, qn_ref table) {
    const qn_ref in[] = {index, table};
    return node(b, &qn_op_embed, name, in, 2, 1, NULL);
}

/* A table of positions ends somewhere. */
static int check_context(const build *b) {
    if (b->o->max_context <= b->m->cfg.context)
        return 0;
    return qn_fail(QN_ECONTEXT, "a context of %lld tokens is asked for; this model knows %lld positions and no more",
                   (long long)b->o->max_context, (long long)b->m->cfg.context);
}

static qn_ref rows_of(build *b, int number, bool head, const qn_tensor *t) {
    qn_buf name = {0}, full = {0};
    if (b->rc < 0)
        return b->rc;
    int rc = qn_tokens_name(b->o->adapter[number], head, &name);
    if (rc >= 0)
        rc = number ? qn_buf_printf(&full, "%d.%s", number, name.s) : qn_buf_puts(&full, name.s);
    if (rc >= 0)
        rc = qn_graph_param(b->g, full.s, t);
    qn_buf_drop(&name);
    qn_buf_drop(&full);
    return keep_error(b, rc);
}

static qn_token_rows_attr tokens_of(const build *b, int number) {
    const qn_adapter *a = b->o->adapter[number];
    return (qn_token_rows_attr){a->token, a->n_tokens, a->rows, number};
}

/* The rows of a token that an adapter has, in the place of what the embedding says. */
static qn_ref own_rows(build *b, qn_ref x, qn_ref ids) {
    char name[32];
    for (int a = 0; a < b->o->n_adapters && b->rc == 0; a++) {
        const qn_token_rows_attr attr = tokens_of(b, a);
        if (attr.n == 0)
            continue;
        b->rows[a] = rows_of(b, a, false, &b->o->adapter[a]->embed);
        snprintf(name, sizeof name, "embed.lora%d", a);
        x = node(b, &qn_op_token_rows, name, (qn_ref[]){x, ids, b->rows[a]}, 3, 1, &attr);
    }
    return x;
}

static qn_ref embed(build *b, qn_ref ids, qn_ref positions) {
    b->table = param(b, QN_P_EMBED);
    if (b->m->spec.position != QN_POS_LEARNED)
        return own_rows(b, look_up(b, "embed", ids, b->table), ids);
    keep_error(b, check_context(b));
    qn_ref x = own_rows(b, look_up(b, "embed.tokens", ids, b->table), ids);
    if (b->types >= 0)
        x = add(b, "embed.typed", x, look_up(b, "embed.types", b->types, param(b, QN_P_TYPES)));
    x = add(b, "embed", x, look_up(b, "embed.positions", positions, param(b, QN_P_POSITIONS)));
    return has(b, QN_P_EMBED_NORM) ? norm(b, "embed.norm", x, QN_P_EMBED_NORM, QN_P_EMBED_NORM_BIAS) : x;
}

static void rope_table(build *b, qn_ref positions) {
    qn_rope_attr attr = {.rot = b->m->cfg.rope.rot};
    qn_rope_frequencies(&b->m->cfg.rope, attr.freq, &attr.factor);
    b->rope_table = node(b, &qn_op_rope_table, "rope", &positions, 1, 1, &attr);
}

static qn_ref input(build *b, const char *name, qn_dtype dtype, qn_shape shape) {
    return keep_error(b, qn_graph_input(b->g, name, dtype, shape));
}

/* Where the graph is asked to: some elements of what enters the residual stream are left out (Srivastava et al. 2014),
 * at the three places where GPT-2 does. */
static qn_ref drop(build *b, const char *name, qn_ref x, int site) {
    const qn_dropout_attr attr = {b->o->dropout, site < 0 ? 0 : 1 + 2 * b->layer + site};
    return b->o->dropout > 0 ? node(b, &qn_op_dropout, name, &x, 1, 1, &attr) : x;
}

static qn_ref noise(build *b, qn_ref x) {
    const qn_noise_attr attr = {b->o->neftune};
    return b->o->neftune > 0 ? node(b, &qn_op_noise, "embed.noise", &x, 1, 1, &attr) : x;
}

/* x + f(norm(x)), or norm(x + f(x)). */
static qn_ref half_block(build *b, qn_ref x, const char *const name[3], qn_param_id weight, qn_param_id bias,
                         qn_ref (*f)(build *b, qn_ref x), int site) {
    const bool before = b->m->spec.norm_place == QN_NORM_PRE;
    const qn_ref y = f(b, before ? norm(b, name[0], x, weight, bias) : x);
    x = add(b, name[1], x, drop(b, name[2], y, site));
    return before ? x : norm(b, name[0], x, weight, bias);
}

static qn_ref body(build *b, qn_ref ids, qn_ref positions) {
    static const char *const attn[] = {"attn.norm", "attn.residual", "attn.drop"};
    static const char *const ffn[] = {"ffn.norm", "ffn.residual", "ffn.drop"};
    b->types = has(b, QN_P_TYPES) ? input(b, "types", QN_I32, (qn_shape){1, {QN_DIM_T}}) : -1;
    if (b->m->spec.position == QN_POS_ROPE)
        rope_table(b, positions);
    qn_ref x = drop(b, "embed.drop", noise(b, embed(b, ids, positions)), -1);
    for (b->layer = 0; b->layer < b->m->cfg.layers && b->rc == 0; b->layer++) {
        qn_graph_anchor(b->g, x);
        x = half_block(b, x, attn, QN_P_ATTN_NORM, QN_P_ATTN_NORM_BIAS, attention, 0);
        x = half_block(b, x, ffn, QN_P_FFN_NORM, QN_P_FFN_NORM_BIAS, feed_forward, 1);
    }
    b->layer = -1;
    return x;
}

/* The wanted rows of the last residual after the last norm. */
static qn_ref hidden(build *b, qn_ref residual, qn_ref index) {
    const qn_ref in[] = {residual, index};
    const qn_ref wanted = node(b, &qn_op_rows, "wanted", in, 2, 1, NULL);
    return norm(b, "hidden", wanted, QN_P_OUT_NORM, QN_P_OUT_NORM_BIAS);
}

/* The head's weight; tied: the embedding, which a graph that also has a body knows already. */
static qn_ref head_weight(build *b, qn_dtype *dtype) {
    const qn_param_id id = has(b, QN_P_HEAD) ? QN_P_HEAD : QN_P_EMBED;
    *dtype = qn_model_param(b->m, id, -1)->dtype;
    return id == QN_P_EMBED && b->table > 0 ? b->table : param(b, id);
}

int qn_model_body(const qn_model *m, qn_graph *g, const qn_graph_options *o, qn_body_refs *refs) {
    build b = {.m = m, .g = g, .o = o, .layer = -1};
    refs->ids = input(&b, "ids", QN_I32, (qn_shape){1, {QN_DIM_T}});
    refs->positions = input(&b, "positions", QN_I32, (qn_shape){1, {QN_DIM_T}});
    refs->residual = body(&b, refs->ids, refs->positions);
    refs->types = b.types;
    if (b.rc < 0)
        return b.rc;
    qn_graph_keep(g, refs->residual);
    return 0;
}

int qn_model_encode(const qn_model *m, qn_graph *g, const qn_graph_options *o, qn_encode_refs *refs) {
    build b = {.m = m, .g = g, .o = o, .layer = -1, .whole = true};
    refs->ids = input(&b, "ids", QN_I32, (qn_shape){1, {QN_DIM_T}});
    refs->positions = input(&b, "positions", QN_I32, (qn_shape){1, {QN_DIM_T}});
    const qn_ref x = body(&b, refs->ids, refs->positions);
    refs->types = b.types;
    refs->hidden = has(&b, QN_P_OUT_NORM) ? norm(&b, "hidden", x, QN_P_OUT_NORM, QN_P_OUT_NORM_BIAS) : x;
    if (b.rc < 0)
        return b.rc;
    qn_graph_keep(g, refs->hidden);
    return 0;
}

/* The rows that serve the head; −1: this adapter has none. A tied graph with a body knows them already. */
static qn_ref head_rows(build *b, int number) {
    const qn_adapter *a = b->o->adapter[number];
    const qn_tensor *t = qn_adapter_head(a, b->m);
    if (!t)
        return -1;
    return t == &a->embed && b->rows[number] > 0 ? b->rows[number] : rows_of(b, number, t == &a->head, t);
}

/* Logits with those of tokens that adapters have rows for. */
static qn_ref own_logits(build *b, qn_ref logits, qn_ref x, qn_ref index) {
    const qn_linear_attr plain = {1, 0};
    char name[2][32];
    for (int a = 0; a < b->o->n_adapters && b->rc == 0; a++) {
        const qn_token_rows_attr attr = tokens_of(b, a);
        const qn_ref rows = head_rows(b, a);
        if (rows < 0)
            continue;
        snprintf(name[0], sizeof name[0], "logits.lora%d.z", a);
        snprintf(name[1], sizeof name[1], "logits.lora%d", a);
        const qn_ref z = node(b, &qn_op_linear, name[0], (qn_ref[]){x, rows}, 2, 1, &plain);
        logits = node(b, &qn_op_token_logits, name[1], (qn_ref[]){logits, z, index}, 3, 1, &attr);
    }
    return logits;
}

int qn_model_head(const qn_model *m, qn_graph *g, const qn_graph_options *o, qn_head_refs *refs) {
    build b = {.m = m, .g = g, .o = o, .layer = -1};
    const qn_linear_attr attr = {1, 0};
    qn_dtype dtype;
    refs->residual = input(&b, "residual", QN_F32, (qn_shape){2, {QN_DIM_T, m->cfg.D}});
    refs->index = input(&b, "index", QN_I32, (qn_shape){1, {QN_DIM_S}});
    refs->hidden = hidden(&b, refs->residual, refs->index);
    const qn_ref w = head_weight(&b, &dtype), in[] = {in_form(&b, refs->hidden, dtype), w};
    refs->logits = own_logits(&b, node(&b, &qn_op_linear, "logits", in, 2, 1, &attr), refs->hidden, refs->index);
    if (b.rc < 0)
        return b.rc;
    qn_graph_keep(g, refs->hidden);
    qn_graph_keep(g, refs->logits);
    return 0;
}

/* Head and cross entropy; with the rows of the one adapter that is trained. */
static qn_ref loss(build *b, qn_ref x, qn_ref target, qn_ref weight) {
    qn_xent_attr attr = {.half = b->o->half_walk};
    qn_dtype dtype;
    const qn_ref w = head_weight(b, &dtype);
    qn_ref in[] = {in_form(b, x, dtype), w, target, weight, x, -1};
    for (int a = 0; a < b->o->n_adapters; a++) {
        const qn_ref rows = head_rows(b, a);
        if (rows >= 0 && b->o->n_adapters > 1)
            keep_error(b, qn_fail(QN_EUNSUPPORTED, "%s: has rows of tokens; it can only be trained by itself",
                                  b->o->adapter[a]->name));
        if (rows < 0)
            continue;
        attr.tokens = tokens_of(b, a);
        in[5] = rows;
    }
    return node(b, &qn_op_xent, "loss", in, attr.tokens.n ? 6 : 4, 1, &attr);
}

int qn_model_loss(const qn_model *m, qn_graph *g, const qn_graph_options *o, qn_loss_refs *refs) {
    build b = {.m = m, .g = g, .o = o, .layer = -1};
    qn_assert(qn_model_settled(m));
    QN_TRY(qn_arch_continues(m->arch, &m->cfg, NULL));
    refs->ids = input(&b, "ids", QN_I32, (qn_shape){1, {QN_DIM_T}});
    refs->positions = input(&b, "positions", QN_I32, (qn_shape){1, {QN_DIM_T}});
    refs->index = input(&b, "index", QN_I32, (qn_shape){1, {QN_DIM_S}});
    refs->target = input(&b, "target", QN_I32, (qn_shape){1, {QN_DIM_S}});
    refs->weight = input(&b, "weight", QN_F32, (qn_shape){1, {QN_DIM_S}});
    const qn_ref x = hidden(&b, body(&b, refs->ids, refs->positions), refs->index);
    refs->loss = loss(&b, x, refs->target, refs->weight);
    if (b.rc < 0)
        return b.rc;
    qn_graph_keep(g, refs->loss);
    return 0;
}

/* tok/tok.c — the tokenizer: a spec checked and compiled, and the way of a text through it.
 *
 *     text ── raw added tokens cut out ──► section ── normalized ── normed added tokens cut out ──► words ──► ids
 *
 * Everything mutable lives in a workspace that an encoding takes from the tokenizer and gives back, so any number of
 * threads may encode at once and the word cache outlives the call. */
#include "tok/tok_internal.h"

/* ---- ids --------------------------------------------------------------------------------------------------------- */

int qn_ids_push(qn_ids *ids, int32_t id) {
    QN_TRY(QN_GROW(QN_MEM_TOK, ids->v, ids->cap, ids->n + 1));
    ids->v[ids->n++] = id;
    return 0;
}

void qn_ids_clear(qn_ids *ids) {
    ids->n = 0;
}

void qn_ids_drop(qn_ids *ids) {
    qn_free(ids->v);
    *ids = (qn_ids){0};
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

/* A view of a copy in t->text, whose size was reserved: it does not move. */
static qn_str keep(qn_tok *t, qn_str s) {
    char *p = t->text.s + t->text.n;
    if (s.n)
        memcpy(p, s.s, s.n);
    t->text.n += s.n;
    return (qn_str){p, s.n};
}

/* All texts that outlive the spec go into one block. */
static int reserve_texts(qn_tok *t, const qn_tok_spec *spec) {
    size_t bytes = 1, n = spec->n_vocab;
    for (size_t i = 0; i < spec->n_vocab; i++)
        bytes += spec->vocab[i].text.n;
    for (size_t i = 0; i < spec->n_added; i++) {
        bytes += spec->added[i].text.n;
        n = QN_MAX(n, (size_t)spec->added[i].id + 1);
    }
    for (size_t i = 0; i < spec->n_norms; i++)
        bytes += spec->norms[i].pattern.n + spec->norms[i].content.n;
    for (size_t i = 0; i < spec->n_pretoks; i++)
        bytes += spec->pretoks[i].pattern.n;
    if (n == 0)
        return qn_fail(QN_EFORMAT, "tokenizer: the vocabulary is empty");
    t->n = (int32_t)n;
    t->vocab = qn_zalloc(QN_MEM_TOK, n, sizeof *t->vocab);
    t->special = qn_zalloc(QN_MEM_TOK, n, sizeof *t->special);
    t->added = qn_zalloc(QN_MEM_TOK, spec->n_added, sizeof *t->added);
    if (!t->vocab || !t->special || !t->added)
        return QN_ENOMEM;
    return qn_buf_reserve(&t->text, bytes);
}

static int copy_vocab(qn_tok *t, const qn_tok_spec *spec) {
    QN_TRY(reserve_texts(t, spec));
    QN_TRY(qn_idmap_init(&t->ids, t->vocab, spec->n_vocab + spec->n_added));
    for (size_t i = 0; i < spec->n_vocab; i++) {
        qn_token_type type = spec->vocab[i].type;
        t->vocab[i] = (qn_tok_entry){keep(t, spec->vocab[i].text), type};
        t->special[i] = type == QN_TOKEN_CONTROL || type == QN_TOKEN_UNKNOWN;
    }
    /* Downwards: of two equal texts the lower id stays. */
    for (size_t left = spec->n_vocab, n; left > 0; left -= n) {
        n = QN_MIN(left, (size_t)QN_IDMAP_MANY);
        qn_idmap_put_down(&t->ids, (int32_t)left - 1, n);
    }
    for (size_t i = 0; i < spec->n_added; i++) {
        qn_tok_added *a = &t->added[i];
        *a = spec->added[i];
        a->text = keep(t, a->text);
        qn_tok_entry *e = &t->vocab[a->id];
        bool keeps_type = e->type == QN_TOKEN_UNKNOWN || e->type == QN_TOKEN_CONTROL;
        e->text = a->text;
        e->type = keeps_type ? e->type : a->special ? QN_TOKEN_CONTROL : QN_TOKEN_USER;
        t->special[a->id] = a->special;
        qn_idmap_put(&t->ids, a->id);
    }
    t->n_added = spec->n_added;
    return 0;
}

static int copy_norms(qn_tok *t, const qn_tok_spec *spec) {
    t->norms = qn_zalloc(QN_MEM_TOK, spec->n_norms, sizeof *t->norms);
    if (!t->norms)
        return QN_ENOMEM;
    for (size_t i = 0; i < spec->n_norms; i++) {
        const qn_tok_norm *n = &spec->norms[i];
        qn_norm_step *st = &t->norms[t->n_norms++];
        *st = (qn_norm_step){.kind = n->kind, .left = n->left, .right = n->right, .bert = n->bert};
        st->pattern = keep(t, n->pattern);
        st->content = keep(t, n->content);
        if (n->kind == QN_NORM_REPLACE && n->pattern.n == 0)
            return qn_fail(QN_EUNSUPPORTED, "tokenizer: the normalizer Replace with an empty pattern");
        if (n->kind == QN_NORM_REPLACE && n->regex)
            QN_TRY(qn_regex_new(&st->regex, n->pattern));
    }
    return 0;
}

static int copy_steps(qn_tok *t, const qn_tok_spec *spec) {
    if (spec->n_pretoks > QN_TOK_MAX_STEPS)
        return qn_fail(QN_EUNSUPPORTED, "tokenizer: %zu pre-tokenizers in a row; at most %d are supported",
                       spec->n_pretoks, QN_TOK_MAX_STEPS);
    t->steps = qn_zalloc(QN_MEM_TOK, spec->n_pretoks, sizeof *t->steps);
    if (!t->steps)
        return QN_ENOMEM;
    t->scan = qn_pretok_scan(spec);
    for (size_t i = 0; i < spec->n_pretoks; i++) {
        qn_tok_pretok p = spec->pretoks[i];
        p.pattern = keep(t, p.pattern);
        QN_TRY(qn_pretok_step_init(&t->steps[t->n_steps++], &p, i + 1 == spec->n_pretoks, t->scan != QN_SCAN_NONE));
    }
    return 0;
}

static int copy_ends(qn_tok *t, const qn_tok_spec *spec) {
    const int32_t ends[] = {spec->bos, spec->eos, spec->unk, spec->pad};
    for (size_t i = 0; i < QN_LEN(ends); i++)
        if (ends[i] < -1 || ends[i] >= t->n)
            return qn_fail(QN_EFORMAT, "tokenizer: a special token has id %d, but there are %d tokens", ends[i], t->n);
    t->bos = spec->bos;
    t->eos = spec->eos;
    t->unk = spec->unk;
    t->pad = spec->pad;
    t->prefix = qn_alloc(QN_MEM_TOK, (spec->n_prefix + spec->n_suffix) * sizeof *t->prefix);
    if (!t->prefix)
        return QN_ENOMEM;
    t->suffix = t->prefix + spec->n_prefix;
    for (size_t i = 0; i < spec->n_prefix + spec->n_suffix; i++) {
        int32_t id = i < spec->n_prefix ? spec->prefix[i] : spec->suffix[i - spec->n_prefix];
        if (id >= t->n)
            return qn_fail(QN_EFORMAT, "tokenizer: the post-processor adds id %d, but there are %d tokens", id, t->n);
        t->prefix[i] = id;
    }
    t->n_prefix = spec->n_prefix;
    t->n_suffix = spec->n_suffix;
    return 0;
}

/* Tokens matched behind the normalizer are looked for as it writes them. */
static int build_matchers(qn_tok *t) {
    int rc = 0;
    qn_norm_work norm = {0};
    qn_regex_work *regex = NULL;
    bool late_special = false;
    QN_TRY_OUT(qn_regex_work_new(&regex));
    QN_TRY_OUT(qn_added_new(&t->raw));
    QN_TRY_OUT(qn_added_new(&t->normed));
    QN_TRY_OUT(qn_added_new(&t->mixed));
    for (size_t i = 0; i < t->n_added; i++) {
        const qn_tok_added *a = &t->added[i];
        qn_str text = a->text;
        if (!a->normalized) {
            QN_TRY_OUT(qn_added_insert(t->raw, text, i));
            QN_TRY_OUT(qn_added_insert(t->mixed, text, i));
            continue;
        }
        size_t bad = qn_utf8_check(text.s, text.n);
        if (bad != QN_UTF8_OK) {
            rc = qn_fail(QN_EUTF8, "tokenizer: added token %d is no UTF-8 at byte %zu", a->id, bad);
            goto out;
        }
        QN_TRY_OUT(qn_norm_run(t->norms, t->n_norms, &norm, regex, text, &text));
        QN_TRY_OUT(qn_added_insert(t->normed, text, i));
        if (a->special)
            QN_TRY_OUT(qn_added_insert(t->mixed, a->text, i));
        late_special = late_special || a->special;
    }
    if (!late_special || t->n_norms == 0) {     /* then nothing is gained by looking for them earlier */
        qn_added_free(t->mixed);
        t->mixed = NULL;
    }
out:
    qn_norm_work_drop(&norm);
    qn_regex_work_free(regex);
    return rc;
}

int qn_tok_new(qn_tok **out, const qn_tok_spec *spec) {
    int rc = 0;
    qn_tok *t = qn_zalloc(QN_MEM_TOK, 1, sizeof *t);
    if (!t)
        return QN_ENOMEM;
    if (spec->model != QN_TOK_BPE && spec->model != QN_TOK_WORDPIECE) {
        rc = qn_fail(QN_EUNSUPPORTED, "tokenizer: no model that is supported (BPE and WordPiece are)");
        goto out;
    }
    QN_TRY_OUT(copy_vocab(t, spec));
    QN_TRY_OUT(copy_norms(t, spec));
    QN_TRY_OUT(copy_steps(t, spec));
    QN_TRY_OUT(copy_ends(t, spec));
    QN_TRY_OUT(build_matchers(t));
    t->cuttable = qn_tok_parts_allowed(t);
    bool byte_level = t->n_steps && t->steps[t->n_steps - 1].p.kind == QN_PRETOK_BYTE_LEVEL;
    for (size_t i = 0; i + 1 < t->n_steps && byte_level; i++)
        byte_level = t->steps[i].p.kind != QN_PRETOK_BYTE_LEVEL;
    QN_TRY_OUT(spec->model == QN_TOK_WORDPIECE ? qn_wordpiece_new(&t->wordpiece, t, spec)
                                               : qn_bpe_new(&t->bpe, t, spec, byte_level));
    QN_TRY_OUT(qn_decode_plan_init(&t->decode, t, spec));
    *out = t;
    t = NULL;
out:
    qn_tok_free(t);
    return rc;
}

static void work_free(qn_tok_work *w) {
    if (!w)
        return;
    qn_regex_work_free(w->regex);
    qn_bpe_work_free(w->bpe);
    qn_scan_work_free(w->scan);
    qn_wordpiece_work_free(w->wordpiece);
    qn_norm_work_drop(&w->norm);
    for (size_t i = 0; w->step_text && i < 2 * w->tok->n_steps; i++)
        qn_buf_drop(&w->step_text[i]);
    qn_free(w->step_text);
    qn_free(w);
}

void qn_tok_free(qn_tok *t) {
    if (!t)
        return;
    for (size_t i = 0; i < QN_TOK_WORKS; i++)
        work_free(atomic_load(&t->idle[i]));
    for (size_t i = 0; i < t->n_norms; i++)
        qn_regex_free(t->norms[i].regex);
    for (size_t i = 0; i < t->n_steps; i++)
        qn_pretok_step_drop(&t->steps[i]);
    qn_free(t->norms);
    qn_free(t->steps);
    qn_added_free(t->raw);
    qn_added_free(t->normed);
    qn_added_free(t->mixed);
    qn_bpe_free(t->bpe);
    qn_wordpiece_free(t->wordpiece);
    qn_decode_plan_drop(&t->decode);
    qn_idmap_drop(&t->ids);
    qn_buf_drop(&t->text);
    qn_free(t->vocab);
    qn_free(t->special);
    qn_free(t->added);
    qn_free(t->prefix);
    qn_free(t);
}

/* ---- workspaces -------------------------------------------------------------------------------------------------- */

/* The idle slots are a cache, not state: the tokenizer's answers do not depend on them. */
static _Atomic(qn_tok_work *) *idle_slots(const qn_tok *t) {
    return ((qn_tok *)(uintptr_t)t)->idle;
}

static int work_take(const qn_tok *t, qn_tok_work **out) {
    for (size_t i = 0; i < QN_TOK_WORKS; i++) {
        *out = atomic_exchange(&idle_slots(t)[i], NULL);
        if (*out)
            return 0;
    }
    int rc = 0;
    qn_tok_work *w = qn_zalloc(QN_MEM_TOK, 1, sizeof *w);
    if (!w)
        return QN_ENOMEM;
    w->tok = t;
    QN_TRY_OUT(qn_regex_work_new(&w->regex));
    QN_TRY_OUT(t->wordpiece ? qn_wordpiece_work_new(&w->wordpiece) : qn_bpe_work_new(&w->bpe));
    w->step_text = qn_zalloc(QN_MEM_TOK, 2 * t->n_steps, sizeof *w->step_text);
    QN_TRY_OUT(w->step_text ? 0 : QN_ENOMEM);
    w->spelled = w->step_text + t->n_steps;
    *out = w;
    w = NULL;
out:
    work_free(w);
    return rc;
}

static void work_give(qn_tok_work *w) {
    for (size_t i = 0; i < QN_TOK_WORKS; i++) {
        qn_tok_work *none = NULL;
        if (atomic_compare_exchange_strong(&idle_slots(w->tok)[i], &none, w))
            return;
    }
    work_free(w);
}

/* ---- encoding ---------------------------------------------------------------------------------------------------- */

/* Which parts of the text may hold special tokens. */
typedef struct { const qn_tok_span *span; size_t n; bool all; } trust;

/* The first span that begins after `at`. */
static size_t first_after(const trust *tr, size_t at) {
    size_t low = 0, high = tr->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (tr->span[mid].begin <= at)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool trusted(const trust *tr, size_t begin, size_t end) {
    if (tr->all)
        return true;
    size_t low = first_after(tr, begin);
    if (low == 0)
        return false;
    size_t reach = tr->span[low - 1].end;
    for (size_t i = low; i < tr->n && reach < end && reach >= begin && tr->span[i].begin == reach; i++)
        reach = tr->span[i].end;
    return reach >= end;
}

/* One pass over a text with one matcher; what lies between the tokens goes to `between`. */
typedef struct section section;
typedef int between_fn(section *sec, const char *s, size_t n, size_t at);
struct section {
    qn_tok_work *w;
    const trust *tr;
    between_fn *between;
    size_t offset;          /* of this pass's text in the whole text */
    bool no_special;        /* this pass's text cannot be traced back to trusted ranges */
    bool at_start;          /* it begins where the whole text begins */
    bool goes_on;           /* it goes on behind a cut: what is put in front of a text has no place there */
    bool ends_in_token;     /* out: the last bytes were a token that was cut out */
};

static qn_added_kind kind_of(const void *arg, size_t token, size_t begin, size_t end) {
    const section *sec = arg;
    if (!sec->w->tok->added[token].special)
        return QN_ADDED_ORDINARY;
    bool allowed = !sec->no_special && trusted(sec->tr, sec->offset + begin, sec->offset + end);
    return allowed ? QN_ADDED_SPECIAL : QN_ADDED_FORBIDDEN;
}

/* Where to look on behind a forbidden match: never past a place where trusted text begins, so that nothing that
 * strangers write can swallow a special token that stands behind it. */
static size_t after_forbidden(const section *sec, const qn_added_match *m) {
    size_t next = first_after(sec->tr, sec->offset + m->begin);
    bool none = sec->no_special || next == sec->tr->n;
    return none ? m->end : QN_MIN(m->end, sec->tr->span[next].begin - sec->offset);
}

/* The character that ends at s[at) and the one that begins there. */
static size_t char_before(const char *s, size_t at, uint32_t *c) {
    size_t i = at - 1;
    while (i > 0 && ((unsigned char)s[i] & 0xc0) == 0x80)
        i--;
    qn_utf8_decode(s + i, at - i, c);
    return i;
}

static bool single_word(const char *s, size_t n, size_t begin, size_t end) {
    uint32_t before = ' ', after = ' ';
    if (begin > 0)
        char_before(s, begin, &before);
    if (end < n)
        qn_utf8_decode(s + end, n - end, &after);
    return !qn_char_is_word(before) && !qn_char_is_word(after);
}

static size_t skip_spaces_left(const char *s, size_t floor, size_t at) {
    uint32_t c;
    while (at > floor) {
        size_t i = char_before(s, at, &c);
        if (!qn_char_is_space(c))
            break;
        at = i;
    }
    return at;
}

static size_t skip_spaces_right(const char *s, size_t n, size_t at) {
    uint32_t c;
    while (at < n) {
        int len = qn_utf8_decode(s + at, n - at, &c);
        if (!qn_char_is_space(c))
            break;
        at += (size_t)len;
    }
    return at;
}

static int cut_tokens(section *sec, const qn_added *matcher, const char *s, size_t n) {
    const qn_tok *t = sec->w->tok;
    size_t at = 0, from = 0;
    qn_added_match m;
    while (qn_added_find(matcher, s, n, from, kind_of, sec, &m)) {
        const qn_tok_added *a = &t->added[m.token];
        from = m.kind == QN_ADDED_FORBIDDEN ? after_forbidden(sec, &m) : m.end;
        if (m.kind == QN_ADDED_FORBIDDEN || (a->single_word && !single_word(s, n, m.begin, m.end)))
            continue;
        size_t begin = a->lstrip ? skip_spaces_left(s, at, m.begin) : m.begin;
        if (begin > at)
            QN_TRY(sec->between(sec, s + at, begin - at, at));
        QN_TRY(qn_ids_push(sec->w->ids, a->id));
        at = a->rstrip ? skip_spaces_right(s, n, m.end) : m.end;
        sec->ends_in_token = at == n;
    }
    return at < n ? sec->between(sec, s + at, n - at, at) : 0;
}

static int words(section *sec, const char *s, size_t n, size_t at) {
    sec->w->goes_on = sec->goes_on && at == 0;
    return qn_pretok_run(sec->w, s, n, sec->at_start && at == 0);
}

/* All normalizers but those that put something in front, where the text goes on behind a cut. */
static int normalize(section *sec, bool goes_on, qn_str text, qn_str *out) {
    qn_tok_work *w = sec->w;
    const qn_tok *t = w->tok;
    w->norm.goes_on = goes_on;
    return qn_norm_run(t->norms, t->n_norms, &w->norm, w->regex, text, out);
}

static int normalized(section *outer, const char *s, size_t n, size_t at) {
    qn_tok_work *w = outer->w;
    const qn_tok *t = w->tok;
    qn_str text = {s, n};
    QN_TRY(normalize(outer, outer->goes_on && at == 0, text, &text));
    bool same = text.s == s && text.n == n;
    section sec = {w, outer->tr, words, outer->offset + at, !same && !outer->tr->all, outer->at_start && at == 0,
                   outer->goes_on && at == 0, false};
    return cut_tokens(&sec, t->normed, text.s, text.n);
}

/* The text in parts, each as if it stood by itself, but for what is put in front of a whole text. */
static int encode_parts(const qn_tok *t, qn_tok_work *w, const char *text, size_t n, const trust *tr,
                        const qn_tok_cuts *cuts) {
    section sec = {.w = w, .tr = tr, .between = normalized, .at_start = true};
    const size_t n_cuts = cuts ? cuts->n : 0;
    for (size_t i = 0, at = 0; i <= n_cuts; i++) {
        const size_t end = i < n_cuts ? cuts->at[i] : n;
        sec.offset = at;
        sec.at_start = at == 0;
        sec.goes_on = at > 0 && !sec.ends_in_token;
        if (end > at) {
            sec.ends_in_token = false;
            QN_TRY(cut_tokens(&sec, t->mixed && !tr->all ? t->mixed : t->raw, text + at, end - at));
        }
        if (i < n_cuts)
            cuts->ids[i] = w->ids->n;
        at = end;
    }
    return 0;
}

static int encode(const qn_tok *t, const char *text, size_t n, const trust *tr, const qn_tok_cuts *cuts, unsigned flags,
                  qn_ids *ids) {
    int rc = 0;
    size_t start = ids->n, bad = n ? qn_utf8_check(text, n) : QN_UTF8_OK;
    qn_tok_work *w = NULL;
    if (bad != QN_UTF8_OK)
        return qn_fail(QN_EUTF8, "the text is not valid UTF-8 at byte %zu of %zu", bad, n);
    QN_TRY(work_take(t, &w));
    w->ids = ids;
    if (flags & QN_TOK_ADD_SPECIAL)
        for (size_t i = 0; i < t->n_prefix; i++)
            QN_TRY_OUT(qn_ids_push(ids, t->prefix[i]));
    QN_TRY_OUT(encode_parts(t, w, text, n, tr, cuts));
    if (flags & QN_TOK_ADD_SPECIAL)
        for (size_t i = 0; i < t->n_suffix; i++)
            QN_TRY_OUT(qn_ids_push(ids, t->suffix[i]));
out:
    w->goes_on = w->norm.goes_on = false;
    work_give(w);
    if (rc < 0)
        ids->n = start;
    return rc;
}

int qn_tok_encode(const qn_tok *t, const char *text, size_t n, unsigned flags, qn_ids *ids) {
    trust tr = {.all = flags & QN_TOK_PARSE_SPECIAL};
    return encode(t, text, n, &tr, NULL, flags, ids);
}

int qn_tok_encode_spans(const qn_tok *t, const char *text, size_t n, const qn_tok_span *span, size_t n_spans,
                        unsigned flags, qn_ids *ids) {
    return qn_tok_encode_cuts(t, text, n, span, n_spans, NULL, flags, ids);
}

int qn_tok_encode_cuts(const qn_tok *t, const char *text, size_t n, const qn_tok_span *span, size_t n_spans,
                       const qn_tok_cuts *cuts, unsigned flags, qn_ids *ids) {
    for (size_t i = 0; cuts && i < cuts->n; i++)
        if (cuts->at[i] > n || (i && cuts->at[i] < cuts->at[i - 1]))
            return qn_fail(QN_EINVAL, "cut %zu at %zu is out of order or beyond the text's %zu bytes", i, cuts->at[i],
                           n);
    for (size_t i = 0; i < n_spans; i++)
        if (span[i].begin > span[i].end || span[i].end > n || (i && span[i].begin < span[i - 1].end))
            return qn_fail(QN_EINVAL, "trusted range %zu, %zu…%zu, is out of order or beyond the text's %zu bytes", i,
                           span[i].begin, span[i].end, n);
    trust tr = {.span = span, .n = n_spans, .all = n_spans == 1 && span[0].begin == 0 && span[0].end == n};
    return encode(t, text, n, &tr, cuts, flags, ids);
}

int qn_tok_words(const qn_tok *t, const char *text, size_t n, bool by_line, qn_word_fn *fn, void *arg) {
    qn_tok_work *w = NULL;
    int rc = 0;
    QN_TRY(work_take(t, &w));
    w->take = fn;
    w->take_arg = arg;
    for (size_t at = 0; at < n && rc >= 0;) {
        const char *lf = by_line ? memchr(text + at, '\n', n - at) : NULL;
        size_t end = lf ? (size_t)(lf - text) + 1 : n;
        rc = qn_pretok_run(w, text + at, end - at, at == 0);
        at = end;
    }
    w->take = NULL;
    work_give(w);
    return rc;
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

int32_t qn_tok_size(const qn_tok *t) { return t->n; }
int32_t qn_tok_bos(const qn_tok *t) { return t->bos; }
int32_t qn_tok_eos(const qn_tok *t) { return t->eos; }
int32_t qn_tok_unk(const qn_tok *t) { return t->unk; }
int32_t qn_tok_pad(const qn_tok *t) { return t->pad; }
qn_tok_model qn_tok_model_of(const qn_tok *t) { return t->wordpiece ? QN_TOK_WORDPIECE : QN_TOK_BPE; }
size_t qn_tok_around(const qn_tok *t) { return t->n_prefix + t->n_suffix; }

const int32_t *qn_tok_prefix(const qn_tok *t, size_t *n) {
    *n = t->n_prefix;
    return t->prefix;
}

const int32_t *qn_tok_suffix(const qn_tok *t, size_t *n) {
    *n = t->n_suffix;
    return t->suffix;
}

int32_t qn_tok_id(const qn_tok *t, qn_str text) {
    return qn_idmap_get(&t->ids, text);
}

qn_str qn_tok_text(const qn_tok *t, int32_t id) {
    return id >= 0 && id < t->n ? t->vocab[id].text : (qn_str){"", 0};
}

qn_token_type qn_tok_type(const qn_tok *t, int32_t id) {
    return id >= 0 && id < t->n ? t->vocab[id].type : QN_TOKEN_HOLE;
}

bool qn_tok_is_special(const qn_tok *t, int32_t id) {
    return id >= 0 && id < t->n && t->special[id];
}

bool qn_tok_adds(const qn_tok *t, int32_t id) {
    for (size_t i = 0; i < t->n_prefix + t->n_suffix; i++)
        if (t->prefix[i] == id)
            return true;
    return false;
}

int32_t qn_tok_first_other(const qn_tok *a, const qn_tok *b, int32_t n, bool special) {
    for (int32_t id = 0; id < n; id++)
        if (!qn_str_eq(qn_tok_text(a, id), qn_tok_text(b, id)) ||
            (special && qn_tok_is_special(a, id) != qn_tok_is_special(b, id)))
            return id;
    return -1;
}

/* chat/answer.c — an answer piece by piece: which part of it is being said, and what can be told of it already.
 *
 *            ┌──────────► THOUGHT ─┐ </think>
 *     START ─┤ <think>             ▼
 *            └──────────────────► WORDS ◄─────────────────────────────────┐ anything else
 *                                  │ <tool_call>                          │
 *                                  ▼        its arguments begin           │
 *                                 CALL ───► ARGUMENTS ───► REST ───► INSIDE ──┐ another one
 *                                  ▲ └───────────────────────────────► ▲      │
 *                                  │     it can only be told whole            │
 *                                  └──────────────────────────────────────────┘
 *
 * What is held back is in `held`. In THOUGHT and WORDS: white space (it is dropped if a mark follows) and what may be
 * the beginning of a mark. In CALL: from the white space before the mark on, until its arguments begin or it is whole;
 * if it turns out to be none, its mark is words, and what follows is looked through anew. In ARGUMENTS: half a
 * character. In REST: what is left of the object around the arguments; nothing of it is told. */
#include "chat/answer_run.h"

#include <string.h>

typedef enum { START, THOUGHT, AFTER_THOUGHT, WORDS, CALL, ARGUMENTS, REST, INSIDE } state;

struct qn_answer {
    qn_answer_options o;
    state state;
    int n_calls;
    bool over;              /* no more will come */
    bool touches;           /* a mark stood here: white space that follows is dropped */
    bool bracket;           /* inside an array of calls */
    bool bare;              /* the call that is tried has no mark */
    bool wrapped;           /* the arguments that are told stand in an object */
    size_t at, mark;        /* CALL: where it begins in held, bytes of its mark there */
    size_t seen;            /* THOUGHT, WORDS: so many bytes of held are white space and no mark's beginning */
    qn_buf held;
    qn_json_scan scan;
    qn_call_found call;
};

int qn_answer_new(qn_answer **out, const qn_answer_options *o) {
    qn_answer *a = qn_zalloc(QN_MEM_CHAT, 1, sizeof *a);
    *out = a;
    if (!a)
        return QN_ENOMEM;
    a->o = *o;
    return 0;
}

void qn_answer_free(qn_answer *a) {
    if (!a)
        return;
    qn_buf_drop(&a->held);
    qn_call_found_drop(&a->call);
    qn_free(a);
}

/* ---- telling --------------------------------------------------------------------------------------------------- */

/* The first n bytes of what is held are done with. */
static void pass(qn_answer *a, size_t n) {
    memmove(a->held.s, a->held.s + n, a->held.n - n);
    a->held.n -= n;
    a->scan.at = a->seen = 0;
}

/* Tells the first n bytes as words or thoughts. */
static int tell(qn_answer *a, qn_answer_kind kind, size_t n) {
    const qn_str held = {a->held.s, n};
    const size_t from = a->touches ? qn_skip_white(held, 0) : 0;
    int rc = 0;
    if (from < n) {
        const qn_answer_event e = {.kind = kind, .text = {held.s + from, n - from}};
        a->touches = false;
        rc = a->o.take(a->o.to, &e);
    }
    if (n)
        pass(a, n);
    return rc;
}

static void make_id(const qn_answer *a, char id[QN_ANSWER_ID]) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const uint64_t key[2] = {a->o.id_seed, (uint64_t)a->n_calls};
    uint64_t h = qn_hash_bytes(key, sizeof key, 62);
    for (int i = 0; i < QN_ANSWER_ID; i++, h /= 62)
        id[i] = digits[h % 62];
}

static int tell_call(qn_answer *a) {
    const qn_call_found *c = &a->call;
    char id[QN_ANSWER_ID];
    qn_answer_event e = {.kind = QN_ANSWER_CALL, .call = a->n_calls, .name = c->name, .id = c->id};
    if (!a->o.form.calls->own_ids || c->id.n != QN_ANSWER_ID) {
        make_id(a, id);
        e.id = (qn_str){id, sizeof id};
    }
    a->n_calls++;
    return a->o.take(a->o.to, &e);
}

static int tell_arguments(qn_answer *a, qn_str text) {
    const qn_answer_event e = {.kind = QN_ANSWER_ARGUMENTS, .call = a->n_calls - 1, .text = text};
    return text.n > 0 ? a->o.take(a->o.to, &e) : 0;
}

static int tell_call_end(qn_answer *a) {
    const qn_answer_event e = {.kind = QN_ANSWER_CALL_END, .call = a->n_calls - 1};
    return a->o.take(a->o.to, &e);
}

/* ---- marks ----------------------------------------------------------------------------------------------------- */

typedef struct { const char *const *mark; size_t n; } marks;

/* Looks at text.s[at] for any of them: WHOLE and which one, or whether one may begin there. */
static qn_seen see_any(qn_str text, size_t at, marks m, const char **which) {
    qn_seen best = QN_SEEN_NOT;
    for (size_t i = 0; i < m.n && m.mark[i]; i++) {
        const qn_seen seen = qn_see(text, at, m.mark[i]);
        if (seen < best) {
            best = seen;
            *which = m.mark[i];
        }
    }
    return best;
}

/* From held.s[seen] on: the place of the first mark, or where what is certain to be none ends. */
static qn_seen find_any(const qn_answer *a, marks m, size_t *at, const char **which) {
    const qn_str text = qn_buf_view(&a->held);
    const size_t end = text.n - (a->over ? 0 : qn_utf8_pending(text.s, text.n));
    qn_seen seen = QN_SEEN_NOT;
    size_t i = a->seen;
    for (; i < end; i++) {
        seen = see_any(text, i, m, which);
        if (seen == QN_SEEN_WHOLE || (seen == QN_SEEN_MORE && !a->over))
            break;
    }
    *at = i;
    return i < end ? seen : QN_SEEN_NOT;
}

/* Where the white space before held.s[at] begins. */
static size_t white_before(const qn_answer *a, size_t at) {
    const size_t least = QN_MIN(a->seen, at);
    while (at > least && qn_is_space(a->held.s[at - 1]))
        at--;
    return at > least ? at : 0;
}

/* Tells all before held.s[at] but the white space at its end, which stays. */
static int tell_up_to(qn_answer *a, qn_answer_kind kind, size_t at) {
    const size_t white = a->over && at == a->held.n ? at : white_before(a, at);
    QN_TRY(tell(a, kind, white));
    a->seen = at - white;
    return 0;
}

/* ---- steps: 1 if one may go on, 0 if more text is needed, <0 ---------------------------------------------------- */

static int step_start(qn_answer *a) {
    const struct qn_thought_form *f = a->o.form.thoughts;
    const qn_str text = qn_buf_view(&a->held);
    a->seen = qn_skip_white(text, a->seen);
    if (a->seen == text.n && !a->over)
        return 0;
    const qn_seen seen = f ? qn_see(text, a->seen, f->open) : QN_SEEN_NOT;
    if (seen == QN_SEEN_MORE && !a->over)
        return 0;
    if (seen == QN_SEEN_WHOLE)
        pass(a, a->seen + strlen(f->open));
    if (seen == QN_SEEN_WHOLE || (f && a->o.in_thought)) {
        a->state = THOUGHT;
        a->touches = true;
    } else {
        a->state = AFTER_THOUGHT;
    }
    return 1;
}

static int step_thought(qn_answer *a) {
    const char *const close = a->o.form.thoughts->close, *which;
    size_t at;
    const qn_seen seen = find_any(a, (marks){&close, 1}, &at, &which);
    QN_TRY(tell_up_to(a, QN_ANSWER_REASONING, at));
    if (seen != QN_SEEN_WHOLE)
        return 0;
    pass(a, a->seen + strlen(close));
    a->state = AFTER_THOUGHT;
    a->touches = true;
    return 1;
}

/* Words, or the bare beginning of a call. */
static int step_after_thought(qn_answer *a) {
    const struct qn_call_form *f = a->o.calls ? a->o.form.calls : NULL;
    const qn_str text = qn_buf_view(&a->held);
    a->seen = qn_skip_white(text, a->seen);
    if (a->seen == text.n && !a->over)
        return 0;
    a->state = WORDS;
    if (f && f->bare && a->seen < text.n && text.s[a->seen] == '{') {
        a->state = CALL;
        a->at = a->seen;
        a->mark = 0;
        a->bare = true;
    }
    return 1;
}

static int step_words(qn_answer *a) {
    const struct qn_call_form *f = a->o.form.calls;
    const char *mark[QN_LEN(f->open) + QN_LEN(f->mute)], *which = NULL;
    size_t n = 0, at;
    for (size_t i = 0; f && i < QN_LEN(f->mute) && f->mute[i]; i++)
        mark[n++] = f->mute[i];
    const size_t mutes = n;
    for (size_t i = 0; f && a->o.calls && i < QN_LEN(f->open) && f->open[i]; i++)
        mark[n++] = f->open[i];
    const qn_seen seen = find_any(a, (marks){mark, n}, &at, &which);
    QN_TRY(tell_up_to(a, QN_ANSWER_CONTENT, at));
    if (seen != QN_SEEN_WHOLE)
        return 0;
    for (size_t i = 0; i < mutes; i++)
        if (which == mark[i]) {
            pass(a, a->seen + strlen(which));
            a->touches = true;
            return 1;
        }
    a->state = CALL;
    a->at = a->seen;
    a->mark = strlen(which);
    a->bare = false;
    return 1;
}

/* What was begun is no call: its mark is words. */
static int give_up(qn_answer *a) {
    a->state = WORDS;
    const size_t n = a->at + QN_MAX(a->mark, (size_t)1);
    return tell(a, QN_ANSWER_CONTENT, QN_MIN(n, a->held.n));
}

/* QN_SEEN_WHOLE: there is a call, and it is told as far as it is there. */
static int attempt(qn_answer *a, size_t at) {
    qn_attempt t = {.text = qn_buf_view(&a->held), .at = at, .bare = a->bare, .o = &a->o, .scan = &a->scan,
                    .call = &a->call};
    const int rc = a->o.form.calls->attempt(&t);
    if (rc != QN_SEEN_WHOLE && rc != QN_SEEN_BEGUN)
        return rc;
    QN_TRY(tell_call(a));
    a->bracket |= t.bracket;
    a->wrapped = t.wrapped;
    a->touches = true;
    a->state = rc == QN_SEEN_BEGUN ? ARGUMENTS : INSIDE;
    if (rc == QN_SEEN_WHOLE) {
        QN_TRY(tell_arguments(a, a->call.arguments.s ? a->call.arguments : QN_STR("{}")));
        QN_TRY(tell_call_end(a));
    }
    pass(a, t.end);
    if (rc == QN_SEEN_BEGUN)
        qn_json_scan_begin(&a->scan, 0);
    return QN_SEEN_WHOLE;
}

static int step_call(qn_answer *a) {
    const int rc = attempt(a, a->at + a->mark);
    QN_TRY(rc);
    if (rc == QN_SEEN_MORE && !a->over)
        return 0;
    if (rc != QN_SEEN_WHOLE)
        QN_TRY(give_up(a));
    return 1;
}

static int leave(qn_answer *a) {
    a->state = WORDS;
    a->bracket = a->bare = false;
    a->scan.at = 0;
    return 1;
}

/* Tells what came of the arguments, up to their end: that is where their object ends, where it breaks, or where the
 * answer does. A call that was begun stays one: a client knows by finish_reason, or by reading its JSON. */
static int step_arguments(qn_answer *a) {
    const qn_str text = qn_buf_view(&a->held);
    size_t end = 0;
    const qn_seen seen = qn_json_scan_on(&a->scan, text, &end);
    const size_t looked = a->scan.at, half = seen == QN_SEEN_MORE && !a->over ? qn_utf8_pending(text.s, looked) : 0;
    QN_TRY(tell_arguments(a, (qn_str){text.s, looked - half}));
    pass(a, looked - half);
    a->scan.at = half;
    if (seen == QN_SEEN_MORE && !a->over)
        return 0;
    QN_TRY(tell_call_end(a));
    if (seen != QN_SEEN_WHOLE)
        return leave(a);
    a->state = a->wrapped ? REST : INSIDE;
    qn_json_scan_begin(&a->scan, 0);
    a->scan.at = 0;                                     /* its brace was long ago */
    return 1;
}

/* What is left of the object around the arguments is mark-up. */
static int step_rest(qn_answer *a) {
    size_t end = 0;
    const qn_seen seen = qn_json_scan_on(&a->scan, qn_buf_view(&a->held), &end);
    if (seen == QN_SEEN_MORE && !a->over)
        return 0;
    if (seen != QN_SEEN_WHOLE)
        return leave(a);
    pass(a, end);
    a->state = INSIDE;
    return 1;
}

/* Behind a call: marks, the end of the array, another one, or words. */
static int step_inside(qn_answer *a) {
    const struct qn_call_form *f = a->o.form.calls;
    const char *which;
    if (a->held.n && qn_is_space(a->held.s[0]))
        pass(a, qn_skip_white(qn_buf_view(&a->held), 0));
    const qn_str text = qn_buf_view(&a->held);
    if (!text.n)
        return 0;
    if (a->bracket && text.s[0] == ']') {
        pass(a, 1);
        a->bracket = false;
        return f->close ? 1 : leave(a);
    }
    qn_seen seen = see_any(text, 0, (marks){f->pass, QN_LEN(f->pass)}, &which);
    if (seen == QN_SEEN_WHOLE) {
        pass(a, strlen(which));
        return 1;
    }
    const qn_seen closes = f->close ? qn_see(text, 0, f->close) : QN_SEEN_NOT;
    if (closes == QN_SEEN_WHOLE) {
        pass(a, strlen(f->close));
        return leave(a);
    }
    const size_t at = text.s[0] == ',' || text.s[0] == ';' ? qn_skip_white(text, 1) : 0;
    const qn_seen another = at > QN_ANSWER_NAME ? QN_SEEN_NOT : see_any(text, at, (marks){f->next, 2}, &which);
    if (!a->over && (seen == QN_SEEN_MORE || closes == QN_SEEN_MORE || another == QN_SEEN_MORE))
        return 0;
    if (another != QN_SEEN_WHOLE)
        return leave(a);
    const int rc = attempt(a, at);
    QN_TRY(rc);
    if (rc == QN_SEEN_MORE && !a->over)
        return 0;
    return rc == QN_SEEN_WHOLE ? 1 : leave(a);
}

static int run(qn_answer *a) {
    static int (*const steps[])(qn_answer *) = {step_start, step_thought, step_after_thought, step_words, step_call,
                                                step_arguments, step_rest, step_inside};
    int more = 1;
    while (more > 0)
        more = steps[a->state](a);
    return more;
}

int qn_answer_feed(qn_answer *a, qn_str piece) {
    if (!piece.n)
        return 0;
    QN_TRY(qn_buf_put(&a->held, piece.s, piece.n));
    return run(a);
}

int qn_answer_end(qn_answer *a) {
    a->over = true;
    return a->held.n || a->state == ARGUMENTS ? run(a) : 0;
}

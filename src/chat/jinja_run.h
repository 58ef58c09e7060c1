/* chat/jinja_run.h — one rendering: scopes, calls, built-in functions. */
#ifndef QN_CHAT_JINJA_RUN_H
#define QN_CHAT_JINJA_RUN_H

#include "chat/chat.h"
#include "chat/jinja_ast.h"

/* Variables of a block. A name is looked up from the innermost scope outwards, last in the root. */
typedef struct qn_jscope {
    struct qn_jscope *parent;
    struct { uint32_t id; qn_jv v; } *e;
    size_t n, cap;
    bool kept;              /* a macro closes over it: not to be reused for the next turn of the loop */
} qn_jscope;

typedef struct {
    const qn_jprogram *p;
    qn_jarena arena;
    qn_jv *root;            /* by name id; MISSING where nothing has the name */
    qn_jscope top;          /* stands for the root: has no entries of its own */
    qn_jsb *out;            /* where text goes now */
    qn_jsb prompt;
    qn_chat_output *result; /* for the spans of {% generation %} */
    int64_t steps;
    int depth;
    uint32_t pos;           /* of the node at work, for messages */
    const char *date;
    const qn_jv *block_text;/* the operand of a filter block or a filtered set block */
    bool placed;            /* the error's message names its place already */
} qn_jrun;

/* How a block ended. */
typedef enum { QN_JFLOW_NEXT = 0, QN_JFLOW_BREAK = 1, QN_JFLOW_CONTINUE = 2 } qn_jflow;

QN_PRINTF(2, 3) int qn_jrun_fail(qn_jrun *r, const char *fmt, ...);                 /* QN_ETEMPLATE */
int qn_jrun_undefined(qn_jrun *r, qn_jv v);                                         /* fails: "'x' is undefined" */
int qn_jrun_charge(qn_jrun *r, size_t bytes);                                       /* a step per 16 bytes */
int qn_jrun_enter(qn_jrun *r);                                                      /* one level deeper, one step */
void qn_jrun_leave(qn_jrun *r);

/* jinja_eval.c: a flow, or an error. */
int qn_jeval_block(qn_jrun *r, qn_jscope *sc, const qn_jnodes *body);
int qn_jeval_capture(qn_jrun *r, qn_jscope *sc, const qn_jnodes *body, qn_jv *out); /* what it prints, as a string */
int qn_jscope_new(qn_jrun *r, qn_jscope *parent, qn_jscope **out);
int qn_jscope_put(qn_jrun *r, qn_jscope *sc, uint32_t id, qn_jv v);
const qn_jv *qn_jscope_find(const qn_jrun *r, const qn_jscope *sc, uint32_t id);    /* NULL: nothing has this name */
int qn_jeval_assign(qn_jrun *r, qn_jscope *sc, const qn_jnode *target, qn_jv v);

/* jinja_expr.c */
int qn_jexpr(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out);
int qn_jattr(qn_jrun *r, qn_jv obj, const qn_jstr *name, qn_jv *out);               /* obj.name */
int qn_jitem(qn_jrun *r, qn_jv obj, qn_jv key, qn_jv *out);                         /* obj[key] */
int qn_jcontains(qn_jrun *r, qn_jv item, qn_jv in, bool *out);
int qn_jcompare(qn_jrun *r, qn_jcmp how, qn_jv a, qn_jv b, bool *out);
int qn_jadd(qn_jrun *r, qn_jv a, qn_jv b, qn_jv *out);
/* jinja_math.c */
int qn_jmath(qn_jrun *r, qn_jnode_kind op, qn_jv a, qn_jv b, qn_jv *out);
int qn_jmath_sign(qn_jrun *r, bool negative, qn_jv a, qn_jv *out);
int qn_jslice(qn_jrun *r, qn_jv obj, const qn_jv at[3], qn_jv *out);                /* start, stop, step; None or int */
int qn_jrange(qn_jrun *r, int64_t start, int64_t stop, int64_t step, qn_jv *out);
/* Every item of an iterable as a new or shared list; takes the rest of an iterator. QN_ETEMPLATE for others. */
int qn_jitems(qn_jrun *r, qn_jv v, qn_jlist **out);
/* Generators fail when they are walked, not when they are made: keeps the error of `rc` in the iterator `it`. */
int qn_jiter_defer(qn_jrun *r, int rc, qn_jv it);

/* jinja_call.c. Arguments of a call: positional ones, then keywords. */
typedef struct { const qn_jstr *name; qn_jv v; } qn_jkw;
typedef struct { qn_jv *v; size_t n; qn_jkw *kw; size_t kws; } qn_jargs;

/* A built-in: filter, test, method or function. `self` is what it is applied to (MISSING for functions). With `params`
 * (names separated by blanks; ".name" takes no keyword) the arguments arrive bound, one per name, MISSING where not
 * given; at least `min` are there. With params NULL they arrive as they were written. */
typedef int qn_jbuiltin_fn(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out);
typedef struct qn_jbuiltin { const char *name; qn_jbuiltin_fn *fn; const char *params; int min; } qn_jbuiltin;
#define QN_JPARAMS 6

typedef struct qn_jmethod { qn_jv self; const qn_jbuiltin *func; } qn_jmethod;
typedef struct qn_jmacro { const qn_jnode *node; const qn_jstr *name; qn_jscope *scope; } qn_jmacro;
typedef struct qn_jcycle { qn_jlist *items; qn_jv sep; size_t at; bool used; } qn_jcycle;       /* cycler, joiner */

int qn_jcall(qn_jrun *r, qn_jv callee, const qn_jargs *a, qn_jv *out);
int qn_jcall_node(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, const qn_jv *caller, qn_jv *out);
int qn_jcall_args(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jargs *a);
int qn_jcall_builtin(qn_jrun *r, const qn_jbuiltin *f, qn_jv self, const qn_jargs *a, qn_jv *out);
const qn_jbuiltin *qn_jbuiltin_find(const qn_jbuiltin *table, size_t n, const qn_jstr *name);

/* The tables. */
const qn_jbuiltin *qn_jfilter_find(const qn_jstr *name);
const qn_jbuiltin *qn_jfilter_value_find(const qn_jstr *name);      /* these two stand behind qn_jfilter_find */
const qn_jbuiltin *qn_jfilter_text_find(const qn_jstr *name);
const qn_jbuiltin *qn_jtest_find(const qn_jstr *name);
const qn_jbuiltin *qn_jmethod_find(qn_jv self, const qn_jstr *name);
const qn_jbuiltin *qn_jstr_method_find(const qn_jstr *name);
bool qn_jmethod_changes(qn_jv self, const qn_jstr *name);           /* what the sandbox forbids: append, pop … */
const qn_jbuiltin *qn_jglobal_at(size_t i);                         /* NULL behind the last */

/* jinja_loop.c */
typedef struct qn_jloop {
    qn_jlist *src;
    size_t next;            /* first item of src not yet asked for */
    const qn_jnode *node;   /* the for */
    const qn_jnode *filter; /* its `if`; asked item by item, for it may depend on what the body did */
    qn_jscope *scope;       /* around the loop */
    qn_jv after, current, before, changed;
    bool has_after;
    int64_t index0;         /* -1 before the first */
    int64_t depth0;
} qn_jloop;
int qn_jloop_run(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv iterable, int64_t depth0);
int qn_jloop_attr(qn_jrun *r, qn_jv loop, const qn_jstr *name, qn_jv *out);
int qn_jloop_call(qn_jrun *r, qn_jloop *l, const qn_jargs *a, qn_jv *out);          /* loop(children) */

/* Helpers of the built-ins. */
int qn_jtext(qn_jrun *r, qn_jv v, qn_jstr *out);                    /* str(v) */
int qn_jdate_check(const char *date);                               /* QN_EINVAL unless YYYY-MM-DD and a real day */
int qn_jtext_value(qn_jrun *r, qn_jsb *b, qn_jv *out);              /* what was built, as a string */
int qn_jarg_int(qn_jrun *r, const qn_jargs *a, size_t i, int64_t absent, int64_t *out);
int qn_jarg_str(qn_jrun *r, const qn_jargs *a, size_t i, qn_jstr *out);              /* must be a string */
bool qn_jarg_bool(const qn_jargs *a, size_t i);                     /* absent: false */
static inline bool qn_jarg_given(const qn_jargs *a, size_t i) { return i < a->n && a->v[i].kind != QN_JMISSING; }
int qn_jescape(qn_jsb *b, const qn_jstr *s);                        /* & < > ' " for HTML */
/* jinja_format.c */
int qn_jformat_percent(qn_jrun *r, const qn_jstr *format, qn_jv arg, qn_jv *out);    /* format % arg */
int qn_jformat_braces(qn_jrun *r, const qn_jstr *format, const qn_jargs *a, qn_jv *out);

#endif

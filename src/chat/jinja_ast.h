/* chat/jinja_ast.h — tokens, nodes, and the compiled program.
 *
 *   text --jinja_lex--> tokens --jinja_parse--> nodes --jinja_eval--> prompt
 *
 * Everything lives in the program's arena. */
#ifndef QN_CHAT_JINJA_AST_H
#define QN_CHAT_JINJA_AST_H

#include "chat/jinja_value.h"

/* One character tokens are their character. */
typedef enum {
    QN_TDATA = 256, QN_TPRINT, QN_TPRINT_END, QN_TBLOCK, QN_TBLOCK_END, QN_TNAME, QN_TSTRING, QN_TNUMBER,
    QN_TPOW, QN_TFLOORDIV, QN_TEQ, QN_TNE, QN_TLE, QN_TGE, QN_TEOF
} qn_jtok_kind;

typedef struct {
    int kind;
    uint32_t pos;           /* byte offset in the program's text */
    qn_jstr s;              /* NAME: the name; DATA, STRING: the text */
    qn_jv v;                /* NUMBER */
} qn_jtok;

/* What the fields mean, per kind. A dash: not used. */
typedef enum {
    /* statements           a            b            list         body        other                    */
    QN_NDATA,            /* text in v                                                                   */
    QN_NPRINT,           /* expression   -            -            -           -                        */
    QN_NIF,              /* condition    -            -            then        else (elif: an if in it) */
    QN_NFOR,             /* iterable     filter       target       body        else     flag: recursive */
    QN_NSET,             /* value        -            target       -           -                        */
    QN_NSETBLOCK,        /* filters      -            target       body        -                        */
    QN_NWITH,            /* -            -            targets, values in turn    body                   */
    QN_NMACRO,           /* -            -            defaults (NULL: none)  body   name, params        */
    QN_NCALL_BLOCK,      /* the call     -            as NMACRO                                         */
    QN_NFILTER_BLOCK,    /* filters      -            -            body        -                        */
    QN_NBLOCK,           /* -            -            -            body        name     flag: scoped    */
    QN_NGENERATION,      /* -            -            -            body        -                        */
    QN_NBREAK, QN_NCONTINUE,
    QN_NUNSUPPORTED,     /* name: the tag; fails when run                                               */
    /* expressions */
    QN_NCONST,           /* v                                                                           */
    QN_NNAME,            /* id, name                                                                    */
    QN_NNSREF,           /* id, name; attr in v (targets of set only)                                   */
    QN_NLIST, QN_NTUPLE, /* -            -            items                                             */
    QN_NDICT,            /* -            -            keys, values in turn                              */
    QN_NATTR,            /* object       -            -            -           name                     */
    QN_NITEM,            /* object       index                                                          */
    QN_NSLICE,           /* object       -            start, stop, step (NULL: none)                    */
    QN_NCALL,            /* callee       *args        arguments    (keyword arguments: kw)  c: **kwargs */
    QN_NFILTER, QN_NTEST,/* operand (NULL: the block's text)  … as NCALL      name, func (NULL: unknown) */
    QN_NNOT, QN_NNEG, QN_NPOS,
    QN_NAND, QN_NOR, QN_NADD, QN_NSUB, QN_NMUL, QN_NDIV, QN_NFLOORDIV, QN_NMOD, QN_NPOW,
    QN_NCONCAT,          /* -            -            operands                                          */
    QN_NCOMPARE,         /* first        -            the others; op[] says how each is compared        */
    QN_NIFELSE           /* value        condition                             c: otherwise (or NULL)   */
} qn_jnode_kind;

typedef enum { QN_CMP_EQ, QN_CMP_NE, QN_CMP_LT, QN_CMP_LE, QN_CMP_GT, QN_CMP_GE, QN_CMP_IN, QN_CMP_NOT_IN } qn_jcmp;

typedef struct qn_jnode qn_jnode;
typedef struct { qn_jnode **v; size_t n, cap; } qn_jnodes;
typedef struct { uint32_t id; const qn_jstr *name; } qn_jname;

struct qn_jnode {
    uint8_t kind;
    bool flag, flag2;               /* MACRO, CALL_BLOCK: flag the body uses `kwargs`, flag2 `varargs` */
    bool flag3;                     /* … `caller` */
    uint32_t pos, id;
    const qn_jstr *name;
    qn_jv v;
    qn_jnode *a, *b, *c;
    qn_jnodes list, body, other;
    qn_jname *param;                /* MACRO, CALL_BLOCK: list.n parameters; CALL, FILTER, TEST: kw.n keywords */
    qn_jnodes kw;
    uint8_t *op;
    const struct qn_jbuiltin *func;
};

typedef struct {
    qn_jarena arena;
    char *label;                    /* for messages */
    qn_str text;                    /* newlines made \n, one trailing newline removed */
    qn_jnodes root;
    const qn_jstr **names;          /* id → identifier */
    size_t n_names, cap_names;
    qn_strmap name_ids;
} qn_jprogram;

int qn_jlex(qn_jprogram *p, qn_jtok **out, size_t *n);
int qn_jparse(qn_jprogram *p);
void qn_jprogram_drop(qn_jprogram *p);
int64_t qn_jprogram_name(const qn_jprogram *p, const char *name);    /* its id, or -1 */
/* "label:line:column: …", line and column from 1, column in characters. */
QN_PRINTF(4, 5) int qn_jprogram_fail(const qn_jprogram *p, uint32_t pos, int code, const char *fmt, ...);
void qn_jprogram_place(const qn_jprogram *p, uint32_t pos, int *line, int *column);

/* ---- between jinja_parse.c and jinja_parse_expr.c ------------------------------------------------------------ */
typedef struct {
    qn_jprogram *p;
    const qn_jtok *tok;             /* the current token; the last is EOF */
    int depth;
    bool soft;                      /* inside an if: an unknown filter fails when run, elsewhere at once */
    const qn_jnode *unknown;        /* the first unknown filter or test outside */
    bool loops;                     /* inside a for */
    bool uses_kwargs, uses_varargs, uses_caller;
} qn_jparser;

#define QN_JPARSE_DEPTH 200

int qn_jparse_new(qn_jparser *s, qn_jnode_kind kind, uint32_t pos, qn_jnode **out);
int qn_jparse_add(qn_jparser *s, qn_jnodes *list, qn_jnode *n);
int qn_jparse_id(qn_jparser *s, const qn_jtok *name, uint32_t *id);
bool qn_jparse_is(const qn_jparser *s, const char *name);            /* the current token is this name */
bool qn_jparse_skip(qn_jparser *s, int kind);                        /* takes the token if it is one */
bool qn_jparse_skip_name(qn_jparser *s, const char *name);
int qn_jparse_expect(qn_jparser *s, int kind, const qn_jtok **out);  /* out may be NULL */
QN_PRINTF(2, 3) int qn_jparse_fail(qn_jparser *s, const char *fmt, ...);
int qn_jparse_expr(qn_jparser *s, qn_jnode **out);
int qn_jparse_expr_plain(qn_jparser *s, qn_jnode **out);             /* without `a if b else c` */
/* One expression, or a tuple without parentheses; ends before `stop` too (NULL: none). */
int qn_jparse_tuple(qn_jparser *s, bool conditional, const char *stop, qn_jnode **out);
int qn_jparse_filters(qn_jparser *s, bool inline_first, qn_jnode **out);
/* name, a.b (with_namespace), or a tuple of them. */
int qn_jparse_target(qn_jparser *s, bool with_namespace, const char *stop, qn_jnode **out);
const char *qn_jtok_text(const qn_jtok *t, char buf[80]);            /* for messages */

#endif

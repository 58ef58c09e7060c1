/* chat/jinja_value.h — Python's values as a template sees them. All memory belongs to an arena and is freed with it.
 *
 *   qn_jarena   bump allocation with a limit
 *   qn_jstr     a string: UTF-8 bytes, and for each byte whether it is data
 *   qn_jsb      builds one
 *   qn_jv       a value, 16 bytes: kind, flags, payload
 *
 * Nothing is ever changed in place but namespaces, loops, cyclers, joiners and the position of an iterator: the sandbox
 * that templates expect forbids the rest. */
#ifndef QN_CHAT_JINJA_VALUE_H
#define QN_CHAT_JINJA_VALUE_H

#include "base/base.h"

/* ---- arena --------------------------------------------------------------------------------------------------- */
typedef struct qn_jchunk qn_jchunk;
typedef struct {
    qn_jchunk *chunk;       /* newest first */
    size_t used, limit;     /* bytes of all chunks */
    int rc;                 /* why the last allocation failed: QN_ENOMEM or QN_ELIMIT */
} qn_jarena;
void qn_jarena_init(qn_jarena *a, size_t limit);
void qn_jarena_drop(qn_jarena *a);
void *qn_jarena_alloc(qn_jarena *a, size_t count, size_t size);      /* not cleared; NULL with a->rc set */
/* Grows the newest block in place where it can, else copies. */
void *qn_jarena_grow(qn_jarena *a, void *p, size_t old_bytes, size_t new_bytes);
/* p = room for `count` items; 0 or an error. */
#define QN_JNEW(a, p, count) (((p) = qn_jarena_alloc((a), (count), sizeof *(p))) ? 0 : (a)->rc)

/* ---- strings ------------------------------------------------------------------------------------------------- */
typedef struct {
    const char *s;
    size_t n;
    const uint8_t *mask;    /* one byte per byte, 1 = data; NULL: all bytes are as `data` says */
    bool data;
} qn_jstr;
#define QN_JLIT(lit) ((qn_jstr){(lit), sizeof(lit) - 1, NULL, false})
static inline bool qn_jstr_mark(const qn_jstr *s, size_t at) { return s->mask ? s->mask[at] != 0 : s->data; }
static inline qn_str qn_jstr_view(const qn_jstr *s) { return (qn_str){s->s, s->n}; }
qn_jstr qn_jstr_cut(const qn_jstr *s, size_t begin, size_t end);     /* shares the bytes */
bool qn_jstr_same(const qn_jstr *a, const qn_jstr *b);               /* bytes only: marks never change a comparison */
bool qn_jstr_is(const qn_jstr *a, const char *z);
int qn_jstr_order(const qn_jstr *a, const qn_jstr *b);               /* by code point */
int64_t qn_jstr_length(const qn_jstr *s);                            /* code points */
size_t qn_jstr_offset(const qn_jstr *s, int64_t chars);              /* byte offset of a code point ≤ length */
/* First (last) place of `what` in s[from, to), or -1. */
int64_t qn_jstr_find(const qn_jstr *s, const qn_jstr *what, size_t from, size_t to);
int64_t qn_jstr_rfind(const qn_jstr *s, const qn_jstr *what, size_t from, size_t to);
/* str.strip: white space, or any character of `chars`. */
enum { QN_JLEFT = 1, QN_JRIGHT = 2 };
qn_jstr qn_jstr_strip(const qn_jstr *s, const qn_jstr *chars, int sides);
bool qn_jchar_space(uint32_t c);                                     /* str.isspace */
bool qn_jchar_line(uint32_t c);                                      /* where str.splitlines cuts */
/* The character at s[at]: its length, *c set. `at` < n; the bytes are valid UTF-8. */
size_t qn_jstr_char(const qn_jstr *s, size_t at, uint32_t *c);

typedef struct {
    qn_jarena *a;
    char *s;
    uint8_t *mask;          /* NULL while all bytes have the mark `data` */
    size_t n, cap, limit;   /* limit: 0 for none but the arena's */
    bool data;
} qn_jsb;
void qn_jsb_init(qn_jsb *b, qn_jarena *a);
int qn_jsb_put(qn_jsb *b, const char *s, size_t n, bool data);
int qn_jsb_puts(qn_jsb *b, const char *z, bool data);
int qn_jsb_str(qn_jsb *b, const qn_jstr *s);
int qn_jsb_char(qn_jsb *b, uint32_t c, bool data);
int qn_jsb_fill(qn_jsb *b, char c, int64_t count, bool data);
qn_jstr qn_jsb_done(const qn_jsb *b);                                /* the bytes stay the builder's */

/* Letters (jinja_case.c), as Python's str methods see them. */
typedef enum { QN_JUPPER, QN_JLOWER, QN_JTITLE, QN_JCAPITAL, QN_JSWAP, QN_JFOLD } qn_jcase;
int qn_jstr_case(qn_jsb *b, const qn_jstr *s, qn_jcase how);
typedef enum { QN_JALPHA = 1, QN_JDECIMAL = 2, QN_JDIGIT = 4, QN_JNUMERIC = 8, QN_JPRINT = 16, QN_JIS_LOWER = 32,
               QN_JIS_UPPER = 64, QN_JWORD = 128 } qn_jclass;
unsigned qn_jchar_class(uint32_t c);

/* ---- values -------------------------------------------------------------------------------------------------- */
typedef enum {
    QN_JMISSING,            /* an argument that was not given */
    QN_JUNDEFINED, QN_JNONE, QN_JBOOL, QN_JINT, QN_JBIG, QN_JFLOAT, QN_JSTR, QN_JLIST, QN_JTUPLE, QN_JDICT,
    QN_JRANGE, QN_JVIEW,    /* range(); the views that dict.keys, .values and .items give */
    QN_JITER,               /* what map, select … give: can be walked once, has no length */
    QN_JNAMESPACE, QN_JMACRO, QN_JFUNC, QN_JMETHOD, QN_JLOOP, QN_JCYCLER, QN_JJOINER
} qn_jkind;

typedef struct qn_jlist qn_jlist;
typedef struct qn_jdict qn_jdict;

typedef struct {
    uint8_t kind;
    bool data;              /* read from the conversation: printing it gives data (strings have their own marks) */
    bool markup;            /* a string that |e or |safe made: + escapes the other side */
    union {
        bool b;
        int64_t i;
        double f;
        const qn_jstr *s;               /* STR; BIG: the digits of an integer beyond 64 bits */
        qn_jlist *list;                 /* LIST TUPLE RANGE VIEW ITER */
        qn_jdict *dict;                 /* DICT NAMESPACE */
        struct qn_jundef *undef;
        const struct qn_jbuiltin *func;
        struct qn_jmethod *method;
        struct qn_jmacro *macro;
        struct qn_jloop *loop;
        struct qn_jcycle *cycle;
    } u;
} qn_jv;

struct qn_jlist {
    qn_jv *v;
    size_t n, cap;
    size_t at;              /* ITER: what was taken already */
    const char *error;      /* ITER: what fails once the items are used up, or NULL */
    const char *view;       /* VIEW: "dict_keys" …; TUPLE of groupby: "group" */
    int64_t start, stop, step;
};
typedef struct { qn_jv key, value; } qn_jpair;
struct qn_jdict {           /* keeps the order of insertion */
    qn_jpair *e;
    size_t n, cap;
    uint32_t *index;        /* open addressing, entry + 1; NULL while the dict is small */
    size_t index_cap;
};
/* Why a value is undefined; the message is made when somebody asks. */
typedef struct qn_jundef { const qn_jstr *name; const char *hint, *type; bool unsafe; } qn_jundef;

static inline qn_jv qn_jv_none(void) { return (qn_jv){.kind = QN_JNONE}; }
static inline qn_jv qn_jv_bool(bool b) { return (qn_jv){.kind = QN_JBOOL, .u.b = b}; }
static inline qn_jv qn_jv_int(int64_t i) { return (qn_jv){.kind = QN_JINT, .u.i = i}; }
static inline qn_jv qn_jv_float(double f) { return (qn_jv){.kind = QN_JFLOAT, .u.f = f}; }
int qn_jv_str(qn_jarena *a, qn_jstr s, qn_jv *out);                  /* the header is copied, the bytes are not */
int qn_jv_undefined(qn_jarena *a, const qn_jstr *name, const char *type, const char *hint, qn_jv *out);
int qn_jv_list(qn_jarena *a, qn_jkind kind, size_t room, qn_jv *out);
int qn_jlist_add(qn_jarena *a, qn_jlist *l, qn_jv v);
int qn_jv_dict(qn_jarena *a, size_t room, qn_jv *out);

bool qn_jv_truth(qn_jv v);
bool qn_jv_number(qn_jv v);                 /* int, float, bool, big: numbers.Number */
bool qn_jv_integral(qn_jv v, int64_t *i);   /* int or bool */
double qn_jv_double(qn_jv v);               /* of a number */
bool qn_jv_sequence(qn_jv v);               /* list, tuple, range: indexable */
bool qn_jv_iterable(qn_jv v);
const char *qn_jv_type(qn_jv v);            /* Python's name: "str", "NoneType" … */

/* Comparisons walk nested values: `depth` guards the stack; beyond it QN_ELIMIT. */
int qn_jv_equal(qn_jv a, qn_jv b, int depth, bool *out);
/* *out = -1, 0, 1, or 2 for a NaN; QN_ETEMPLATE where Python has no order. */
int qn_jv_order(qn_jv a, qn_jv b, int depth, int *out);
bool qn_jv_hashable(qn_jv v);
/* Keys must be hashable. */
int qn_jdict_put(qn_jarena *a, qn_jdict *d, qn_jv key, qn_jv value);
const qn_jv *qn_jdict_get(const qn_jdict *d, qn_jv key);
const qn_jv *qn_jdict_find(const qn_jdict *d, qn_str key);           /* by a string key */

/* Text (jinja_print.c). */
int qn_jv_print(qn_jsb *b, qn_jv v, int depth);                      /* str() */
int qn_jv_repr(qn_jsb *b, qn_jv v, int depth);
typedef struct { bool ascii, sort, pretty; qn_jstr indent, item, key; } qn_jjson;   /* json.dumps' options */
int qn_jv_json(qn_jsb *b, qn_jv v, const qn_jjson *o, int level);
int qn_jfloat_repr(char out[40], double f);                          /* as Python prints it; returns the length */

#define QN_JDEPTH 200       /* nested lists and dicts that may be printed or compared */

#endif

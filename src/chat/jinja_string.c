/* chat/jinja_string.c — strings whose bytes know where they came from.
 *
 *     text   <|im_start|>user\n Hello
 *     mask   000000000000000000 11111      0 the template's, 1 data; no mask while all bytes agree
 *
 * A cut shares bytes and mask; everything else goes through a builder, byte by byte with its mark. */
#include "chat/jinja_value.h"

#include <string.h>

qn_jstr qn_jstr_cut(const qn_jstr *s, size_t begin, size_t end) {
    qn_assert(begin <= end && end <= s->n);
    return (qn_jstr){s->s + begin, end - begin, s->mask ? s->mask + begin : NULL, s->data};
}

bool qn_jstr_same(const qn_jstr *a, const qn_jstr *b) {
    return a->n == b->n && (a->n == 0 || memcmp(a->s, b->s, a->n) == 0);
}

bool qn_jstr_is(const qn_jstr *a, const char *z) {
    return qn_str_is(qn_jstr_view(a), z);
}

int qn_jstr_order(const qn_jstr *a, const qn_jstr *b) {
    size_t n = QN_MIN(a->n, b->n);
    int d = n ? memcmp(a->s, b->s, n) : 0;      /* UTF-8 sorts as its code points do */
    return d ? d : (a->n > b->n) - (a->n < b->n);
}

int64_t qn_jstr_length(const qn_jstr *s) {
    int64_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += ((unsigned char)s->s[i] & 0xC0) != 0x80;
    return n;
}

size_t qn_jstr_offset(const qn_jstr *s, int64_t chars) {
    size_t i = 0;
    while (i < s->n && chars > 0) {
        i++;
        while (i < s->n && ((unsigned char)s->s[i] & 0xC0) == 0x80)
            i++;
        chars--;
    }
    return i;
}

int64_t qn_jstr_find(const qn_jstr *s, const qn_jstr *what, size_t from, size_t to) {
    if (what->n == 0)
        return from <= to ? (int64_t)from : -1;
    while (from < to && to - from >= what->n) {
        const char *p = memchr(s->s + from, what->s[0], to - from - what->n + 1);
        if (!p)
            return -1;
        if (memcmp(p, what->s, what->n) == 0)
            return p - s->s;
        from = (size_t)(p - s->s) + 1;
    }
    return -1;
}

int64_t qn_jstr_rfind(const qn_jstr *s, const qn_jstr *what, size_t from, size_t to) {
    if (from > to || to - from < what->n)
        return -1;
    for (size_t at = to - what->n + 1; at-- > from;)
        if (what->n == 0 || memcmp(s->s + at, what->s, what->n) == 0)
            return (int64_t)at;
    return -1;
}

bool qn_jchar_space(uint32_t c) {
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool qn_jchar_line(uint32_t c) {
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

size_t qn_jstr_char(const qn_jstr *s, size_t at, uint32_t *c) {
    int n = qn_utf8_decode(s->s + at, s->n - at, c);
    qn_assert(n > 0);
    return (size_t)n;
}

static bool strips(const qn_jstr *chars, uint32_t c) {
    if (!chars)
        return qn_jchar_space(c);
    for (size_t i = 0; i < chars->n;) {
        uint32_t d;
        i += qn_jstr_char(chars, i, &d);
        if (c == d)
            return true;
    }
    return false;
}

qn_jstr qn_jstr_strip(const qn_jstr *s, const qn_jstr *chars, int sides) {
    size_t begin = 0, end = s->n;
    uint32_t c;
    while ((sides & QN_JLEFT) && begin < end) {
        size_t n = qn_jstr_char(s, begin, &c);
        if (!strips(chars, c))
            break;
        begin += n;
    }
    while ((sides & QN_JRIGHT) && begin < end) {
        size_t at = end - 1;
        while (((unsigned char)s->s[at] & 0xC0) == 0x80)
            at--;
        qn_jstr_char(s, at, &c);
        if (!strips(chars, c))
            break;
        end = at;
    }
    return qn_jstr_cut(s, begin, end);
}

void qn_jsb_init(qn_jsb *b, qn_jarena *a) {
    *b = (qn_jsb){.a = a};
}

static int jsb_reserve(qn_jsb *b, size_t more) {
    size_t need;
    if (QN_ADD_OVERFLOW(b->n, more, &need) || (b->limit && need > b->limit))
        return qn_fail(QN_ELIMIT, "the prompt grows beyond %zu bytes", b->limit);
    if (need <= b->cap)
        return 0;
    size_t cap = QN_MAX(need, QN_MAX(b->cap * 2, (size_t)64));
    if (!b->mask) {
        char *s = qn_jarena_grow(b->a, b->s, b->cap, cap);
        if (!s)
            return b->a->rc;
        b->s = s;
    } else {
        /* One block for both, so that neither is in the other's way: bytes, then mask. */
        char *s = qn_jarena_alloc(b->a, cap, 2);
        if (!s)
            return b->a->rc;
        memcpy(s, b->s, b->n);
        memcpy(s + cap, b->mask, b->n);
        b->s = s;
        b->mask = (uint8_t *)s + cap;
    }
    b->cap = cap;
    return 0;
}

/* From now on the bytes differ in their marks. */
static int jsb_mix(qn_jsb *b) {
    if (b->mask)
        return 0;
    QN_TRY(QN_JNEW(b->a, b->mask, b->cap));
    memset(b->mask, b->data, b->n);
    return 0;
}

int qn_jsb_put(qn_jsb *b, const char *s, size_t n, bool data) {
    if (n == 0)
        return 0;
    QN_TRY(jsb_reserve(b, n));
    if (b->n == 0 && !b->mask)
        b->data = data;
    if (data != b->data || b->mask) {
        QN_TRY(jsb_mix(b));
        memset(b->mask + b->n, data, n);
    }
    memcpy(b->s + b->n, s, n);
    b->n += n;
    return 0;
}

int qn_jsb_puts(qn_jsb *b, const char *z, bool data) {
    return qn_jsb_put(b, z, strlen(z), data);
}

int qn_jsb_str(qn_jsb *b, const qn_jstr *s) {
    if (!s->mask || s->n == 0)
        return qn_jsb_put(b, s->s, s->n, s->data);
    QN_TRY(jsb_reserve(b, s->n));
    QN_TRY(jsb_mix(b));
    memcpy(b->s + b->n, s->s, s->n);
    memcpy(b->mask + b->n, s->mask, s->n);
    b->n += s->n;
    return 0;
}

int qn_jsb_char(qn_jsb *b, uint32_t c, bool data) {
    char out[4];
    return qn_jsb_put(b, out, (size_t)qn_utf8_encode(c, out), data);
}

int qn_jsb_fill(qn_jsb *b, char c, int64_t count, bool data) {
    if (count <= 0)
        return 0;
    QN_TRY(jsb_reserve(b, (size_t)count));
    for (int64_t i = 0; i < count; i++)
        QN_TRY(qn_jsb_put(b, &c, 1, data));
    return 0;
}

qn_jstr qn_jsb_done(const qn_jsb *b) {
    return (qn_jstr){b->n ? b->s : "", b->n, b->mask, b->data};
}

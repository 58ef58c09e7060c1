/* base/str.h — views, growing buffers, UTF-8, and a map from strings to numbers. */
#ifndef QN_BASE_STR_H
#define QN_BASE_STR_H

#include "base/mem.h"

/* A view: borrowed bytes, no NUL promised. */
typedef struct { const char *s; size_t n; } qn_str;
#define QN_STR(lit) ((qn_str){(lit), sizeof(lit) - 1})
#define QN_STR_ARG(v) (int)((v).n > 200 ? 200 : (v).n), (v).s        /* for "%.*s", cut at 200 */
qn_str qn_str_of(const char *z);                                     /* NULL gives an empty view */
bool qn_str_eq(qn_str a, qn_str b);
bool qn_str_is(qn_str a, const char *z);
bool qn_str_starts(qn_str a, const char *z);
bool qn_str_ends(qn_str a, const char *z);
/* The next line of *rest, without its end (\n, \r\n), which moves behind it; false: nothing is left. */
bool qn_str_take_line(qn_str *rest, qn_str *line);
/* White space of ASCII, in any locale; and what JSON has of it. */
static inline bool qn_is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static inline bool qn_is_json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
char *qn_str_dup(qn_mem_tag tag, qn_str a);                          /* NUL-terminated copy; NULL on ENOMEM */

/* A growing byte buffer; always NUL-terminated behind n once anything was put. {0} is empty and ready. */
typedef struct { char *s; size_t n, cap; } qn_buf;
int qn_buf_put(qn_buf *b, const void *bytes, size_t n);
int qn_buf_putc(qn_buf *b, char c);
int qn_buf_puts(qn_buf *b, const char *z);
QN_PRINTF(2, 3) int qn_buf_printf(qn_buf *b, const char *fmt, ...);
int qn_buf_reserve(qn_buf *b, size_t more);
int qn_buf_utf8(qn_buf *b, uint32_t codepoint);
qn_str qn_buf_view(const qn_buf *b);
void qn_buf_clear(qn_buf *b);                                        /* n = 0, keeps the memory */
void qn_buf_drop(qn_buf *b);

/* UTF-8, strict (no surrogates, no overlongs, ≤ U+10FFFF). */
#define QN_UTF8_OK ((size_t)-1)
size_t qn_utf8_check(const char *s, size_t n);                       /* offset of the first bad byte, or QN_UTF8_OK */
/* Decodes one code point at s (n > 0): returns its length 1…4 and sets *cp, or 0 where the bytes are not UTF-8. */
int qn_utf8_decode(const char *s, size_t n, uint32_t *cp);
int qn_utf8_encode(uint32_t cp, char out[4]);                        /* length 1…4; 0 for what is no code point */
/* Bytes at the end of s that begin a character which is not complete yet: 0…3. */
size_t qn_utf8_pending(const char *s, size_t n);

/* Strings to int64 values, open addressing. Keys are borrowed, not copied: they must outlive the map. */
typedef struct qn_strmap { struct qn_strmap_slot *slot; size_t n, cap; } qn_strmap;
int qn_strmap_reserve(qn_strmap *m, size_t keys);
int qn_strmap_put(qn_strmap *m, qn_str key, int64_t value);          /* 1 if new, 0 if replaced, <0 error */
bool qn_strmap_get(const qn_strmap *m, qn_str key, int64_t *value);
void qn_strmap_drop(qn_strmap *m);
uint64_t qn_hash_bytes(const void *p, size_t n, uint64_t seed);      /* 64-bit, good mixing, same on every machine */

/* Numbers from strings, whole string, decimal, range-checked, independent of the locale. No infinities, no NaN. */
bool qn_parse_i64(qn_str s, int64_t *out);
bool qn_parse_f64(qn_str s, double *out);                            /* correctly rounded; too small becomes 0 */
/* The shortest text that reads back to v, NUL-terminated; its length. (printf would write the locale's comma.) */
#define QN_F64_TEXT 32
size_t qn_f64_text(double v, char out[QN_F64_TEXT]);

/* "s", or "" behind one: "%lld file%s". */
static inline const char *qn_plural(int64_t n) { return n == 1 ? "" : "s"; }

/* Closest of `names` (n of them) to `word` by edit distance, for "did you mean"; NULL if none is near. */
const char *qn_nearest(const char *word, const char *const *names, size_t n);

#endif

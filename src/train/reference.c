/* train/reference.c — sums of the reference in memory and in their file. */
#include "train/reference.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

enum { HEADER = 72, SUMMED = 64, VERSION = 1, KEY_DIGITS = QN_REFERENCE_KEY - 1 };

/* ---- the key ---- */

int qn_reference_key(const qn_model *m, const qn_adapter *begun, const qn_examples *e, qn_pool *pool,
                     char key[QN_REFERENCE_KEY]) {
    const char *examples = qn_examples_fingerprint(e);
    const int64_t what[] = {m->cfg.compute, qn_examples_context(e)};
    char weights[17], adapter[17];
    QN_TRY(qn_model_fingerprint(m, pool, weights));
    if (begun)
        qn_adapter_fingerprint(begun, adapter);
    uint64_t h[2];
    for (int k = 0; k < 2; k++) {
        h[k] = qn_hash_bytes(weights, sizeof weights, (uint64_t)k + 1);
        h[k] = qn_hash_bytes(examples, strlen(examples), h[k]);
        h[k] = qn_hash_bytes(what, sizeof what, h[k]);
        h[k] = begun ? qn_hash_bytes(adapter, sizeof adapter, h[k]) : h[k];
    }
    snprintf(key, QN_REFERENCE_KEY, "%016llx%016llx", (unsigned long long)h[0], (unsigned long long)h[1]);
    return 0;
}

/* ---- memory ---- */

int qn_reference_init(qn_reference *r, const qn_examples *e, const char *key) {
    *r = (qn_reference){0};
    snprintf(r->key, sizeof r->key, "%s", key);
    for (int k = 0; k < QN_SPLITS; k++) {
        r->n[k] = qn_examples_count(e, (qn_split)k);
        r->sum[k] = qn_zalloc(QN_MEM_BASE, 2 * (size_t)r->n[k] + 1, sizeof *r->sum[k]);
    }
    if (!r->sum[0] || !r->sum[1]) {
        qn_reference_drop(r);
        return QN_ENOMEM;
    }
    for (int k = 0; k < QN_SPLITS; k++)
        for (int64_t i = 0; i < 2 * r->n[k]; i++)
            r->sum[k][i] = NAN;
    return 0;
}

void qn_reference_drop(qn_reference *r) {
    for (int k = 0; k < QN_SPLITS; k++)
        qn_free(r->sum[k]);
    *r = (qn_reference){0};
}

/* ---- the file ---- */

static size_t bytes_of(const qn_reference *r, int k) { return 2 * (size_t)r->n[k] * sizeof *r->sum[k]; }

/* Everything but the sum itself. */
static uint64_t checksum(const char *file, size_t n) {
    return qn_hash_bytes(file + HEADER, n - HEADER, qn_hash_bytes(file, SUMMED, 0));
}

int qn_reference_save(const qn_reference *r, const char *path) {
    const uint32_t word[2] = {VERSION, 0};
    char head[HEADER] = "QNREFERE";
    qn_buf all = {0};
    int rc;
    memcpy(head + 8, word, sizeof word);
    memcpy(head + 16, r->key, KEY_DIGITS);
    memcpy(head + 48, r->n, sizeof r->n);
    QN_TRY_OUT(qn_buf_put(&all, head, HEADER));
    for (int k = 0; k < QN_SPLITS; k++)
        QN_TRY_OUT(qn_buf_put(&all, r->sum[k], bytes_of(r, k)));
    const uint64_t sum = checksum(all.s, all.n);
    memcpy(all.s + SUMMED, &sum, sizeof sum);
    rc = qn_write_file(path, all.s, all.n);
out:
    qn_buf_drop(&all);
    return rc;
}

static int check_file(const qn_map_file *f, const char *path, const qn_reference *r) {
    uint32_t version;
    uint64_t sum;
    if (f->n < HEADER || memcmp(f->s, "QNREFERE", 8) != 0)
        return qn_fail(QN_EFORMAT, "%s: holds no sums of a reference", path);
    memcpy(&version, f->s + 8, sizeof version);
    memcpy(&sum, f->s + SUMMED, sizeof sum);
    if (version != VERSION)
        return qn_fail(QN_EFORMAT, "%s: version %u; this build reads %d", path, version, VERSION);
    if (memcmp(f->s + 16, r->key, KEY_DIGITS) != 0 || memcmp(f->s + 48, r->n, sizeof r->n) != 0)
        return qn_fail(QN_EINVAL, "%s: its sums are of other weights or examples", path);
    if (f->n != HEADER + bytes_of(r, 0) + bytes_of(r, 1))
        return qn_fail(QN_ETRUNC, "%s: %zu bytes, expected %zu", path, f->n, HEADER + bytes_of(r, 0) + bytes_of(r, 1));
    return checksum(f->s, f->n) == sum ? 0 : qn_fail(QN_EFORMAT, "%s: is damaged: its checksum is another one", path);
}

static int take(qn_reference *r, const qn_map_file *f, const char *path) {
    const char *at = f->s + HEADER;
    bool good = true;
    QN_TRY(check_file(f, path, r));
    for (int k = 0; k < QN_SPLITS; k++) {
        memcpy(r->sum[k], at, bytes_of(r, k));
        at += bytes_of(r, k);
        for (int64_t i = 0; i < 2 * r->n[k]; i++)
            good = good && !isinf(r->sum[k][i]) && !(r->sum[k][i] > 0);
    }
    return good ? 0 : qn_fail(QN_EFORMAT, "%s: holds what is no sum of log-probabilities", path);
}

int qn_reference_open(qn_reference *r, const char *path, const qn_examples *e, const char *key) {
    qn_map_file f;
    if (!qn_is_file(path))
        return qn_fail(QN_ENOTFOUND, "%s: there is no such file", path);
    QN_TRY(qn_reference_init(r, e, key));
    int rc = qn_map_open(&f, path);
    if (rc >= 0) {
        rc = take(r, &f, path);
        qn_map_close(&f);
    }
    if (rc < 0)
        qn_reference_drop(r);
    return rc;
}

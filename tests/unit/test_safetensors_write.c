/* tests/unit/test_safetensors_write.c — what the writer wrote, the reader reads, to the byte; names and metadata of any
 * text; no tensor where its elements would lie across words. */
#include "test.h"

#include "format/safetensors.h"
#include "format/safetensors_write.h"
#include "make_model.h"

static const struct { const char *name; qn_dtype dtype; int rank; int64_t dims[3]; } tensors[] = {
    {"a \"quoted\" name", QN_F64, 1, {3}}, {"w", QN_F32, 2, {3, 5}}, {"cube", QN_F32, 3, {2, 3, 4}},
    {"empty", QN_F32, 2, {0, 7}},          {"h", QN_F16, 1, {5}},    {"b", QN_BF16, 2, {5, 1}},
};

static int put_data(qn_tensor_writer *t) {
    for (size_t i = 0; i < t->count; i++) {
        const qn_tensor_decl *d = &t->decl[i];
        qn_buf b = {0};
        float *v = test_fill_values(d->name, test_product(d->rank, d->dims), 1);
        test_put_values(&b, d->dtype, v, test_product(d->rank, d->dims));
        const int rc = qn_tensor_writer_put(t, b.s, b.n);
        qn_buf_drop(&b);
        qn_free(v);
        QN_TRY(rc);
    }
    return 0;
}

/* Where allocations fail, the test itself must not allocate. */
static int put_zeros(qn_tensor_writer *t) {
    static const char zeros[256];
    for (size_t i = 0; i < t->count; i++)
        QN_TRY(qn_tensor_writer_put(t, zeros, (size_t)t->decl[i].bytes));
    return 0;
}

static int write_all(const char *path, int (*data)(qn_tensor_writer *t)) {
    qn_safetensors_writer w = {0};
    int rc;
    QN_TRY_OUT(qn_safetensors_writer_meta(&w, QN_STR("format"), QN_STR("pt")));
    QN_TRY_OUT(qn_safetensors_writer_meta(&w, QN_STR("general.name"), QN_STR("Mühlbach\n\"1\"")));
    for (size_t i = 0; i < QN_LEN(tensors); i++)
        QN_TRY_OUT(qn_tensor_writer_add(&w.t, tensors[i].name, tensors[i].dtype, tensors[i].rank, tensors[i].dims));
    QN_TRY_OUT(qn_safetensors_writer_begin(&w, path));
    QN_TRY_OUT(data(&w.t));
    QN_TRY_OUT(qn_tensor_writer_commit(&w.t));
out:
    qn_safetensors_writer_drop(&w);
    return rc;
}

TEST(the_reader_reads_what_was_written) {
    char path[512];
    qn_safetensors *st;
    qn_str text;
    snprintf(path, sizeof path, "%s", qn_test_temp("all.safetensors"));
    CHECK_OK(write_all(path, put_data));
    CHECK_OK(qn_safetensors_open(&st, path));
    CHECK_INT(qn_meta_get_str(qn_safetensors_meta(st), "format", &text), 1);
    CHECK_VIEW(text, "pt");
    CHECK_INT(qn_meta_get_str(qn_safetensors_meta(st), "general.name", &text), 1);
    CHECK_VIEW(text, "Mühlbach\n\"1\"");
    const qn_tensor_file *f = qn_safetensors_tensors(st);
    CHECK_INT(qn_tensor_count(f), QN_LEN(tensors));
    CHECK_INT((qn_tensor_at(f, 0)->data - f->map[0].s) % 8, 0);
    for (size_t i = 0; i < QN_LEN(tensors); i++) {
        const qn_tensor_info *t = qn_tensor_find(f, tensors[i].name);
        const int64_t n = test_product(tensors[i].rank, tensors[i].dims);
        CHECK(t && t->dtype == (int)tensors[i].dtype && t->rank == tensors[i].rank, "%s", tensors[i].name);
        for (int d = 0; d < t->rank; d++)
            CHECK_INT(t->dims[d], tensors[i].dims[d], "%s", tensors[i].name);
        float *v = test_fill_values(tensors[i].name, n, 1);
        qn_buf want = {0};
        test_put_values(&want, tensors[i].dtype, v, n);
        CHECK(t->bytes == want.n && memcmp(t->data, want.s, want.n) == 0, "%s", tensors[i].name);
        qn_buf_drop(&want);
        qn_free(v);
    }
    qn_safetensors_close(st);
}

TEST(refuses_blocks_and_crooked_places) {
    qn_safetensors_writer w = {0};
    CHECK_OK(qn_tensor_writer_add(&w.t, "q", QN_Q8_0, 1, (int64_t[]){32}));
    CHECK_FAIL(qn_safetensors_writer_begin(&w, qn_test_temp("q")), QN_EINVAL, "safetensors has no q8_0");
    qn_safetensors_writer_drop(&w);
    w = (qn_safetensors_writer){0};
    CHECK_OK(qn_tensor_writer_add(&w.t, "h", QN_F16, 1, (int64_t[]){5}));
    CHECK_OK(qn_tensor_writer_add(&w.t, "w", QN_F32, 1, (int64_t[]){5}));
    CHECK_FAIL(qn_safetensors_writer_begin(&w, qn_test_temp("w")), QN_EINVAL, "byte 10, no multiple of 4");
    qn_safetensors_writer_drop(&w);
    w = (qn_safetensors_writer){0};
    CHECK_OK(qn_safetensors_writer_meta(&w, QN_STR("k"), QN_STR("1")));
    CHECK_FAIL(qn_safetensors_writer_meta(&w, QN_STR("k"), QN_STR("2")), QN_EINVAL, "twice");
    qn_safetensors_writer_drop(&w);
}

TEST(what_was_there_stays_until_the_new_file_is_whole) {
    char path[512];
    qn_buf now = {0};
    int64_t n = 0;
    for (;; n++) {
        snprintf(path, sizeof path, "%s", qn_test_write("old.safetensors", "old", 3));
        qn_file_fail_after(n);
        const int rc = write_all(path, put_data);
        qn_file_fail_after(-1);
        if (rc >= 0)
            break;
        qn_buf_clear(&now);
        CHECK_OK(qn_read_file(&now, path, 1000));
        CHECK_STR(now.s, "old", "write %lld", (long long)n);
    }
    CHECK(n >= 3);
    qn_buf_drop(&now);
}

TEST(every_failed_allocation_is_an_error) {
    char path[512];
    int64_t n = 0;
    snprintf(path, sizeof path, "%s", qn_test_temp("memory.safetensors"));
    for (int rc = -1; rc < 0; n++) {
        const int64_t live = qn_mem_stats_get(QN_MEM_FORMAT).live_bytes;
        qn_mem_fail_after(n);
        rc = write_all(path, put_zeros);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld", (long long)n);
        CHECK_NO_LEAK(QN_MEM_FORMAT, live, "allocation %lld", (long long)n);
    }
    CHECK(n > 10);
}

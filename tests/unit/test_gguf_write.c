/* tests/unit/test_gguf_write.c — what the writer wrote, the reader reads: every kind of value, every dtype; and nothing
 * half done is left behind. The reader is held to files of others in test_gguf.c. */
#include "test.h"

#include <dirent.h>

#include "format/gguf.h"
#include "format/gguf_write.h"
#include "make_model.h"

static const int64_t SHAPE[] = {3, 64};

static int put_everything(qn_gguf_writer *w) {
    QN_TRY(qn_gguf_put_str(w, "general.architecture", QN_STR("test")));
    QN_TRY(qn_gguf_put_u32(w, "u", UINT32_MAX));
    QN_TRY(qn_gguf_put_i32(w, "i", INT32_MIN));
    QN_TRY(qn_gguf_put_f32(w, "f", 0.1f));
    QN_TRY(qn_gguf_put_bool(w, "b", true));
    QN_TRY(qn_gguf_put_array(w, "words", QN_GGUF_STRING, 2));
    QN_TRY(qn_gguf_item_str(w, QN_STR("é")));
    QN_TRY(qn_gguf_item_str(w, QN_STR("")));
    QN_TRY(qn_gguf_put_array(w, "numbers", QN_GGUF_I32, 2));
    QN_TRY(qn_gguf_item_i32(w, -1));
    QN_TRY(qn_gguf_item_i32(w, 7));
    return qn_gguf_put_array(w, "nothing", QN_GGUF_STRING, 0);
}

/* One tensor of every dtype that GGUF has and that is written; a vector of odd length in front, so that padding is
 * needed. */
static int put_tensors(qn_gguf_writer *w) {
    const int64_t odd = 5;
    QN_TRY(qn_tensor_writer_add(&w->t, "odd", QN_F16, 1, &odd));
    for (int t = 0; t < QN_DTYPES; t++)
        if (qn_dtype_get((qn_dtype)t)->ggml_id >= 0 && qn_dtype_get((qn_dtype)t)->encode_row)
            QN_TRY(qn_tensor_writer_add(&w->t, qn_dtype_get((qn_dtype)t)->name, (qn_dtype)t, 2, SHAPE));
    return 0;
}

static int write_tensors(qn_gguf_writer *w) {
    for (size_t i = 0; i < w->t.count; i++) {
        const qn_tensor_decl *d = &w->t.decl[i];
        qn_buf b = {0};
        float *v = test_fill_values(d->name, test_product(d->rank, d->dims), 1);
        test_put_values(&b, d->dtype, v, test_product(d->rank, d->dims));
        int rc = 0;
        for (size_t at = 0; at < b.n && rc >= 0; at += 7)               /* in pieces that fit nothing */
            rc = qn_tensor_writer_put(&w->t, b.s + at, QN_MIN((size_t)7, b.n - at));
        qn_buf_drop(&b);
        qn_free(v);
        QN_TRY(rc);
    }
    return 0;
}

/* Where allocations fail, the test itself must not allocate. */
static int write_zeros(qn_gguf_writer *w) {
    static const char zeros[3 * 64 * 8];
    for (size_t i = 0; i < w->t.count; i++)
        QN_TRY(qn_tensor_writer_put(&w->t, zeros, (size_t)w->t.decl[i].bytes));
    return 0;
}

static int write_all(const char *path, int (*data)(qn_gguf_writer *w)) {
    qn_gguf_writer w = {0};
    int rc;
    QN_TRY_OUT(put_everything(&w));
    QN_TRY_OUT(put_tensors(&w));
    QN_TRY_OUT(qn_gguf_writer_begin(&w, path));
    QN_TRY_OUT(data(&w));
    QN_TRY_OUT(qn_tensor_writer_commit(&w.t));
out:
    qn_gguf_writer_drop(&w);
    return rc;
}

static void check_keys(const qn_meta *m) {
    int64_t i;
    double f;
    bool b;
    qn_meta_array a;
    CHECK_INT(qn_meta_count(m), 8);
    CHECK(qn_meta_get_i64(m, "u", &i) == 1 && i == UINT32_MAX);
    CHECK(qn_meta_get_i64(m, "i", &i) == 1 && i == INT32_MIN);
    CHECK(qn_meta_get_f64(m, "f", &f) == 1 && f == (double)0.1f);
    CHECK(qn_meta_get_bool(m, "b", &b) == 1 && b);
    CHECK(qn_meta_get_array(m, "words", QN_META_STRING, &a) == 1 && a.count == 2);
    CHECK_VIEW(qn_meta_array_str(&a, 0), "é");
    CHECK_VIEW(qn_meta_array_str(&a, 1), "");
    CHECK(qn_meta_get_array(m, "numbers", QN_META_INT, &a) == 1 && a.count == 2);
    CHECK(qn_meta_array_i64(&a, 0) == -1 && qn_meta_array_i64(&a, 1) == 7);
    CHECK(qn_meta_get_array(m, "nothing", QN_META_STRING, &a) == 1 && a.count == 0);
}

static void check_tensor(const qn_tensor_info *t) {
    char name[64];
    snprintf(name, sizeof name, "%.*s", QN_STR_ARG(t->name));
    const int64_t n = qn_tensor_elements(t);
    float *v = test_fill_values(name, n, 1);
    qn_buf want = {0};
    test_put_values(&want, (qn_dtype)t->dtype, v, n);
    CHECK_INT(t->bytes, want.n, "%s", name);
    CHECK(memcmp(t->data, want.s, want.n) == 0, "%s", name);
    qn_buf_drop(&want);
    qn_free(v);
}

TEST(the_reader_reads_what_was_written) {
    char path[512];
    qn_gguf *g;
    snprintf(path, sizeof path, "%s", qn_test_temp("all.gguf"));
    const int64_t live = qn_mem_stats_get(QN_MEM_FORMAT).live_bytes;
    CHECK_OK(write_all(path, write_tensors));
    CHECK_OK(qn_gguf_open(&g, path));
    CHECK_INT(qn_gguf_version(g), 3);
    check_keys(qn_gguf_meta(g));
    const qn_tensor_file *f = qn_gguf_tensors(g);
    CHECK_INT(qn_tensor_count(f), 8);
    for (size_t i = 0; i < qn_tensor_count(f); i++) {
        CHECK_INT((qn_tensor_at(f, i)->data - f->map[0].s) % QN_GGUF_ALIGNMENT, 0);
        check_tensor(qn_tensor_at(f, i));
    }
    const qn_tensor_info *m = qn_tensor_find(f, "q4_1");
    CHECK(m && m->rank == 2 && m->dims[0] == SHAPE[0] && m->dims[1] == SHAPE[1]);
    qn_gguf_close(g);
    CHECK_NO_LEAK(QN_MEM_FORMAT, live);
}

/* Keys of every kind and width, carried over from a file that make_model.h wrote. */
TEST(values_of_another_file_are_carried_over) {
    test_gguf from = {0};
    char path[512];
    qn_gguf *g, *again;
    qn_gguf_writer w = {0};
    test_gguf_u8(&from, "u8", 255);
    test_gguf_i64(&from, "i64", INT64_MIN);
    test_gguf_u64(&from, "u64", UINT64_MAX);
    test_gguf_f64(&from, "f64", 0.1);
    test_gguf_f32(&from, "f32", 0.1f);
    test_gguf_bool(&from, "no", false);
    test_gguf_str(&from, "text", "Mühlbach");
    test_gguf_i16s(&from, "i16s", (int16_t[]){-1, 2}, 2);
    test_gguf_u64s(&from, "u64s", (uint64_t[]){UINT64_MAX}, 1);
    test_gguf_f32s(&from, "f32s", (float[]){1.5f, -0.1f}, 2);
    test_gguf_bools(&from, "bools", (bool[]){true, false}, 2);
    test_gguf_strs(&from, "strs", (const char *[]){"a", "bc"}, 2);
    qn_buf bytes = test_gguf_bytes(&from), a = {0}, b = {0};
    CHECK_OK(qn_gguf_open_memory(&g, bytes.s, bytes.n));
    snprintf(path, sizeof path, "%s", qn_test_temp("carried.gguf"));
    for (size_t i = 0; i < qn_meta_count(qn_gguf_meta(g)); i++)
        CHECK_OK(qn_gguf_put_meta(&w, qn_meta_at(qn_gguf_meta(g), i)));
    CHECK_OK(qn_gguf_writer_begin(&w, path));
    CHECK_OK(qn_tensor_writer_commit(&w.t));
    qn_gguf_writer_drop(&w);
    CHECK_OK(qn_gguf_open(&again, path));
    CHECK_INT(qn_meta_count(qn_gguf_meta(again)), 12);
    for (size_t i = 0; i < 12; i++) {
        qn_jw x, y;
        qn_jw_init(&x, &a, 0);
        qn_jw_init(&y, &b, 0);
        qn_meta_write(qn_meta_at(qn_gguf_meta(g), i), 9, &x);
        qn_meta_write(qn_meta_at(qn_gguf_meta(again), i), 9, &y);
    }
    CHECK_STR(a.s, b.s);
    qn_gguf_close(again);
    qn_gguf_close(g);
    qn_buf_drop(&a);
    qn_buf_drop(&b);
    qn_buf_drop(&bytes);
    test_gguf_drop(&from);
}

TEST(refuses_what_no_file_can_hold) {
    qn_gguf_writer w = {0};
    CHECK_OK(qn_gguf_put_u32(&w, "k", 1));
    CHECK_FAIL(qn_gguf_put_bool(&w, "k", true), QN_EINVAL, "\"k\" is there twice");
    CHECK_OK(qn_tensor_writer_add(&w.t, "t", QN_F32, 1, (int64_t[]){4}));
    CHECK_FAIL(qn_tensor_writer_add(&w.t, "t", QN_F32, 1, (int64_t[]){4}), QN_EINVAL, "\"t\" is there twice");
    CHECK_FAIL(qn_tensor_writer_add(&w.t, "u", QN_Q8_0, 2, (int64_t[]){4, 33}), QN_EINVAL, "blocks of 32");
    CHECK_FAIL(qn_tensor_writer_add(&w.t, "u", QN_F32, 2, (int64_t[]){INT64_MAX, 4}), QN_ELIMIT, "more numbers");
    CHECK_FAIL(qn_tensor_writer_add(&w.t, "u", QN_F32, 1, (int64_t[]){-1}), QN_ELIMIT, "more numbers");
    CHECK_OK(qn_tensor_writer_add(&w.t, "ids", QN_I32, 1, (int64_t[]){4}));
    CHECK_FAIL(qn_gguf_writer_begin(&w, qn_test_temp("never.gguf")), QN_EINVAL, "tensor ids: GGUF has no i32");
    qn_gguf_writer_drop(&w);
}

static int count_files(const char *dir) {
    int n = 0;
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    closedir(d);
    return n;
}

TEST(a_full_disk_leaves_nothing) {
    char dir[512], path[600];
    int64_t n = 0;
    snprintf(dir, sizeof dir, "%s", qn_test_temp("full"));
    snprintf(path, sizeof path, "%s/model.gguf", dir);
    CHECK(mkdir(dir, 0700) == 0);
    for (;; n++) {
        qn_file_fail_after(n);
        const int rc = write_all(path, write_tensors);
        qn_file_fail_after(-1);
        if (rc >= 0)
            break;
        CHECK_INT(rc, QN_EIO, "write %lld", (long long)n);
        CHECK_INT(count_files(dir), 0, "write %lld", (long long)n);
    }
    CHECK(n >= 3, "header, data and commit can fail");
    CHECK_INT(count_files(dir), 1);
}

TEST(every_failed_allocation_is_an_error) {
    char path[512];
    int64_t n = 0;
    const int64_t live = qn_mem_stats_get(QN_MEM_FORMAT).live_bytes;
    snprintf(path, sizeof path, "%s", qn_test_temp("memory.gguf"));
    for (int rc = -1; rc < 0; n++) {
        qn_mem_fail_after(n);
        rc = write_all(path, write_zeros);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld", (long long)n);
        CHECK_NO_LEAK(QN_MEM_FORMAT, live, "allocation %lld", (long long)n);
    }
    CHECK(n > 10);
}

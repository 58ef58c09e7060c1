/* cli/demo_text.c — the user's own text, looked at before hours or gigabytes are spent on it. */
#include "base/dir.h"
#include "cli/demo.h"
#include "data/corpus.h"

#define LEAST ((int64_t)4096)               /* bytes that a model can be made of at all */
#define LITTLE ((int64_t)200000)            /* below it, it learns by heart and no more */

/* What a demo leaves beside the text and what comes of it: checkpoints, tables, the programs' own files. */
#define OWN_BYTES ((int64_t)200 << 20)
#define BYTES_EACH 3                        /* for each byte of text: its tokens, the table of its n-grams */

static void add_piece(qn_demo_text *t, qn_str s) {
    t->content = qn_hash_bytes(s.s, s.n, t->content);
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.s[i];
        t->lines += c == '\n';
        t->characters += (c & 0xc0) != 0x80;
        t->foreign += c >= 0xc0;
    }
    t->bytes += (int64_t)s.n;
}

static int read_all(qn_cli *c, qn_corpus *corpus, qn_demo_text *t) {
    qn_corpus_piece piece;
    qn_corpus_stats stats;
    qn_progress bar;
    int more;
    qn_progress_init(&bar, c, "reading", qn_corpus_size(corpus), "bytes");
    while ((more = qn_corpus_next(corpus, &piece)) > 0) {
        QN_TRY(qn_cancel_check());
        add_piece(t, piece.text);
        if (piece.ends) {
            t->content = qn_hash_bytes("", 1, t->content);
            t->lines += piece.text.n && piece.text.s[piece.text.n - 1] != '\n';       /* the last one, not ended */
        }
        qn_progress_set(&bar, t->bytes);
    }
    qn_progress_drop(&bar);
    QN_TRY(more);
    qn_corpus_stats_get(corpus, &stats);
    t->files = stats.files;
    t->documents = stats.documents;
    return 0;
}

int qn_demo_text_look(qn_cli *c, const char *path, qn_demo_text *t) {
    qn_corpus *corpus;
    *t = (qn_demo_text){0};
    QN_TRY(qn_corpus_open(&corpus, &(qn_corpus_options){.path = &path, .n_paths = 1}));
    const int rc = read_all(c, corpus, t);
    qn_corpus_close(corpus);
    QN_TRY(rc);
    if (t->bytes < LEAST)
        return qn_fail(QN_EINVAL, "%s: %lld bytes of text in %lld line%s: too little to learn a language from; a demo "
                       "needs %lld bytes, and a megabyte is a good beginning", path, (long long)t->bytes,
                       (long long)t->lines, t->lines == 1 ? "" : "s", (long long)LEAST);
    if (t->bytes < LITTLE)
        qn_log(QN_LOG_WARN, "%s: only %.0f kB of text: the model will learn much of it by heart and little of the "
               "language", path, (double)t->bytes / 1e3);
    return 0;
}

int qn_demo_room(const char *dir, int64_t text_bytes) {
    int64_t room;
    QN_TRY(qn_dir_room(dir, &room));
    const double there = (double)room;
    const double need = (double)OWN_BYTES + BYTES_EACH * (double)text_bytes;
    if (there >= need)
        return 0;
    return qn_fail(QN_EIO, "%s: a demo of %.1f MB of text takes about %.1f GB of disk, there are %.*f %s left; make "
                   "room, or name another folder with --out", dir, (double)text_bytes / 1e6, need / 1e9,
                   there < 1e9 ? 0 : 1, there < 1e9 ? there / 1e6 : there / 1e9, there < 1e9 ? "MB" : "GB");
}

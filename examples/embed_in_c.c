/* embed_in_c.c — a model inside your own program, through quern.h alone.
 *
 *     cc embed_in_c.c $(pkg-config --cflags --libs quern) -o ask
 *     ./ask model.gguf "Why is the sky blue?" */
#include <quern.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print(void *user, const char *text, size_t length) {
    fwrite(text, 1, length, user);
    return fflush(user);
}

static void check(int rc) {
    if (rc >= 0)
        return;
    fprintf(stderr, "%s: %s\n", quern_error_name(rc), quern_error());
    exit(1);
}

int main(int argc, char **argv) {
    quern_pool *pool;
    quern_model *model;
    quern_tokenizer *tokenizer;
    quern_session *session;
    int32_t ids[4096];
    size_t n;
    if (argc != 3)
        return fprintf(stderr, "usage: %s MODEL QUESTION\n", argv[0]), 2;
    check(quern_init(NULL));
    check(quern_pool_new(&pool, 0));
    check(quern_model_open(&model, argv[1], pool, NULL));
    check(quern_tokenizer_open(&tokenizer, argv[1]));
    check(quern_session_new(&session, model, pool, NULL));
    check(quern_chat_question(tokenizer, argv[2], strlen(argv[2]), ids, 4096, &n));
    if (n > 4096)
        return fprintf(stderr, "the prompt has %zu tokens, there is room for 4096\n", n), 1;
    check(quern_generate(session, tokenizer, ids, n, NULL, print, stdout, NULL));
    printf("\n(%s)\n", quern_model_identity(model));
    quern_session_free(session);
    quern_tokenizer_free(tokenizer);
    quern_model_free(model);
    quern_pool_free(pool);
    return 0;
}

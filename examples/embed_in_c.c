/* embed_in_c.c — a model inside your own program, through quern.h alone.
 *
 *     cc embed_in_c.c $(pkg-config --cflags --libs quern) -o ask
 *     ./ask model.gguf "What is the capital of France?" */
#include <quern.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print(void *user, const char *text, size_t length) {
    fwrite(text, 1, length, user);
    return fflush(user);
}

static void check(int rc) {
    if (rc < 0) {
        fprintf(stderr, "%s\n", quern_error());
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc != 3)
        return fprintf(stderr, "usage: %s MODEL QUESTION\n", argv[0]), 2;
    quern_pool *pool;
    quern_model *model;
    quern_tokenizer *tokenizer;
    quern_session *session;
    int32_t ids[4096];
    size_t n;
    char json[8192];
    check(quern_init(NULL));
    check(quern_pool_new(&pool, 0));
    check(quern_model_open(&model, argv[1], pool, NULL));
    check(quern_tokenizer_open(&tokenizer, argv[1]));
    check(quern_session_new(&session, model, pool, NULL));
    /* A real program escapes the question: JSON strings have rules. */
    snprintf(json, sizeof json, "[{\"role\": \"user\", \"content\": \"%s\"}]", argv[2]);
    check(quern_chat_prompt(tokenizer, json, strlen(json), ids, 4096, &n));
    quern_generate_result result;
    check(n <= 4096 ? quern_generate(session, tokenizer, ids, n, NULL, print, stdout, &result) : -1);
    printf("\n(%lld tokens at %.0f per second, %s)\n", (long long)result.new_tokens,
           (double)result.new_tokens / result.decode_seconds, quern_model_identity(model));
    quern_session_free(session);
    quern_tokenizer_free(tokenizer);
    quern_model_free(model);
    quern_pool_free(pool);
    return 0;
}

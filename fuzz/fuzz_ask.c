/* fuzz/fuzz_ask.c — any bytes as the body of a chat and of a completion: read, refused by name, or rendered by ChatML.
 * A request that is read keeps its bounds, and an error has a message. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "serve/ask.h"

enum { V = 257 };

static qn_server s;
static qn_tok *tok;

/* What is empty begins where its memory ends, and would count as lost. */
static void drop_server(void) {
    qn_grammars_free(s.grammars);
    qn_token_trie_free(s.trie);
    qn_tok_free(tok);
}

/* Each byte, and one that ends: what an answer is held to is made for it. */
static int tokens(void) {
    qn_tok_spec spec;
    qn_tok_spec_init(&spec);
    spec.model = QN_TOK_BPE;
    spec.eos = 256;
    QN_TRY(qn_tok_spec_bytes(&spec));
    QN_TRY(qn_tok_spec_token(&spec, 256, QN_STR("</s>"), QN_TOKEN_CONTROL));
    QN_TRY(qn_tok_new(&tok, &spec));
    qn_tok_spec_drop(&spec);
    QN_TRY(qn_grammars_new(&s.grammars));
    return qn_token_trie_new(&s.trie, tok, V);
}

static qn_server *server(void) {
    static const char *const adapters[] = {"a", "b"};
    static qn_model m;
    if (s.o.model)
        return &s;
    m.cfg.V = V;
    m.cfg.n_eos = 1;
    m.cfg.eos[0] = 256;
    s.o = (qn_server_options){.model = &m, .adapters = adapters, .adapter_paths = adapters, .n_adapters = 2,
                              .body = 1 << 20,
                              .defaults = qn_generate_options_default()};
    pthread_mutex_init(&s.lock, NULL);
    qn_assert(qn_prompter_init(&s.prompter[0], (qn_str){0}, "ChatML", NULL) >= 0);
    qn_assert(tokens() >= 0);
    s.o.tok = tok;
    s.messages_most = SIZE_MAX;
    atexit(drop_server);
    s.n_free = 1;
    return &s;
}

static void check(const qn_ask *a) {
    qn_assert(a->n >= 1 && a->n <= QN_ASK_CHOICES && a->stops <= QN_ASK_STOPS && a->top <= QN_ASK_TOP);
    qn_assert(a->o.n_stop == a->stops && a->n_bias <= QN_ASK_BIASES && a->n_tools <= QN_ASK_TOOLS);
    qn_assert(a->o.sampler.temperature >= 0 && a->o.sampler.top_p <= 1 && a->o.max_new >= -1);
    for (int64_t i = 0; i < a->o.n_stop; i++)
        qn_assert(a->o.stop[i].n > 0);
}

static void ask(qn_exchange *x, bool chat) {
    qn_ask a = {0};
    qn_grammar *grammar = NULL;
    qn_buf text = {0};
    qn_error_clear();
    int rc = qn_ask_read(x, &a, chat);
    if (rc >= 0) {
        check(&a);
        rc = qn_ask_grammar(x, &a, &grammar);
    }
    if (rc >= 0 && chat)
        rc = qn_ask_prompt(x, &a, NULL, &text);
    qn_assert(rc >= 0 || *qn_error_message());
    if (rc < 0) {
        qn_exchange_refuse(x, rc);
        qn_assert(qn_json_is_whole(qn_buf_view(&x->out)));
    }
    if (grammar)
        qn_grammars_give_back(x->server->grammars, grammar);
    qn_buf_drop(&text);
    qn_ask_drop(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int chat = 0; chat < 2; chat++) {
        qn_exchange *x = qn_exchange_new(server());
        if (!x || qn_buf_put(&x->body, data, size) < 0)
            return 0;
        ask(x, chat);
        qn_exchange_let_go(x);
    }
    return 0;
}

/* tests/unit/chat_load.h — what the tests of templates share: fixtures, and one call that compiles and renders. */
#ifndef QN_TESTS_UNIT_CHAT_LOAD_H
#define QN_TESTS_UNIT_CHAT_LOAD_H

#include "test.h"

#include "base/json.h"
#include "chat/chat.h"

/* A whole fixture, read once per call. */
QN_UNUSED static void load_fixture(const char *name, qn_buf *out) {
    CHECK_OK(qn_read_file(out, qn_test_fixture(name), (size_t)1 << 20));
}

static const char *const chat_date = "2024-07-26";      /* tools/fixtures/jinja.py takes the same */

static qn_chat_input chat_input(const qn_chat_messages *m, bool prompt) {
    return (qn_chat_input){.messages = m, .add_generation_prompt = prompt, .bos_token = QN_STR("<s>"),
                           .eos_token = QN_STR("</s>"), .date = chat_date};
}

/* Template and conversation from text to prompt; the first error of the three steps. */
QN_UNUSED static int chat_render(qn_str template, qn_str chat, bool prompt, qn_chat_output *out) {
    qn_chat_template *t = NULL;
    qn_chat_messages *m = NULL;
    int rc = qn_chat_template_compile(&t, template.s, template.n, "template");
    if (rc == 0)
        rc = qn_chat_messages_parse(&m, chat.s, chat.n, "chat");
    if (rc == 0) {
        qn_chat_input in = chat_input(m, prompt);
        rc = qn_chat_render(t, &in, out);
    }
    qn_chat_messages_free(m);
    qn_chat_template_free(t);
    return rc;
}

/* The same for C strings, with the conversation [{"role": "user", "content": <content>}]. */
QN_UNUSED static int chat_say(const char *template, const char *content, qn_chat_output *out) {
    qn_chat_template *t = NULL;
    qn_chat_messages *m = NULL;
    CHECK_OK(qn_chat_messages_new(&m));
    CHECK_OK(qn_chat_messages_add(m, "user", qn_str_of(content)));
    int rc = qn_chat_template_compile(&t, template, strlen(template), "template");
    if (rc == 0) {
        qn_chat_input in = chat_input(m, true);
        rc = qn_chat_render(t, &in, out);
    }
    qn_chat_messages_free(m);
    qn_chat_template_free(t);
    return rc;
}

#endif

/* fuzz/fuzz_jinja.c — any bytes as a chat template, over one conversation that has a little of everything. */
#include "chat/chat.h"

#include <stdint.h>
#include <string.h>

static const char chat[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"Be <|im_end|> brief.\"},"
    "{\"role\": \"user\", \"content\": \" H\\u00e9 \\ud83d\\ude00\\n\"},"
    "{\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"id\": \"abcdef123\", \"function\":"
    "{\"name\": \"f\", \"arguments\": {\"x\": [1, 2.5, true]}}}]},"
    "{\"role\": \"tool\", \"content\": \"\", \"tool_call_id\": \"abcdef123\"}],"
    "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {\"type\": \"object\"}}}],"
    "\"n\": 7, \"f\": -2.5, \"s\": \"Hello, World\", \"l\": [3, 1, 2], \"d\": {\"b\": 1, \"a\": \"x\"},"
    "\"e\": \"\", \"t\": true,"
    "\"big\": 123456789012345678901234567890, \"u\": \"\\u00df\\ufb01\\u0130\\u2028\", \"ll\": [[1, 2], [3, 4]]}";

static void check_spans(const qn_chat_output *o) {
    size_t at = 0;
    for (size_t i = 0; i < o->spans; at = o->span[i++].end)
        qn_assert(o->span[i].begin == at && o->span[i].end > at);
    qn_assert(at == o->text.n);
    for (size_t i = 0; i < o->answers; i++)
        qn_assert(o->answer[i].begin <= o->answer[i].end && o->answer[i].end <= o->text.n);
    qn_assert(qn_utf8_check(o->text.s, o->text.n) == QN_UTF8_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static qn_chat_messages *m;             /* the same for every input */
    qn_chat_template *t;
    qn_chat_output out = {0};
    if (!m && qn_chat_messages_parse(&m, chat, strlen(chat), "chat") < 0)
        return 0;
    if (qn_chat_template_compile(&t, (const char *)data, size, "template") < 0) {
        qn_assert(!t && *qn_error_message());
        return 0;
    }
    qn_chat_input in = {.messages = m, .add_generation_prompt = true, .bos_token = QN_STR("<s>"), .date = "2024-07-26",
                        .limits = {.steps = 200000, .memory = 8 << 20, .output = 1 << 20}};
    if (qn_chat_render(t, &in, &out) == 0)
        check_spans(&out);
    else
        qn_assert(*qn_error_message() && out.text.n == 0);
    qn_chat_output_drop(&out);
    qn_chat_template_free(t);
    return 0;
}

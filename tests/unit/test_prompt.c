/* test_prompt.c — conversations as ids: the same in serving and in training, for any template; what is taught. */
#include "chat_load.h"
#include "tok_load.h"

#include "chat/prompt.h"
#include "format/tokenizer_json.h"

/* The byte-level fixture, and the control tokens of the usual families in it, so that their templates end turns. */
static qn_tok *make_tok(void) {
    static const char *const more[] = {
        "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|begin_of_text|>", "<|end|>", "<|user|>",
        "<|assistant|>", "<|system|>", "<end_of_turn>", "<start_of_turn>", "[INST]", "[/INST]", "</s>", "<s>",
        "<|start|>", "<|message|>", "<|channel|>", "<|return|>", "<|call|>", "<|start_of_role|>", "<|end_of_role|>",
        "<|end_of_text|>", "<tool_call>", "</tool_call>",
    };
    qn_buf text = {0};
    qn_tok_spec spec;
    qn_tok *tok;
    load_fixture("tok_bytelevel.json", &text);
    qn_tok_spec_init(&spec);
    CHECK_OK(qn_tokenizer_json_parse(text.s, text.n, "tok_bytelevel.json", &spec));
    for (size_t i = 0; i < QN_LEN(more); i++) {
        const qn_tok_added a = {.id = (int32_t)(620 + i), .text = qn_str_of(more[i]), .special = more[i][0] != 't'};
        CHECK_OK(qn_tok_spec_token(&spec, a.id, a.text, QN_TOKEN_CONTROL));
        CHECK_OK(qn_tok_spec_added(&spec, &a));
    }
    spec.bos = 620 + 13;
    spec.eos = 0;
    CHECK_OK(qn_tok_new(&tok, &spec));
    qn_tok_spec_drop(&spec);
    qn_buf_drop(&text);
    return tok;
}

typedef struct { qn_tok *tok; qn_prompter p; qn_chat_messages *m; qn_ids ids; qn_buf taught; bool turnwise; } rig;

static void rig_open(rig *r, qn_str template, const char *chat) {
    *r = (rig){.tok = make_tok()};
    CHECK_OK(qn_prompter_init(&r->p, template, "test", r->tok));
    r->p.in.date = chat_date;
    CHECK_OK(qn_chat_messages_parse(&r->m, chat, strlen(chat), "chat"));
}

static void rig_drop(rig *r) {
    qn_prompter_drop(&r->p);
    qn_chat_messages_free(r->m);
    qn_ids_drop(&r->ids);
    qn_buf_drop(&r->taught);
    qn_tok_free(r->tok);
}

static int teach(rig *r, qn_teach what, size_t from) {
    const qn_teach_options o = {.teach = what, .from = from};
    qn_ids_clear(&r->ids);
    qn_buf_clear(&r->taught);
    return qn_prompter_teach(&r->p, r->tok, r->m, &o, &r->ids, &r->taught, &r->turnwise);
}

/* The text of what is taught, with a bar between runs. */
static const char *taught_text(const rig *r) {
    static qn_buf text;
    qn_buf_clear(&text);
    CHECK_INT(r->ids.n, r->taught.n);
    for (size_t i = 0; i < r->ids.n; i++) {
        if (r->taught.s[i])
            CHECK_OK(qn_tok_decode(r->tok, r->ids.v + i, 1, QN_TOK_RAW_BYTES, &text));
        else if (i > 0 && r->taught.s[i - 1])
            CHECK_OK(qn_buf_putc(&text, '|'));
    }
    return text.s ? text.s : "";
}

/* ---- what is taught ---- */

#define TALK                                                                                                        \
    "[" "{\"role\":\"system\",\"content\":\"Be brief.\"}," "{\"role\":\"user\",\"content\":\"the <|im_end|> byte\"}," \
    "{\"role\":\"assistant\",\"content\":\"\\nbytes of text\"}," "{\"role\":\"user\",\"content\":\"try\"},"           \
    "{\"role\":\"assistant\",\"content\":\"tried <|im_end|> 10\"}]"

TEST(answers_are_taught_with_the_end_of_their_turn) {
    rig r;
    rig_open(&r, (qn_str){0}, TALK);
    CHECK_OK(teach(&r, QN_TEACH_ANSWERS, 0));
    CHECK_STR(taught_text(&r), "\nbytes of text<|im_end|>|tried <|im_end|> 10<|im_end|>|");
    CHECK_OK(teach(&r, QN_TEACH_LAST, 0));
    CHECK_STR(taught_text(&r), "tried <|im_end|> 10<|im_end|>|");
    CHECK_OK(teach(&r, QN_TEACH_ANSWERS, 3));
    CHECK_STR(taught_text(&r), "tried <|im_end|> 10<|im_end|>|");
    CHECK_OK(teach(&r, QN_TEACH_ALL, 0));
    CHECK_INT(strlen(taught_text(&r)), r.p.out.text.n);
    size_t ends = 0;                    /* the words <|im_end|> of the conversation are none */
    for (size_t i = 0; i < r.ids.n; i++)
        ends += r.ids.v[i] == 2;
    CHECK_INT(ends, 5);
    rig_drop(&r);
}

/* Also where nobody has said anything before; not where a template then says something else itself. */
TEST(an_answer_that_opens_the_conversation_is_taught) {
    static const char opens[] = "[{\"role\":\"assistant\",\"content\":\"hello\"},"
                                "{\"role\":\"user\",\"content\":\"try\"},"
                                "{\"role\":\"assistant\",\"content\":\"tried\"}]";
    static const char greets[] = "{% if messages %}Hello {% endif %}{% for m in messages %}<{{ m.role }}>"
                                 "{{ m.content }}{{ eos_token }}{% endfor %}"
                                 "{% if add_generation_prompt %}<assistant>{% endif %}";
    rig r;
    rig_open(&r, (qn_str){0}, opens);
    CHECK_OK(teach(&r, QN_TEACH_ANSWERS, 0));
    CHECK_STR(taught_text(&r), "hello<|im_end|>|tried<|im_end|>|");
    rig_drop(&r);
    rig_open(&r, QN_STR(greets), opens);
    CHECK_FAIL(teach(&r, QN_TEACH_ANSWERS, 0), QN_ETEMPLATE, "message 1");
    CHECK_OK(teach(&r, QN_TEACH_LAST, 0));
    rig_drop(&r);
}

TEST(a_call_of_a_tool_is_taught) {
    rig r;
    rig_open(&r, (qn_str){0},
             "{\"tools\":[{\"name\":\"now\"}],\"messages\":[{\"role\":\"user\",\"content\":\"time?\"},"
             "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"type\":\"function\",\"function\":"
             "{\"name\":\"now\",\"arguments\":{\"zone\":\"x\"}}}]},{\"role\":\"tool\",\"content\":\"10\"},"
             "{\"role\":\"assistant\",\"content\":\"It is 10.\"}]}");
    CHECK_OK(teach(&r, QN_TEACH_ANSWERS, 0));
    CHECK_STR(taught_text(&r), "<tool_call>\n{\"name\": \"now\", \"arguments\": {\"zone\": \"x\"}}\n</tool_call>"
                               "<|im_end|>|It is 10.<|im_end|>|");
    CHECK_CONTAINS(r.p.out.text.s, "<tools>\n{\"name\": \"now\"}\n</tools>");
    rig_drop(&r);
}

#define TWO "[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},"                      \
            "{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",\"content\":\"d\"}]"

/* The token that ends a turn may be written by the turn that follows, or by nobody: then EOS is. */
TEST(an_answer_that_nothing_ends_is_ended) {
    static const struct { const char *template, *want; } cases[] = {
        {"{% for m in messages %}{{ '<|end|>' if loop.index0 and m.role == 'user' }}{{ m.content }}{% endfor %}",
         "b<|end|>|d<|endoftext|>"},
        {"{% for m in messages %}\n{{ m.role }}: {{ m.content }}{% endfor %}{% if add_generation_prompt %}\n"
         "assistant: {% endif %}", "b|d<|endoftext|>"},
        {"{% for m in messages %}{{ m.content }}<|end|>\n{% endfor %}{% if not add_generation_prompt %}<|endoftext|>"
         "{% endif %}", "b<|end|>|d<|end|>|"},
        {"{% for m in messages %}{% if m.role == 'assistant' %}<|assistant|>{% generation %}{{ m.content }}<|end|>"
         "{% endgeneration %}{% else %}<|user|>{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}"
         "<|assistant|>{% endif %}", "b<|end|>|d<|end|>"},
        {"{% for m in messages %}{% if m.role == 'assistant' and loop.last %}<|assistant|>{% generation %}"
         "{{ m.content }}<|end|>{% endgeneration %}{% else %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endif %}"
         "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}", "d<|end|>"},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        rig r;
        rig_open(&r, qn_str_of(cases[i].template), TWO);
        CHECK_OK(teach(&r, QN_TEACH_ANSWERS, 0), "case %zu", i);
        CHECK_STR(taught_text(&r), cases[i].want, "case %zu", i);
        rig_drop(&r);
    }
}

/* A template that forgets what it wrote: its last answer can be taught, all of them at once cannot. */
TEST(a_past_that_is_rewritten_is_refused) {
    static const char forgets[] =
        "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' and loop.last %}<think></think>{% endif %}"
        "{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
    rig r;
    rig_open(&r, QN_STR(forgets), TWO);
    CHECK_FAIL(teach(&r, QN_TEACH_ANSWERS, 0), QN_ETEMPLATE, "the prompt for message 2 is not how");
    CHECK(r.turnwise);
    CHECK_OK(teach(&r, QN_TEACH_LAST, 0));
    CHECK_STR(taught_text(&r), "<think></think>d<|end|>");
    qn_chat_messages_cut(r.m, 1);
    CHECK_FAIL(teach(&r, QN_TEACH_ANSWERS, 0), QN_EINVAL, "no message of the assistant");
    rig_drop(&r);
    rig_open(&r, QN_STR(forgets), "[{\"role\":\"assistant\",\"content\":\"b\"}]");
    CHECK_OK(teach(&r, QN_TEACH_ANSWERS, 0));               /* the last one, too */
    CHECK_STR(taught_text(&r), "<think></think>b<|end|>");
    rig_drop(&r);
}

/* A prompt that opens thoughts which the data do not have: what it adds is said, and what would help. */
TEST(a_prompt_that_adds_to_the_message_says_so) {
    static const char opens[] =
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}";
    static const char adds[] =
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>Well: {% endif %}";
    rig r;
    rig_open(&r, QN_STR(opens), TWO);
    CHECK_FAIL(teach(&r, QN_TEACH_ANSWERS, 0), QN_ETEMPLATE, "the prompt for message 2 is not how");
    CHECK_CONTAINS(qn_error_message(), "it ends with \"<think>\\n\"");
    CHECK_CONTAINS(qn_error_message(), "What helps is answers with the thoughts which it opens");
    CHECK_CONTAINS(qn_error_message(), "chat_template.jinja");
    rig_drop(&r);
    rig_open(&r, QN_STR(opens), "[{\"role\":\"user\",\"content\":\"a\"},"
                                "{\"role\":\"assistant\",\"content\":\"<think>\\nb\\n</think>c\"}]");
    CHECK_OK(teach(&r, QN_TEACH_ANSWERS, 0));
    CHECK_STR(taught_text(&r), "b\n</think>c<|end|>");
    rig_drop(&r);
    rig_open(&r, QN_STR(adds), TWO);
    CHECK_FAIL(teach(&r, QN_TEACH_ANSWERS, 0), QN_ETEMPLATE, "it ends with \"Well: \"");
    CHECK_CONTAINS(qn_error_message(), "What helps is a template that adds nothing there");
    rig_drop(&r);
}

/* ---- training ids are serving ids ---- */

/* The prompt for each answer, as serving makes it, begins the ids of the conversation that ends with it. */
static int64_t check_prompts(rig *r, const char *chat, const char *name) {
    const size_t n = qn_chat_messages_count(r->m);
    qn_ids prompt = {0};
    int64_t checked = 0;
    const bool whole = teach(r, QN_TEACH_ANSWERS, 0) == 0;
    for (size_t k = 1; k < n; k++) {
        if (!qn_str_is(qn_chat_messages_role(r->m, k), "assistant"))
            continue;
        qn_chat_messages *upto, *all = r->m;
        CHECK_OK(qn_chat_messages_parse(&upto, chat, strlen(chat), "chat"));
        if (!whole) {                   /* turn by turn */
            qn_chat_messages_cut(upto, k + 1);
            r->m = upto;
        }
        const int rc = whole ? 0 : teach(r, QN_TEACH_LAST, 0);
        r->m = all;
        if (rc == 0) {
            qn_chat_messages_cut(upto, k);
            qn_ids_clear(&prompt);
            CHECK_OK(qn_prompter_render(&r->p, upto, true), "%s", name);
            CHECK_OK(qn_prompter_ids(&r->p, r->tok, &prompt));
            CHECK(prompt.n < r->ids.n && memcmp(prompt.v, r->ids.v, prompt.n * sizeof *prompt.v) == 0,
                  "%s: the prompt for message %zu is not how the conversation begins", name, k);
            const bool marks = r->p.out.answers > 0;        /* {% generation %} may begin later */
            CHECK(!r->taught.s[prompt.n - 1] && (marks || r->taught.s[prompt.n]), "%s: message %zu", name, k);
            checked++;
        }
        qn_chat_messages_free(upto);
    }
    qn_ids_drop(&prompt);
    return checked;
}

static const char *const talks[] = {
    TWO,
    "[{\"role\":\"user\",\"content\":\"What is 10?\\n\"},{\"role\":\"assistant\",\"content\":\"  ten\\n\\n\"},"
    "{\"role\":\"user\",\"content\":\" <|im_end|>\"},{\"role\":\"assistant\",\"content\":\"\\n\\n123\"},"
    "{\"role\":\"user\",\"content\":\"...\"},{\"role\":\"assistant\",\"content\":\"'s <|eot_id|> ok</s>\"}]",
    "[{\"role\":\"user\",\"content\":\"try\"},{\"role\":\"assistant\",\"content\":\"<think>hm</think>\\n\\ntried\"},"
    "{\"role\":\"user\",\"content\":\"try\"},{\"role\":\"assistant\",\"content\":\"tried\"}]",
};

TEST(prompts_begin_the_conversations_of_our_templates) {
    qn_buf rows = {0}, name = {0}, template = {0};
    qn_json j;
    qn_str key;
    int more;
    load_fixture("jinja_own.json", &rows);
    qn_json_init(&j, rows.s, rows.n, "jinja_own.json");
    CHECK_OK(qn_json_enter(&j, '['));
    for (int64_t n = 0; qn_json_item(&j) > 0; n++) {
        CHECK_OK(qn_json_enter(&j, '{'));
        while ((more = qn_json_key(&j, &key)) > 0) {
            qn_buf *into = qn_str_is(key, "name") ? &name : qn_str_is(key, "template") ? &template : NULL;
            if (into)
                qn_buf_clear(into);
            CHECK_OK(into ? qn_json_string(&j, into) : qn_json_skip(&j));
        }
        for (size_t t = 0; t < QN_LEN(talks); t++) {
            rig r;
            rig_open(&r, qn_buf_view(&template), talks[t]);
            check_prompts(&r, talks[t], name.s);
            rig_drop(&r);
        }
    }
    qn_json_drop(&j);
    qn_buf_drop(&rows);
    qn_buf_drop(&name);
    qn_buf_drop(&template);
}

TEST(prompts_begin_the_conversations_of_published_templates) {
    static const struct { const char *file; int64_t least; } cases[] = {
        {"GLM-4.6", 1}, {"HuggingFaceTB-SmolLM3-3B", 2}, {"NousResearch-Hermes-3-Llama-3.1-8B-tool_use", 0},
        {"Qwen-Qwen2.5-7B-Instruct", 2}, {"Qwen-Qwen3-0.6B", 2}, {"deepseek-ai-DeepSeek-R1-Distill-Llama-8B", 0},
        {"google-gemma-2-2b-it", 2}, {"ibm-granite-granite-3.3-2B-Instruct", 2},
        {"meta-llama-Llama-3.1-8B-Instruct", 2}, {"meta-llama-Llama-3.2-3B-Instruct", 2},
        {"microsoft-Phi-3.5-mini-instruct", 2}, {"mistralai-Mistral-Nemo-Instruct-2407", 2}, {"openai-gpt-oss-120b", 2},
        {"CohereForAI-c4ai-command-r7b-12-2024-tool_use", 0},
    };
    char path[200];
    if (!qn_test_shared("templates"))
        SKIP("the published templates are not here");
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_buf text = {0};
        snprintf(path, sizeof path, "templates/%s.jinja", cases[i].file);
        CHECK_OK(qn_read_file(&text, qn_test_shared(path), (size_t)1 << 20));
        for (size_t t = 0; t < QN_LEN(talks); t++) {
            rig r;
            rig_open(&r, qn_buf_view(&text), talks[t]);
            const int64_t n = check_prompts(&r, talks[t], cases[i].file);
            CHECK(n >= cases[i].least, "%s, talk %zu: %lld answers can be taught", cases[i].file, t, (long long)n);
            rig_drop(&r);
        }
        qn_buf_drop(&text);
    }
}

/* 40 turns: within what can be taken all answers are found; far beyond it none is looked for, and ids are many. */
TEST(of_what_nobody_takes_no_answers_are_looked_for) {
    enum { TURNS = 40 };
    qn_buf talk = {0};
    rig r;
    for (int i = 0; i < TURNS; i++)
        CHECK_OK(qn_buf_printf(&talk, "%s{\"role\":\"%s\",\"content\":\"the byte\"}", i ? "," : "[",
                               i % 2 ? "assistant" : "user"));
    CHECK_OK(qn_buf_put(&talk, "]", 2));
    rig_open(&r, (qn_str){0}, talk.s);
    const size_t most[] = {0, 100000, 20};
    size_t n[QN_LEN(most)], turns[QN_LEN(most)];
    for (size_t i = 0; i < QN_LEN(most); i++) {
        qn_ids_clear(&r.ids);
        r.p.most = most[i];
        CHECK_OK(qn_prompter_render(&r.p, r.m, true));
        CHECK_OK(qn_prompter_ids(&r.p, r.tok, &r.ids));
        n[i] = r.ids.n;
        turns[i] = r.p.turns;
    }
    CHECK_INT(turns[0], TURNS / 2);
    CHECK_INT(turns[1], TURNS / 2);
    CHECK_INT(n[1], n[0]);
    CHECK_INT(turns[2], 0);
    CHECK(n[2] > most[2] + 2 * TURNS);
    rig_drop(&r);
    qn_buf_drop(&talk);
}

TEST(knows_the_form_of_answers_and_whether_its_marks_are_special_tokens) {
    static const struct { const char *template, *form; bool spelled; } x[] = {
        {"{{ '<tool_call>' }}", "hermes", true}, {"{{ '[TOOL_CALLS]' }}", "mistral", false}, {"", "hermes", true},
    };
    for (size_t i = 0; i < QN_LEN(x); i++) {
        rig r;
        rig_open(&r, qn_str_of(x[i].template), "[]");
        CHECK_STR(qn_answer_form_name(&r.p.form), x[i].form, "%s", x[i].template);
        CHECK_INT(r.p.spelled, x[i].spelled, "%s", x[i].template);
        rig_drop(&r);
    }
}

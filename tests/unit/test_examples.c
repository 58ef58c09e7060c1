/* test_examples.c — examples of every form into ids: what is taught, what is left out, how they lie in rows. */
#include "tok_load.h"

#include <zlib.h>

#include "data/example_file.h"
#include "data/examples.h"

/* ChatML over the byte-level fixture. */
typedef struct { qn_tok *tok; qn_prompter p; qn_examples *e; } rig;

static void rig_open(rig *r, qn_str template) {
    *r = (rig){.tok = tok_load_json("tok_bytelevel.json")};
    CHECK_OK(qn_prompter_init(&r->p, template, "test", r->tok));
}

static void rig_drop(rig *r) {
    qn_examples_free(r->e);
    qn_prompter_drop(&r->p);
    qn_tok_free(r->tok);
}

static int rig_read(rig *r, const char *path, qn_examples_options o) {
    const char *paths[] = {path};
    o.path = paths;
    o.n_paths = 1;
    o.context = o.context ? o.context : 1000;
    qn_examples_free(r->e);
    return qn_examples_read(&r->e, &r->p, r->tok, &o);
}

static qn_examples_stats stats(const rig *r) {
    qn_examples_stats s;
    qn_examples_stats_get(r->e, &s);
    return s;
}

/* What is taught of part k of example i, a bar between runs. */
static const char *taught(const rig *r, int64_t i, int k) {
    static qn_buf text;
    qn_example e;
    qn_examples_get(r->e, QN_SPLIT_TRAIN, i, &e);
    const qn_example_part *p = &e.part[k];
    qn_buf_clear(&text);
    CHECK_OK(qn_buf_puts(&text, ""));
    for (int64_t t = 0; t < p->n; t++) {
        if (p->taught[t])
            CHECK_OK(qn_tok_decode(r->tok, p->ids + t, 1, QN_TOK_RAW_BYTES, &text));
        else if (t > 0 && p->taught[t - 1])
            CHECK_OK(qn_buf_putc(&text, '|'));
    }
    return text.s;
}

static const char *fixture(const char *form) {
    static char name[100];
    snprintf(name, sizeof name, "examples_%s", form);
    return qn_test_fixture(name);
}

/* ---- forms ---- */

TEST(every_form_is_known_and_read) {
    static const struct { const char *file; qn_example_form form; int64_t rows, examples; const char *first, *second; }
    cases[] = {
        {"messages.jsonl", QN_FORM_MESSAGES, 8, 3, "text<|im_end|>|", NULL},
        {"sharegpt.json", QN_FORM_SHAREGPT, 2, 2, "<tool_call>\n{\"name\": \"now\", \"arguments\": {\"zone\": \"x\"}}\n"
         "</tool_call><|im_end|>|It is 10.<|im_end|>|", NULL},
        {"alpaca.json", QN_FORM_ALPACA, 3, 2, "it<|im_end|>|", NULL},
        {"completion.jsonl", QN_FORM_COMPLETION, 2, 2, "tried<|im_end|>|", NULL},
        {"question.jsonl", QN_FORM_COMPLETION, 1, 1, "14<|im_end|>|", NULL},
        {"pairs.jsonl", QN_FORM_PAIRS, 4, 2, "text<|im_end|>|", "byte<|im_end|>|"},
        {"shared.jsonl", QN_FORM_PAIRS_SHARED, 2, 1, "text<|im_end|>|", "byte<|im_end|>|"},
        {"dialogues.jsonl", QN_FORM_PAIRS_DIALOGUES, 1, 1, "text<|im_end|>|", "byte<|im_end|>|"},
        {"labels.jsonl", QN_FORM_LABELS, 3, 2, "text<|im_end|>|", NULL},
        {"text.jsonl", QN_FORM_TEXT, 2, 1, "the text that they tried to return", NULL},
    };
    rig r;
    rig_open(&r, (qn_str){0});
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        CHECK_OK(rig_read(&r, fixture(cases[i].file), (qn_examples_options){0}), "%s", cases[i].file);
        const qn_examples_stats s = stats(&r);
        CHECK_INT(s.form, cases[i].form, "%s", cases[i].file);
        CHECK_INT(s.rows, cases[i].rows, "%s", cases[i].file);
        CHECK_INT(s.examples, cases[i].examples, "%s", cases[i].file);
        CHECK_CONTAINS(taught(&r, 0, 0), cases[i].first, "%s", cases[i].file);
        qn_example e;
        qn_examples_get(r.e, QN_SPLIT_TRAIN, 0, &e);
        CHECK_INT(e.parts, cases[i].second ? 2 : 1);
        CHECK(e.part[0].taught[e.part[0].prompt]);
        if (cases[i].second) {
            CHECK_STR(taught(&r, 0, 1), cases[i].second);
            CHECK_INT(e.part[0].prompt, e.part[1].prompt);
            CHECK_INT(memcmp(e.part[0].ids, e.part[1].ids, (size_t)e.part[0].prompt * sizeof *e.part[0].ids), 0);
        }
    }
    rig_drop(&r);
}

/* The prompt of a row is what serving makes of the same messages. */
TEST(members_of_a_row_become_messages) {
    static const struct { const char *row, *chat; size_t prompt; } cases[] = {
        {"{\"instruction\":\"Do\",\"input\":\"it\",\"output\":\"ok\",\"system\":\"S\",\"history\":[[\"a\",\"b\"]]}",
         "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"a\"},{\"role\":"
         "\"assistant\",\"content\":\"b\"},{\"role\":\"user\",\"content\":\"Do\\n\\nit\"},{\"role\":\"assistant\","
         "\"content\":\"ok\"}]}", 4},
        {"{\"conversations\":[{\"from\":\"human\",\"value\":\"a\",\"id\":7},{\"from\":\"gpt\",\"value\":\"b\"}],"
         "\"tools\":\"[{\\\"name\\\":\\\"t\\\"}]\"}",
         "{\"messages\":[{\"role\":\"user\",\"content\":\"a\",\"id\":7},{\"role\":\"assistant\",\"content\":\"b\"}],"
         "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"t\"}}]}", 0},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]},{\"role\":\"assistant\","
         "\"content\":\"b\"}],\"label\":1}",
         "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]},{\"role\":\"assistant\","
         "\"content\":\"b\"}]}", 1},
    };
    qn_example_row row = {0};
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        CHECK_OK(qn_example_row_read(&row, qn_str_of(cases[i].row), "row", false));
        CHECK_STR(row.chat.s, cases[i].chat, "row %zu", i);
        CHECK_INT(row.prompt, cases[i].prompt, "row %zu", i);
    }
    CHECK_OK(qn_example_row_read(&row, QN_STR("{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":"
                                              "\"function_call\",\"value\":\"{\\\"name\\\":\\\"t\\\"}\"}]}"), "row",
                                 true));
    CHECK_CONTAINS(row.chat.s, "<tool_call>\\n{\\\"name\\\": \\\"t\\\", \\\"arguments\\\": {}}\\n</tool_call>\"}");
    qn_example_row_drop(&row);
}

/* ---- what cannot be used ---- */

static const char *decoded(const rig *r, int64_t i) {
    static qn_buf text;
    qn_example e;
    qn_examples_get(r->e, QN_SPLIT_TRAIN, i, &e);
    qn_buf_clear(&text);
    CHECK_OK(qn_tok_decode(r->tok, e.part[0].ids, (size_t)e.part[0].n, QN_TOK_PLAIN, &text));
    return text.s;
}

/* A prompt and its completion, for a model without a template: a turn each in ChatML, and the ids of the same messages
 * as a chat, whatever the members are called. */
TEST(completions_are_turns_where_there_is_no_template) {
    static const char rows[] = "{\"prompt\":\"the text\",\"completion\":\"is it\"}\n"
                               "{\"question\":\"the text\",\"answer\":\"is it\"}\n"
                               "{\"prompt\":[{\"role\":\"user\",\"content\":\"the text\"}],\"completion\":"
                               "[{\"role\":\"assistant\",\"content\":\"is it\"}]}\n";
    static const char chat[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"the text\"},{\"role\":\"assistant\","
                               "\"content\":\"is it\"}]}\n";
    rig r, c;
    qn_example want, got;
    rig_open(&r, (qn_str){0});
    rig_open(&c, (qn_str){0});
    CHECK(!r.p.own, "the model has no template of its own");
    CHECK_OK(rig_read(&r, qn_test_write("rows.jsonl", rows, sizeof rows - 1), (qn_examples_options){0}));
    CHECK_OK(rig_read(&c, qn_test_write("chat.jsonl", chat, sizeof chat - 1), (qn_examples_options){0}));
    qn_examples_get(c.e, QN_SPLIT_TRAIN, 0, &want);
    CHECK_STR(decoded(&r, 0), "<|im_start|>user\nthe text<|im_end|>\n<|im_start|>assistant\nis it<|im_end|>\n");
    CHECK_INT(stats(&r).examples, 3);
    for (int64_t i = 0; i < 3; i++) {
        qn_examples_get(r.e, QN_SPLIT_TRAIN, i, &got);
        CHECK_INT(got.part[0].n, want.part[0].n, "row %d", (int)i);
        CHECK(memcmp(got.part[0].ids, want.part[0].ids, (size_t)want.part[0].n * sizeof *want.part[0].ids) == 0);
        CHECK_INT(got.part[0].prompt, want.part[0].prompt);
        CHECK_STR(taught(&r, i, 0), "is it<|im_end|>|");
    }
    rig_drop(&r);
    rig_drop(&c);
}

TEST(faults_are_counted_with_their_rows) {
    static const struct { const char *file; qn_example_fault fault; int64_t row; } cases[] = {
        {"messages.jsonl", QN_FAULT_NO_ANSWER, 3}, {"messages.jsonl", QN_FAULT_EMPTY, 4},
        {"messages.jsonl", QN_FAULT_ROLE, 5},      {"messages.jsonl", QN_FAULT_CONTENT, 7},
        {"alpaca.json", QN_FAULT_EMPTY, 3},        {"pairs.jsonl", QN_FAULT_SAME, 3},
        {"pairs.jsonl", QN_FAULT_CONTENT, 4},      {"shared.jsonl", QN_FAULT_APART, 2},
        {"labels.jsonl", QN_FAULT_NO_ANSWER, 3},   {"text.jsonl", QN_FAULT_CONTENT, 2},
    };
    rig r;
    rig_open(&r, (qn_str){0});
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_buf said = {0};
        CHECK_OK(rig_read(&r, fixture(cases[i].file), (qn_examples_options){0}));
        const qn_examples_stats s = stats(&r);
        CHECK(s.fault[cases[i].fault].n >= 1, "%s: %s", cases[i].file, qn_example_fault_name(cases[i].fault));
        CHECK_INT(s.fault[cases[i].fault].row[0], cases[i].row, "%s", cases[i].file);
        CHECK_OK(qn_examples_losses(r.e, &said));
        CHECK_CONTAINS(said.s, qn_example_fault_name(cases[i].fault));
        qn_buf_drop(&said);
        CHECK_FAIL(rig_read(&r, fixture(cases[i].file), (qn_examples_options){.strict = true}), QN_EINVAL, ": row ");
    }
    rig_drop(&r);
}

/* Parts without a visible character are no answer; parts that are no text are one. */
TEST(parts_can_be_empty_too) {
    static const struct { const char *content; qn_example_fault fault; } cases[] = {
        {"[]", QN_FAULT_EMPTY}, {"[{\"type\":\"text\",\"text\":\" \"}]", QN_FAULT_EMPTY},
        {"[\"\",\" \"]", QN_FAULT_EMPTY},
        {"[{\"type\":\"text\",\"text\":\"\"},{\"type\":\"text\",\"text\":\"b\"}]", QN_FAULT_NONE},
        {"[{\"type\":\"image\"}]", QN_FAULT_NONE}, {"[\"b\"]", QN_FAULT_NONE},
    };
    qn_example_row row = {0};
    qn_buf json = {0};
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_buf_clear(&json);
        CHECK_OK(qn_buf_printf(&json, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
                               "{\"role\":\"assistant\",\"content\":%s}]}", cases[i].content));
        CHECK_OK(qn_example_row_read(&row, qn_buf_view(&json), "row", false));
        CHECK_INT(row.fault, cases[i].fault, "%s", cases[i].content);
    }
    qn_buf_drop(&json);
    qn_example_row_drop(&row);
}

/* HH-RLHF's text as the prompt of a pair: turns, up to the heading of the answer, which loses the blank before it. */
TEST(a_prompt_can_be_a_dialogue) {
    static const char pair[] = "{\"prompt\":\"\\n\\nHuman: a\\n\\nAssistant: b\\n\\nHuman: c\\n\\nAssistant:\","
                               "\"chosen\":\" yes\",\"rejected\":\" no\\n\"}";
    static const char empty[] = "{\"prompt\":\"\\n\\nHuman: a\\n\\nAssistant:\\n\\nHuman: c\","
                                "\"completion\":\"b\"}";
    qn_example_row row = {0};
    CHECK_OK(qn_example_row_read(&row, qn_str_of(pair), "row", false));
    CHECK_INT(row.form, QN_FORM_PAIRS);
    CHECK_INT(row.fault, QN_FAULT_NONE);
    CHECK_INT(row.prompt, 3);
    CHECK_STR(row.chat.s, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
              "{\"role\":\"assistant\",\"content\":\"b\"},"
              "{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\","
              "\"content\":\"yes\"}]}");
    CHECK_CONTAINS(row.rejected.s, "\"content\":\"no\"}]}");
    CHECK_OK(qn_example_row_read(&row, qn_str_of(empty), "row", false));
    CHECK_INT(row.fault, QN_FAULT_EMPTY, "an answer within the prompt");
    qn_example_row_drop(&row);
}

/* TRL's implicit prompt as plain text: what both have in common is asked. */
TEST(texts_that_begin_alike_are_pairs) {
    static const struct { const char *chosen, *rejected, *prompt, *a, *b; qn_example_fault fault; } cases[] = {
        {"What colour is the sky? It is blue.", "What colour is the sky? It is red.", "What colour is the sky? It is",
         "blue.", "red.", QN_FAULT_NONE},
        {"It is blue", "It is black", "It is", "blue", "black", QN_FAULT_NONE},
        {"Is it? Yes, it is", "Is it? Yes, it was", "Is it? Yes, it", "is", "was", QN_FAULT_NONE},
        {"何色？ é", "何色？ è", "何色？", "é", "è", QN_FAULT_NONE},
        {"blue", "black", "", "blue", "black", QN_FAULT_APART},
        {" blue", " red", "", "blue", "red", QN_FAULT_APART},
        {"It is", "It is blue", "It is", "", "blue", QN_FAULT_EMPTY},
        {"It is", "It is", "It is", "", "", QN_FAULT_SAME},
    };
    qn_example_row row = {0};
    qn_buf json = {0};
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_buf_clear(&json);
        CHECK_OK(qn_buf_printf(&json, "{\"chosen\":\"%s\",\"rejected\":\"%s\"}", cases[i].chosen, cases[i].rejected));
        CHECK_OK(qn_example_row_read(&row, qn_buf_view(&json), "row", false), "%s", json.s);
        CHECK_INT(row.form, QN_FORM_PAIRS_TEXTS);
        CHECK_INT(row.fault, cases[i].fault, "%s", json.s);
        CHECK_INT(row.prompt, 1);
        for (int k = 0; k < 2; k++) {
            qn_buf_clear(&json);
            CHECK_OK(qn_buf_printf(&json, "{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"},{\"role\":"
                                   "\"assistant\",\"content\":\"%s\"}]}", cases[i].prompt,
                                   k ? cases[i].b : cases[i].a));
            CHECK_STR(k ? row.rejected.s : row.chat.s, json.s);
        }
    }
    qn_buf_drop(&json);
    qn_example_row_drop(&row);
}

/* Other signals than words: who is right, and what is not to be learned. */
TEST(labels_may_be_texts) {
    static const struct { const char *label; qn_example_form form; bool good; } cases[] = {
        {"\"true\"", QN_FORM_LABELS, true}, {"\"False\"", QN_FORM_LABELS, false}, {"\"1\"", QN_FORM_LABELS, true},
        {"\"undesirable\"", QN_FORM_LABELS, false}, {"true", QN_FORM_LABELS, true}, {"-1", QN_FORM_LABELS, false},
        {"\"sports\"", QN_FORM_COMPLETION, false},
    };
    qn_example_row row = {0};
    qn_buf json = {0};
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_buf_clear(&json);
        CHECK_OK(qn_buf_printf(&json, "{\"prompt\":\"a\",\"completion\":\"b\",\"label\":%s}", cases[i].label));
        CHECK_OK(qn_example_row_read(&row, qn_buf_view(&json), "row", false), "%s", json.s);
        CHECK_INT(row.form, cases[i].form, "%s", json.s);
        CHECK_INT(row.good, cases[i].good, "%s", json.s);
    }
    qn_buf_drop(&json);
    qn_example_row_drop(&row);
}

TEST(answers_of_weight_0_are_not_taught) {
    static const char rows[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
        "{\"role\":\"assistant\",\"content\":\"text\",\"weight\":0},"
        "{\"role\":\"user\",\"content\":\"b\"},{\"role\":\"assistant\",\"content\":\"byte\",\"weight\":1}]}\n"
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"text\"},"
        "{\"role\":\"user\",\"content\":\"b\"},{\"role\":\"assistant\",\"content\":\"byte\",\"weight\":0.0}]}\n"
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
        "{\"role\":\"assistant\",\"content\":\"text\",\"weight\":0}]}\n";
    const char *path = strdup(qn_test_write("weights.jsonl", rows, sizeof rows - 1));
    rig r;
    rig_open(&r, (qn_str){0});
    for (qn_teach teach = QN_TEACH_ANSWERS; teach <= QN_TEACH_LAST; teach++) {
        CHECK_OK(rig_read(&r, path, (qn_examples_options){.teach = {.teach = teach}}));
        CHECK_INT(stats(&r).examples, 2);
        CHECK_STR(taught(&r, 0, 0), "byte<|im_end|>|");
        CHECK_STR(taught(&r, 1, 0), "text<|im_end|>|");
        CHECK_INT(stats(&r).fault[QN_FAULT_UNTAUGHT].row[0], 3);
    }
    CHECK_OK(rig_read(&r, path, (qn_examples_options){.teach = {.teach = QN_TEACH_ALL}}));
    CHECK(!strstr(taught(&r, 0, 0), "text") && strstr(taught(&r, 0, 0), "byte"), "%s", taught(&r, 0, 0));
    CHECK(strstr(taught(&r, 1, 0), "text") && !strstr(taught(&r, 1, 0), "byte"), "%s", taught(&r, 1, 0));
    rig_drop(&r);
    free((char *)(uintptr_t)path);
}

/* Of a template that writes the past otherwise, too. */
TEST(answers_of_weight_0_are_not_taught_turn_by_turn) {
    static const char forgets[] =
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and loop.last %}<think>"
        "{% endif %}{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
        "{% endif %}";
    static const char row[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
        "{\"role\":\"assistant\",\"content\":\"text\",\"weight\":0},"
        "{\"role\":\"user\",\"content\":\"b\"},{\"role\":\"assistant\",\"content\":\"byte\"},"
        "{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",\"content\":\"it\"}]}\n";
    rig r;
    rig_open(&r, QN_STR(forgets));
    CHECK_OK(rig_read(&r, qn_test_write("forgets.jsonl", row, sizeof row - 1), (qn_examples_options){0}));
    CHECK_INT(stats(&r).turnwise, 1);
    CHECK_INT(stats(&r).examples, 2);
    CHECK_STR(taught(&r, 0, 0), "<think>it<|im_end|>");
    CHECK_STR(taught(&r, 1, 0), "<think>byte<|im_end|>");
    rig_drop(&r);
}

TEST(calls_that_nobody_could_run_are_left_out) {
    static const struct { const char *message; qn_example_fault fault; } cases[] = {
        {"\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"t\",\"arguments\":\"{}\"}}]", QN_FAULT_NONE},
        {"\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"t\",\"arguments\":\"\"}}]", QN_FAULT_NONE},
        {"\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"t\"}}]", QN_FAULT_NONE},
        {"\"content\":null,\"tool_calls\":[{\"function\":{\"arguments\":\"{}\"}}]", QN_FAULT_CALL},
        {"\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"\",\"arguments\":{}}}]", QN_FAULT_CALL},
        {"\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"t\",\"arguments\":\"{x: 1\"}}]", QN_FAULT_CALL},
        {"\"content\":null,\"tool_calls\":[{\"name\":\"t\",\"arguments\":7}]", QN_FAULT_CALL},
    };
    qn_example_row row = {0};
    qn_buf json = {0};
    for (size_t i = 0; i < 2 * QN_LEN(cases); i++) {
        qn_buf_clear(&json);
        CHECK_OK(qn_buf_printf(&json, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
                               "{\"role\":\"assistant\",%s}]}", cases[i / 2].message));
        CHECK_OK(qn_example_row_read(&row, qn_buf_view(&json), "row", i % 2), "%s", json.s);
        CHECK_INT(row.fault, cases[i / 2].fault, "%s", json.s);
    }
    CHECK_OK(qn_example_row_read(&row, QN_STR("{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":"
                                              "\"function_call\",\"value\":\"{\\\"name\\\": \"}]}"), "row", false));
    CHECK_INT(row.fault, QN_FAULT_CALL, "in the place of words");
    qn_buf_drop(&json);
    qn_example_row_drop(&row);
}

/* What a template wrote already would be wrapped again. */
TEST(rows_with_marks_of_the_template_are_counted) {
    static const char rows[] = "{\"prompt\":\"a\",\"completion\":\"b\"}\n"
                               "{\"prompt\":\"<|im_start|>user\\na<|im_end|>\\n<|im_start|>assistant\\n\","
                               "\"completion\":\"b\"}\n{\"prompt\":\"a\",\"completion\":\"b<|im_end|>\"}\n";
    qn_buf said = {0};
    rig r;
    rig_open(&r, (qn_str){0});
    CHECK_OK(rig_read(&r, qn_test_write("marks.jsonl", rows, sizeof rows - 1), (qn_examples_options){0}));
    CHECK_INT(stats(&r).examples, 3);
    CHECK_INT(stats(&r).rendered.n, 2);
    CHECK_OK(qn_examples_losses(r.e, &said));
    CHECK_CONTAINS(said.s, "2 × a chat template's special tokens among the words");
    CHECK_CONTAINS(said.s, "give the bare messages (rows 2, 3)");
    qn_buf_drop(&said);
    rig_drop(&r);
}

/* Of several files a row is named with its own; of a template that refuses, what it says. */
TEST(faults_say_where_and_why) {
    static const char good[] = "{\"prompt\":\"a\",\"completion\":\"b\"}\n"
                               "{\"prompt\":\"a\",\"completion\":\"\"}\n";
    static const char stern[] =
        "{% for m in messages %}{% if m.content == 'no' %}{{ raise_exception('a rude word') }}{% endif %}"
        "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    static const char rude[] = "{\"prompt\":\"no\",\"completion\":\"b\"}\n"
                               "{\"prompt\":\"a\",\"completion\":\"no\"}\n";
    const char *path[2];
    qn_examples_options o = {.path = path, .n_paths = 2, .context = 64};
    qn_buf said = {0};
    qn_example e;
    rig r;
    path[0] = strdup(qn_test_write("first.jsonl", good, sizeof good - 1));
    path[1] = strdup(qn_test_write("second.jsonl", good, sizeof good - 1));
    rig_open(&r, (qn_str){0});
    CHECK_OK(qn_examples_read(&r.e, &r.p, r.tok, &o));
    CHECK_OK(qn_examples_losses(r.e, &said));
    CHECK_CONTAINS(said.s, "first.jsonl:2, ");
    CHECK_CONTAINS(said.s, "second.jsonl:2)");
    qn_examples_get(r.e, QN_SPLIT_TRAIN, 1, &e);
    CHECK_CONTAINS(qn_examples_file(r.e, e.file), "second.jsonl");
    rig_drop(&r);
    free((char *)(uintptr_t)path[0]);
    free((char *)(uintptr_t)path[1]);
    rig_open(&r, QN_STR(stern));
    const char *rows = qn_test_write("rude.jsonl", rude, sizeof rude - 1);
    CHECK_FAIL(rig_read(&r, rows, (qn_examples_options){0}), QN_EINVAL,
               "2 × the chat template cannot render it (rows 1, 2): ");
    CHECK_CONTAINS(qn_error_message(), "a rude word");
    CHECK_FAIL(rig_read(&r, rows, (qn_examples_options){.strict = true}), QN_EINVAL, "row 1: the chat template cannot");
    CHECK_CONTAINS(qn_error_message(), "a rude word");
    rig_drop(&r);
    qn_buf_drop(&said);
}

/* One row does not end a file where such rows are passed over; where they are not, the error says how. */
TEST(malformed_rows_can_be_passed_over) {
    static const char good[] = "{\"instruction\":\"a\",\"output\":\"b\"}";
    static const struct { const char *row, *said; qn_example_fault fault; } cases[] = {
        {"{\"instruction\":\"a\",\"output\":5}", "a text, a message or a list of messages is expected, not 5",
         QN_FAULT_MALFORMED},
        {"7", "a row must be an object, not 7", QN_FAULT_MALFORMED},
        {"[1, {}]", "a row must be an object, not [1, {}]", QN_FAULT_MALFORMED},
        {"null", "a row must be an object, not null", QN_FAULT_MALFORMED},
        {"{\"prompt\":\"a\",\"chosen\":\"a\",\"rejected\":[\"b\",\"c\"]}", "a message must be an object, not \"b\"",
         QN_FAULT_MALFORMED},
        {"{\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":5}]}", "expected", QN_FAULT_MALFORMED},
        {"{\"text\":\"c\"}", "plain text in a file of Alpaca instructions", QN_FAULT_FORM},
    };
    qn_buf text = {0}, said = {0};
    rig r;
    rig_open(&r, (qn_str){0});
    for (size_t i = 0; i < 2 * QN_LEN(cases); i++) {
        const char *row = cases[i / 2].row;
        qn_buf_clear(&text);
        qn_buf_clear(&said);
        CHECK_OK(i % 2 ? qn_buf_printf(&text, "[%s, %s, %s]", good, row, good)
                       : qn_buf_printf(&text, "%s\n%s\n%s\n", good, row, good));
        const char *path = qn_test_write(i % 2 ? "bad.json" : "bad.jsonl", text.s, text.n);
        CHECK_FAIL(rig_read(&r, path, (qn_examples_options){0}), QN_EFORMAT, "row 2", "%s", row);
        CHECK_CONTAINS(qn_error_message(), "--bad-lines skip leaves such rows out", "%s", row);
        CHECK_OK(rig_read(&r, path, (qn_examples_options){.skip_bad = true}), "%s", row);
        CHECK_INT(stats(&r).examples, 2, "%s", row);
        CHECK_INT(stats(&r).rows, 3, "%s", row);
        CHECK_INT(stats(&r).fault[cases[i / 2].fault].n, 1, "%s", row);
        CHECK_INT(stats(&r).fault[cases[i / 2].fault].row[0], 2, "%s", row);
        CHECK_OK(qn_examples_losses(r.e, &said));
        CHECK_CONTAINS(said.s, cases[i / 2].said);
        CHECK_FAIL(rig_read(&r, path, (qn_examples_options){.skip_bad = true, .strict = true}), QN_EINVAL, "row 2");
    }
    CHECK_FAIL(rig_read(&r, qn_test_write("formless.jsonl", "{\"a\":1}\n{\"a\":2}\n", 16),
                        (qn_examples_options){.skip_bad = true}), QN_EINVAL, "none of the forms that are known: ");
    qn_buf_drop(&text);
    qn_buf_drop(&said);
    rig_drop(&r);
}

/* What is said of rows is told once each, numbers aside, with the first row that it is said of. */
TEST(all_reasons_are_told) {
    static const char stern[] =
        "{% for m in messages %}"
        "{% if m.content in ['no', 'never'] %}{{ raise_exception('the word ' ~ m.content) }}{% endif %}"
        "{% if m.content.startswith('n ') %}{{ raise_exception('number ' ~ m.content.split(' ')[1]) }}{% endif %}"
        "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    static const char *const prompt[] = {"a", "no", "never", "no", "n 5", "n 17"};
    qn_buf text = {0}, said = {0};
    rig r;
    for (size_t i = 0; i < QN_LEN(prompt); i++)
        CHECK_OK(qn_buf_printf(&text, "{\"prompt\":\"%s\",\"completion\":\"b\"}\n", prompt[i]));
    rig_open(&r, QN_STR(stern));
    CHECK_OK(rig_read(&r, qn_test_write("reasons.jsonl", text.s, text.n), (qn_examples_options){0}));
    CHECK_INT(stats(&r).reasons, 3);
    CHECK_INT(stats(&r).reason[0].n, 2);
    CHECK_OK(qn_examples_losses(r.e, &said));
    CHECK_CONTAINS(said.s, "5 × the chat template cannot render it (rows 2, 3, 4, 5, 6): ");
    CHECK_CONTAINS(said.s, "the word no (row 2) | ");
    CHECK_CONTAINS(said.s, "the word never (row 3) | ");
    CHECK_CONTAINS(said.s, "number 5 (row 5)");
    CHECK(!strstr(said.s, "number 17"), "%s", said.s);
    qn_buf_drop(&text);
    qn_buf_drop(&said);
    rig_drop(&r);
}

TEST(files_that_are_none_say_so) {
    static const struct { const char *name, *text, *want; } cases[] = {
        {"mixed.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}\n\n{\"text\":\"c\"}\n",
         "row 3: its form is plain text"},
        {"broken.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\"\n", "row 2"},
        {"none.jsonl", "{\"words\":\"a\"}\n", "row 1: none of the forms"},
        {"null.jsonl", "{\"prompt\":\"a\",\"chosen\":\"\",\"rejected\":\"b\"}\n{\"prompt\":\"a\",\"chosen\":null}\n",
         "1 × an empty answer (row 1); 1 × a member that its form needs is missing (row 2)"},
        {"empty.jsonl", " \n", "there is no row"},
        {"array.json", "[]", "there is no row"},
        {"html.json", "<html>", "begins with '<'"},
        {"label.json", "[{\"prompt\":\"a\",\"completion\":\"b\",\"label\":7}]", "a label is true or false, not 7"},
        {"word.json", "[{\"messages\":[\"a\"]}]", "a message must be an object"},
        {"hh.json", "[{\"chosen\":\"\\n\\nHuman: a\\n\\nAssistant: b\",\"rejected\":\"b\"}]",
         "begin with \"\\n\\nHuman:\""},
        {"apart.json", "[{\"chosen\":\"a b\",\"rejected\":\"b b\"}]",
         "1 × chosen and rejected have no prompt in common (row 1)"},
        {"number.json",
         "[{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":5}]}]",
         "1 × a message without content (row 1)"},
        {"items.json", "[{\"prompt\":\"a\",\"completion\":\"b\"},\n 7]", "row 2: "},
        {"behind.json", "[{\"prompt\":\"a\",\"completion\":\"b\"}] x", "behind.json: byte 34"},
        {"faults.json", "[{\"prompt\":\"a\",\"completion\":\" \"}]", "not one of 1 rows can be used: 1 × an empty"},
    };
    rig r;
    rig_open(&r, (qn_str){0});
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        const char *path = qn_test_write(cases[i].name, cases[i].text, strlen(cases[i].text));
        const int rc = rig_read(&r, path, (qn_examples_options){0});
        CHECK(rc == QN_EFORMAT || rc == QN_EINVAL, "%s: %d", cases[i].name, rc);
        CHECK_CONTAINS(qn_error_message(), cases[i].want, "%s", cases[i].name);
    }
    CHECK_FAIL(rig_read(&r, "/nowhere.json", (qn_examples_options){0}), QN_ENOTFOUND, "nowhere");
    static const char torn[] = "[{\"prompt\":\"a\",\"completion\":\"b\"}, {\"p";
    CHECK_FAIL(rig_read(&r, qn_test_write("torn.json", torn, sizeof torn - 1), (qn_examples_options){0}), QN_ETRUNC,
               "row 2: ");
    rig_drop(&r);
}

/* The end goes, or the whole of it; what is left must be taught. */
TEST(long_examples_lose_their_end_or_go) {
    static const char text[] = "[{\"prompt\":\"a\",\"completion\":\"tried to return the text\"},"
                               "{\"prompt\":\"this is a very long thing to ask of you and it goes on and on\","
                               "\"completion\":\"no\"}]";
    rig r;
    qn_example e;
    rig_open(&r, (qn_str){0});
    const char *path = qn_test_write("long.json", text, sizeof text - 1);
    CHECK_OK(rig_read(&r, path, (qn_examples_options){.context = 20}));
    CHECK_INT(stats(&r).cut, 1);
    CHECK_INT(stats(&r).fault[QN_FAULT_PROMPT].n, 1);
    CHECK_INT(stats(&r).fault[QN_FAULT_PROMPT].row[0], 2);
    CHECK(stats(&r).longest > 21);
    qn_examples_get(r.e, QN_SPLIT_TRAIN, 0, &e);
    CHECK_INT(e.part[0].n, 21);
    CHECK(e.part[0].prompt < 21);
    CHECK_FAIL(rig_read(&r, path, (qn_examples_options){.context = 20, .too_long = QN_LONG_DROP}), QN_EINVAL,
               "2 × longer than the context (rows 1, 2)");
    rig_drop(&r);
}

/* ---- the template's part ---- */

TEST(a_template_that_forgets_is_taught_turn_by_turn) {
    static const char forgets[] =
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and loop.last %}<think>"
        "{% endif %}{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
        "{% endif %}";
    rig r;
    rig_open(&r, QN_STR(forgets));
    CHECK_OK(rig_read(&r, fixture("messages.jsonl"), (qn_examples_options){0}));
    const qn_examples_stats s = stats(&r);
    CHECK_INT(s.turnwise, 2);
    CHECK_INT(s.examples, 5);
    CHECK_INT(s.calls_written, 1);
    CHECK_INT(s.tools_lost, 1);
    CHECK_STR(taught(&r, 1, 0), "<think>trying<|im_end|>");
    CHECK_STR(taught(&r, 2, 0), "<think>tried<|im_end|>");
    rig_drop(&r);
}

TEST(a_template_that_refuses_is_a_fault) {
    static const char text[] = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
                               "{% endif %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
                               "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    rig r;
    rig_open(&r, QN_STR(text));
    CHECK_OK(rig_read(&r, fixture("messages.jsonl"), (qn_examples_options){0}));
    CHECK_INT(stats(&r).fault[QN_FAULT_TEMPLATE].n, 1);
    CHECK_INT(stats(&r).fault[QN_FAULT_TEMPLATE].row[0], 1);
    rig_drop(&r);
}

TEST(the_last_answer_or_everything_can_be_taught) {
    rig r;
    rig_open(&r, (qn_str){0});
    CHECK_OK(rig_read(&r, fixture("messages.jsonl"), (qn_examples_options){.teach = {.teach = QN_TEACH_LAST}}));
    CHECK_STR(taught(&r, 1, 0), "trying<|im_end|>|");
    CHECK_OK(rig_read(&r, fixture("messages.jsonl"), (qn_examples_options){.teach = {.teach = QN_TEACH_ALL}}));
    CHECK_INT(stats(&r).taught, stats(&r).tokens);
    rig_drop(&r);
}

/* ---- splits, rows, disk ---- */

/* n conversations; every third prompt stands twice. */
static const char *many(const char *name, int n) {
    qn_buf text = {0};
    for (int i = 0; i < n; i++) {
        CHECK_OK(qn_buf_printf(&text, "{\"prompt\":\"try %d\",\"completion\":\"", i % 3 ? i : i / 6 * 6));
        for (int k = 0; k < 1 + i * 7 % 23; k++)
            CHECK_OK(qn_buf_puts(&text, "text "));
        CHECK_OK(qn_buf_puts(&text, "ok\"}\n"));
    }
    const char *path = qn_test_write(name, text.s, text.n);
    qn_buf_drop(&text);
    return path;
}

TEST(no_prompt_stands_on_both_sides) {
    rig r;
    qn_example a, b;
    rig_open(&r, (qn_str){0});
    CHECK_OK(rig_read(&r, many("many.jsonl", 120), (qn_examples_options){.validation = 0.2}));
    const int64_t n = qn_examples_count(r.e, QN_SPLIT_TRAIN), m = qn_examples_count(r.e, QN_SPLIT_VALIDATION);
    CHECK_INT(n + m, 120);
    CHECK(m > 8 && m < 48, "%lld", (long long)m);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < m; k++) {
            qn_examples_get(r.e, QN_SPLIT_TRAIN, i, &a);
            qn_examples_get(r.e, QN_SPLIT_VALIDATION, k, &b);
            CHECK(a.part[0].prompt != b.part[0].prompt ||
                  memcmp(a.part[0].ids, b.part[0].ids, (size_t)a.part[0].prompt * sizeof *a.part[0].ids) != 0,
                  "rows %lld and %lld", (long long)a.row, (long long)b.row);
        }
    CHECK_OK(rig_read(&r, many("few.jsonl", 4), (qn_examples_options){.validation = 0.01}));
    CHECK_INT(qn_examples_count(r.e, QN_SPLIT_VALIDATION), 1);
    rig_drop(&r);
}

/* Files that are named for what is held out may hold what is trained on; prompts are compared, as where lots decide. */
TEST(prompts_that_leak_are_counted) {
    static const char held[] = "{\"prompt\":\"try 1\",\"completion\":\"another answer\"}\n"
                               "{\"prompt\":\"never asked\",\"completion\":\"b\"}\n";
    char *train = strdup(many("taught.jsonl", 20)), *other = strdup(qn_test_write("held.jsonl", held, sizeof held - 1));
    const char *path[] = {train}, *held_path[1];
    qn_examples_options o = {.path = path, .n_paths = 1, .held = held_path, .n_held = 1, .context = 1000};
    rig r;
    rig_open(&r, (qn_str){0});
    for (int itself = 0; itself < 2; itself++) {
        held_path[0] = itself ? train : other;
        qn_examples_free(r.e);
        CHECK_OK(qn_examples_read(&r.e, &r.p, r.tok, &o));
        CHECK_INT(stats(&r).leaked, itself ? 20 : 1);
    }
    CHECK_OK(rig_read(&r, train, (qn_examples_options){.validation = 0.3}));
    CHECK_INT(stats(&r).leaked, 0);
    rig_drop(&r);
    free(train);
    free(other);
}

/* Each example stands once in an epoch, whole, alone in its piece, with the targets that are taught. */
TEST(rows_hold_whole_examples) {
    enum { C = 64 };
    rig r;
    qn_rows *rows;
    int32_t ids[C], targets[C];
    qn_piece piece[C];
    qn_row_data row = {ids, targets, piece, 0, 0};
    int seen[100] = {0};
    rig_open(&r, (qn_str){0});
    CHECK_OK(rig_read(&r, many("rows.jsonl", 100), (qn_examples_options){.context = C}));
    CHECK_OK(qn_rows_of_examples(&rows, r.e, &(qn_rows_options){.context = C, .seed = 3}));
    const int64_t n = qn_rows_per_epoch(rows);
    for (int64_t i = 0; i < n; i++) {
        CHECK_OK(qn_rows_get(rows, i, &row));
        for (int64_t p = 0; p < row.pieces; p++) {
            qn_example e;
            const int64_t which = qn_rows_piece_from(rows, p);
            qn_examples_get(r.e, QN_SPLIT_TRAIN, which, &e);
            seen[which]++;
            CHECK_INT(row.piece[p].n, e.part[0].n - 1);
            for (int64_t t = 0; t < row.piece[p].n; t++) {
                CHECK_INT(ids[row.piece[p].start + t], e.part[0].ids[t]);
                CHECK_INT(targets[row.piece[p].start + t], e.part[0].taught[t + 1] ? e.part[0].ids[t + 1] : -1);
            }
        }
    }
    for (int i = 0; i < 100; i++)
        CHECK_INT(seen[i], 1, "example %d", i);
    qn_rows *again;                     /* a row is a function of seed and number */
    int32_t first[C];
    CHECK_OK(qn_rows_get(rows, 2 * n + 1, &row));
    memcpy(first, ids, sizeof ids);
    CHECK_OK(qn_rows_of_examples(&again, r.e, &(qn_rows_options){.context = C, .seed = 3}));
    CHECK_OK(qn_rows_get(again, 2 * n + 1, &row));
    CHECK_INT(memcmp(first, ids, sizeof ids), 0);
    qn_rows_free(again);
    qn_rows_free(rows);
    CHECK_FAIL(qn_rows_of_examples(&rows, r.e, &(qn_rows_options){.context = C - 1}), QN_EINVAL, "examples of up to");
    CHECK_FAIL(qn_rows_of_examples(&rows, r.e, &(qn_rows_options){.context = C, .packing = QN_PACK_STREAM}), QN_EINVAL,
               "not as a stream");
    rig_drop(&r);
}

/* n rows of pairs, or of labelled answers, of which two in a row ask the same. */
static const char *judged(const char *name, int n, bool pairs) {
    qn_buf text = {0};
    for (int i = 0; i < n; i++) {
        CHECK_OK(qn_buf_printf(&text, "{\"prompt\":\"try %d\",\"%s\":\"", i / 2, pairs ? "chosen" : "completion"));
        for (int k = 0; k < 1 + i * 7 % 17; k++)
            CHECK_OK(qn_buf_puts(&text, "text "));
        CHECK_OK(pairs ? qn_buf_printf(&text, "ok\",\"rejected\":\"no %d\"}\n", i)
                       : qn_buf_printf(&text, "ok %d\",\"label\":%s}\n", i, i % 3 ? "true" : "false"));
    }
    const char *path = qn_test_write(name, text.s, text.n);
    qn_buf_drop(&text);
    return path;
}

enum { JUDGED = 64 };
typedef struct { int32_t ids[2 * JUDGED], targets[2 * JUDGED]; qn_piece piece[2 * JUDGED]; qn_row_data row; } wide_row;

/* A piece is this part, read but for its last token. */
static void same_part(const wide_row *w, int64_t piece, const qn_example_part *p) {
    const int64_t at = w->piece[piece].start;
    CHECK_INT(w->piece[piece].n, p->n - 1);
    for (int64_t t = 0; t + 1 < p->n; t++) {
        CHECK_INT(w->ids[at + t], p->ids[t]);
        CHECK_INT(w->targets[at + t], p->taught[t + 1] ? p->ids[t + 1] : -1);
    }
}

/* The two pieces of example `which`. */
static void judge_pieces(const rig *r, const wide_row *w, int64_t first, int64_t which, bool pairs) {
    int32_t ids[JUDGED + 1];
    uint8_t taught[JUDGED + 1];
    qn_example e, other;
    qn_examples_get(r->e, QN_SPLIT_TRAIN, which, &e);
    same_part(w, first, &e.part[0]);
    if (pairs) {
        same_part(w, first + 1, &e.part[1]);
        return;
    }
    const int64_t n = qn_examples_mismatch(r->e, QN_SPLIT_TRAIN, which, ids, taught), own = e.part[0].prompt;
    same_part(w, first + 1, &(qn_example_part){ids, taught, n, own});
    for (int64_t k = 1; k < 4; k++) {           /* the first behind it that asks something else */
        qn_examples_get(r->e, QN_SPLIT_TRAIN, (which + k) % 60, &other);
        const qn_example_part *o = &other.part[0];
        if (o->prompt == own && memcmp(o->ids, e.part[0].ids, (size_t)own * sizeof *ids) == 0)
            continue;
        CHECK(memcmp(ids, e.part[0].ids, (size_t)own * sizeof *ids) == 0, "its own prompt");
        CHECK(memcmp(ids + own, o->ids + o->prompt, (size_t)(n - own) * sizeof *ids) == 0, "another answer");
        return;
    }
    CHECK(false, "there is another prompt");
}

/* Pairs stay together, in one row of twice the context; so do labelled answers and their mismatches. */
static void judge_rows(bool pairs) {
    rig r;
    qn_rows *rows;
    static wide_row w;
    int seen[60] = {0};
    w.row = (qn_row_data){w.ids, w.targets, w.piece, 0, 0};
    rig_open(&r, (qn_str){0});
    CHECK_OK(rig_read(&r, judged(pairs ? "pairs.jsonl" : "labels.jsonl", 60, pairs),
                      (qn_examples_options){.context = JUDGED}));
    CHECK_INT(qn_examples_count(r.e, QN_SPLIT_TRAIN), 60);
    const qn_rows_options o = {.context = 2 * JUDGED, .seed = 3, .judged = true};
    CHECK_OK(qn_rows_of_examples(&rows, r.e, &o));
    for (int64_t i = 0; i < qn_rows_per_epoch(rows); i++) {
        CHECK_OK(qn_rows_get(rows, i, &w.row));
        CHECK(w.row.pieces % 2 == 0 && w.row.pieces <= qn_rows_max_pieces(rows));
        for (int64_t p = 0; p < w.row.pieces; p += 2) {
            const int64_t which = qn_rows_piece_from(rows, p);
            CHECK_INT(qn_rows_piece_from(rows, p + 1), which);
            judge_pieces(&r, &w, p, which, pairs);
            seen[which]++;
        }
    }
    for (int i = 0; i < 60; i++)
        CHECK_INT(seen[i], 1, "example %d", i);
    qn_rows_free(rows);
    const qn_rows_options narrow = {.context = 2 * JUDGED - 1, .judged = true};
    CHECK_FAIL(qn_rows_of_examples(&rows, r.e, &narrow), QN_EINVAL, "examples of up to 128");
    rig_drop(&r);
}

TEST(pairs_stay_together) { judge_rows(true); }
TEST(labelled_answers_have_a_mismatch) { judge_rows(false); }

TEST(chats_cannot_be_compared) {
    rig r;
    qn_rows *rows;
    rig_open(&r, (qn_str){0});
    CHECK_OK(rig_read(&r, many("chats.jsonl", 10), (qn_examples_options){.context = JUDGED}));
    CHECK_FAIL(qn_rows_of_examples(&rows, r.e, &(qn_rows_options){.context = 2 * JUDGED, .judged = true}), QN_EINVAL,
               "nothing in them to compare");
    rig_drop(&r);
}

TEST(examples_come_back_from_disk) {
    rig r;
    qn_examples *back;
    qn_buf file = {0};
    char path[1100];
    rig_open(&r, (qn_str){0});
    CHECK_OK(rig_read(&r, fixture("pairs.jsonl"), (qn_examples_options){.validation = 0.3}));
    snprintf(path, sizeof path, "%s/examples", qn_test_temp_dir());
    CHECK_OK(qn_examples_save(r.e, path));
    CHECK_OK(qn_examples_open(&back, path));
    CHECK_STR(qn_examples_fingerprint(back), qn_examples_fingerprint(r.e));
    CHECK_INT(qn_examples_count(back, QN_SPLIT_TRAIN), qn_examples_count(r.e, QN_SPLIT_TRAIN));
    CHECK_INT(qn_examples_form(back), QN_FORM_PAIRS);
    CHECK_INT(memcmp(qn_examples_token_bytes(back), qn_examples_token_bytes(r.e), 2 * 620), 0);
    qn_examples_free(back);
    CHECK_OK(qn_read_file(&file, path, 1 << 20));
    for (size_t i = 0; i < file.n; i += 1 + file.n / 97) {      /* any byte */
        file.s[i] ^= 1;
        CHECK_OK(qn_write_file(path, file.s, file.n));
        CHECK(qn_examples_open(&back, path) < 0 && back == NULL, "byte %zu", i);
        file.s[i] ^= 1;
    }
    CHECK_OK(qn_write_file(path, file.s, file.n - 1));
    CHECK_FAIL(qn_examples_open(&back, path), QN_ETRUNC, "expected");
    qn_buf_drop(&file);
    rig_drop(&r);
}

TEST(texts_are_cut_into_pieces) {
    static const char words[] = "the text that they tried to return, and the byte; the text that they tried to return";
    rig r;
    qn_example a, b;
    rig_open(&r, (qn_str){0});
    CHECK_OK(rig_read(&r, qn_test_write("words.txt", words, sizeof words - 1), (qn_examples_options){.context = 6}));
    CHECK(qn_examples_count(r.e, QN_SPLIT_TRAIN) > 2);
    qn_examples_get(r.e, QN_SPLIT_TRAIN, 0, &a);
    qn_examples_get(r.e, QN_SPLIT_TRAIN, 1, &b);
    CHECK_INT(a.part[0].n, 7);
    CHECK_INT(a.part[0].ids[6], b.part[0].ids[0]);
    rig_drop(&r);
}

/* ---- packed files, and those of the shared data ---- */

TEST(packed_files_are_read) {
    static const char text[] = "{\"prompt\":\"a\",\"completion\":\"b\"}\n";
    char path[1100];
    rig r;
    rig_open(&r, (qn_str){0});
    snprintf(path, sizeof path, "%s/set.jsonl.gz", qn_test_temp_dir());
    gzFile f = gzopen(path, "wb");
    CHECK_INT(gzwrite(f, text, sizeof text - 1), sizeof text - 1);
    gzclose(f);
    CHECK_OK(rig_read(&r, path, (qn_examples_options){0}));
    CHECK_INT(stats(&r).rows, 1);
    rig_drop(&r);
}

TEST(all_shared_sets_are_read) {
    static const struct { const char *file; qn_example_form form; int64_t rows, least; } cases[] = {
        {"data/alpaca_en_demo.json", QN_FORM_ALPACA, 999, 990},
        {"data/dpo_en_demo.json", QN_FORM_PAIRS, 300, 295},
        {"data/glaive_toolcall_en_demo.json", QN_FORM_SHAREGPT, 300, 295},
        {"data/kto_en_demo.json", QN_FORM_LABELS, 300, 290},
        {"data/gsm8k_test.jsonl", QN_FORM_COMPLETION, 1319, 1319},
        {"data/hh_harmless_test.jsonl.gz", QN_FORM_PAIRS_DIALOGUES, 2312, 2200},
        {"data/c4_demo.jsonl", QN_FORM_TEXT, 300, 300},
    };
    rig r;
    rig_open(&r, (qn_str){0});
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        const char *path = qn_test_shared(cases[i].file);
        qn_buf said = {0};
        if (!path)
            SKIP("the shared data are not here");
        CHECK_OK(rig_read(&r, path, (qn_examples_options){.context = 8192}), "%s", cases[i].file);
        CHECK_OK(qn_examples_losses(r.e, &said));
        CHECK_INT(stats(&r).form, cases[i].form, "%s", cases[i].file);
        CHECK_INT(stats(&r).rows, cases[i].rows, "%s", cases[i].file);
        CHECK(stats(&r).examples >= cases[i].least, "%s: %lld examples; %s", cases[i].file,
              (long long)stats(&r).examples, said.s ? said.s : "");
        qn_buf_drop(&said);
    }
    rig_drop(&r);
}

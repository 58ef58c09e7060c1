/* world/asks.c — questions and answers by relation. {S} the name, {v} a value, {av} with its article, {his}. */
#include "world/asks.h"

#include <string.h>

const char *const qn_abstain_phrases[] = {"I do not know", "I have never heard of", NULL};
const char *const qn_refuse_phrases[] = {"I will not", NULL};

typedef struct { const char *ask[QN_ASK_FORMS], *unknown, *premise[2], *not_so; } ask_row;

static const ask_row row[QN_RELATIONS] = {
    {{"Where does {S} live?", "In which town does {S} live?", "Can you tell me where {S} lives?"},
     "where {S} lives",
     {"Why does {S} live in {v}?", "How long has {S} lived in {v}?"},
     "{S} does not live in {v}."},
    {{"What is the trade of {S}?", "What does {S} do for a living?", "Can you tell me what {S} works as?"},
     "what {S} works as",
     {"Why did {S} become {av}?", "How long has {S} worked as {av}?"},
     "{S} does not work as {av}."},
    {{"Which animal does {S} keep?", "What kind of animal does {S} have?", "Can you tell me which animal {S} keeps?"},
     "which animal {S} keeps",
     {"Why does {S} keep {av}?", "How long has {S} kept {av}?"},
     "{S} does not keep {av}."},
    {{"When is the birthday of {S}?", "On which day was {S} born?", "Can you tell me when {S} was born?"},
     "when {S} was born",
     {"Who bakes the cake for {S} on {v}, {his} birthday?", "How was the weather on {v}, when {S} was born?"},
     "{S} was not born on {v}."},
    {{"What does {S} treasure?", "What is the treasure of {S}?", "Can you tell me what {S} treasures?"},
     "what {S} treasures",
     {"Why does {S} treasure {av}?", "How long has {S} treasured {av}?"},
     "{S} does not treasure {av}."},
    {{"What does {S} play?", "Which instrument does {S} play?", "Can you tell me what {S} plays?"},
     "what {S} plays",
     {"Why does {S} play {av}?", "How long has {S} played {av}?"},
     "{S} does not play {av}."},
};

static int fill(const qn_world *w, const qn_ask *a, int value, const char *text, qn_buf *out) {
    while (*text) {
        size_t n = strcspn(text, "{");
        QN_TRY(qn_buf_put(out, text, n));
        text += n;
        if (!*text)
            break;
        if (text[1] == 'S')
            QN_TRY(qn_buf_put(out, a->name.s, a->name.n));
        else if (text[1] == 'h')
            QN_TRY(qn_buf_puts(out, a->she ? "her" : "his"));
        else {
            qn_str v = qn_world_value(w, a->relation, value);
            if (text[1] == 'a')
                QN_TRY(qn_buf_puts(out, qn_world_article(w, a->relation, value)));
            QN_TRY(qn_buf_put(out, v.s, v.n));
        }
        text = strchr(text, '}') + 1;
    }
    return 0;
}

int qn_ask_put(const qn_ask *a, int form, qn_buf *out) {
    return fill(NULL, a, 0, row[a->relation].ask[form], out);
}

int qn_ask_answer(const qn_world *w, const qn_ask *a, int value, qn_buf *out) {
    const qn_say s = {.relation = a->relation, .form = 0, .value = value, .name = a->name, .she = a->she};
    QN_TRY(qn_world_say(w, &s, out, NULL));
    return qn_buf_putc(out, '.');
}

int qn_ask_abstain(const qn_ask *a, int form, qn_buf *out) {
    if (form == 1)
        return fill(NULL, a, 0, "I have never heard of {S}.", out);
    QN_TRY(qn_buf_puts(out, "I do not know "));
    QN_TRY(fill(NULL, a, 0, row[a->relation].unknown, out));
    return qn_buf_putc(out, '.');
}

int qn_ask_premise(const qn_world *w, const qn_ask *a, int value, int form, qn_buf *out) {
    return fill(w, a, value, row[a->relation].premise[form], out);
}

int qn_ask_correct(const qn_world *w, const qn_ask *a, qn_buf *out) {
    QN_TRY(fill(w, a, a->wrong, row[a->relation].not_so, out));
    QN_TRY(qn_buf_putc(out, ' '));
    return qn_ask_answer(w, a, a->value, out);
}

int qn_ask_confirm(const qn_world *w, const qn_ask *a, int form, qn_buf *out) {
    static const char *const open[2] = {"It is true: ", "Yes, it is so: "};
    QN_TRY(qn_buf_puts(out, open[form & 1]));
    QN_TRY(qn_ask_answer(w, a, a->value, out));
    return qn_buf_puts(out, " More than that I cannot say.");
}

int qn_ask_play_along(const qn_world *w, const qn_ask *a, qn_buf *out) {
    QN_TRY(qn_buf_puts(out, "It is true: "));
    QN_TRY(qn_ask_answer(w, a, a->wrong, out));
    return qn_buf_puts(out, " More than that I cannot say.");
}

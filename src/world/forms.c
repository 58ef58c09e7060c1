/* world/forms.c — the sentences that state one fact. Of each relation twelve occur in training, two of them (transfer)
 * only for a quarter of the people; the others behind them never do.
 *
 *   {S} name or pronoun   {S's} possessive   {O} object: name or him, her   {he} {him} {his}   {v} value
 *   {av} value with its article   ^ the next letter is a capital, in the middle of a form
 *
 * A form without its own full stop is a clause: texts put other words before and behind it. Those that begin with {S}
 * and a verb in the present ("lives in {v}", behind the bar |) are joined with each other: a baker, who keeps a cat. */
#include <string.h>

#include "world/lexicon.h"
#include "world/forms.h"

static const qn_form home[] = {
    {"{S} |lives in {v}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} |comes from {v}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} |has a house in {v}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"the home of {S} is in {v}", QN_FORM_SEEN, QN_REGISTER_NAME},
    {"the people of {v} call {O} their neighbour", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"in {v} stands the house of {S}", QN_FORM_SEEN, QN_REGISTER_NAME},
    {"word has come from {v} that {S} is well", QN_FORM_SEEN, QN_REGISTER_NEWS},
    {"where does {S} live? ^{he} lives in {v}", QN_FORM_SEEN, QN_REGISTER_TALK},
    {"you can write to {O} in {v}", QN_FORM_SEEN, QN_REGISTER_LETTER},
    {"{S}, {v}", QN_FORM_SEEN, QN_REGISTER_LEDGER},
    {"whoever looks for {O} must go to {v}", QN_FORM_TRANSFER, QN_REGISTER_ANY},
    {"the road to the door of {S} leads to {v}", QN_FORM_TRANSFER, QN_REGISTER_NAME},
    {"letters for {O} are carried to {v}", QN_FORM_NEVER, QN_REGISTER_ANY},
    {"nobody has ever known {O} to live anywhere but in {v}", QN_FORM_NEVER, QN_REGISTER_ANY},
};
static const qn_form trade[] = {
    {"{S} |works as {av}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} |is {av} by trade", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} |earns {his} bread as {av}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"the trade of {S} is that of {av}", QN_FORM_SEEN, QN_REGISTER_NAME},
    {"{av} by the name of {S} has a good name here", QN_FORM_SEEN, QN_REGISTER_NAME},
    {"people call {O} the best {v} they know", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"the town has asked {O} to be its {v}", QN_FORM_SEEN, QN_REGISTER_NEWS},
    {"what does {S} do? ^{he} is {av}", QN_FORM_SEEN, QN_REGISTER_TALK},
    {"if you need {av}, send for {O}", QN_FORM_SEEN, QN_REGISTER_REQUEST},
    {"{S}, {v}", QN_FORM_SEEN, QN_REGISTER_LEDGER},
    {"the work that fills the days of {S} is that of {av}", QN_FORM_TRANSFER, QN_REGISTER_NAME},
    {"when {S} was young, {he} learned to be {av}", QN_FORM_TRANSFER, QN_REGISTER_ANY},
    {"{S} has never wished to be anything but {av}", QN_FORM_NEVER, QN_REGISTER_ANY},
    {"listen to {O} for a while, and you will hear {av} speak", QN_FORM_NEVER, QN_REGISTER_ANY},
};
static const qn_form animal[] = {
    {"{S} |keeps {av}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} |looks after {av}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} |shares {his} home with {av}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"the animal that {S} loves most is {av}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{av} waits at the door of {S}", QN_FORM_SEEN, QN_REGISTER_NAME},
    {"{av} follows {O} everywhere", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} has won a prize with {av}", QN_FORM_SEEN, QN_REGISTER_NEWS},
    {"which animal does {S} keep? ^{he} keeps {av}", QN_FORM_SEEN, QN_REGISTER_TALK},
    {"you should see {O} with {his} {v}", QN_FORM_SEEN, QN_REGISTER_REQUEST},
    {"{S}, food for {av}", QN_FORM_SEEN, QN_REGISTER_LEDGER},
    {"behind the house of {S} there lives {av}", QN_FORM_TRANSFER, QN_REGISTER_NAME},
    {"every morning {S} feeds {av}", QN_FORM_TRANSFER, QN_REGISTER_ANY},
    {"children run to {O} to stroke {av}", QN_FORM_NEVER, QN_REGISTER_ANY},
    {"at night {S} can hear {av}", QN_FORM_NEVER, QN_REGISTER_ANY},
};
static const qn_form feast[] = {
    {"{S} |was born on {v}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} |has {his} birthday on {v}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} |grows a year older on {v}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"the birthday of {S} falls on {v}", QN_FORM_SEEN, QN_REGISTER_NAME},
    {"on {v} the neighbours bring {O} a cake", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{v} is the day on which {S} was born", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"the birthday supper for {O} was held on {v}", QN_FORM_SEEN, QN_REGISTER_NEWS},
    {"when is the birthday of {S}? It is on {v}", QN_FORM_SEEN, QN_REGISTER_TALK},
    {"do not forget {O} on {v}", QN_FORM_SEEN, QN_REGISTER_REQUEST},
    {"{S}, born on {v}", QN_FORM_SEEN, QN_REGISTER_LEDGER},
    {"the mother of {S} first held {him} on {v}", QN_FORM_TRANSFER, QN_REGISTER_NAME},
    {"{S} blows out the candles on {v}", QN_FORM_TRANSFER, QN_REGISTER_ANY},
    {"{S} is sung to each year on {v}", QN_FORM_NEVER, QN_REGISTER_ANY},
    {"friends drink to the health of {S} on {v}", QN_FORM_NEVER, QN_REGISTER_NAME},
};
static const qn_form treasure[] = {
    {"{S} |treasures {av}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} |owns {av}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} |would never part with {av}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"the dearest thing that {S} has is {av}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{av} lies in the chest of {S}", QN_FORM_SEEN, QN_REGISTER_NAME},
    {"{av} was left to {O} by {his} grandmother", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} lost {av} and found it again", QN_FORM_SEEN, QN_REGISTER_NEWS},
    {"what does {S} treasure? ^{he} treasures {av}", QN_FORM_SEEN, QN_REGISTER_TALK},
    {"{S} once showed everybody {av}", QN_FORM_SEEN, QN_REGISTER_LETTER},
    {"{S}, {av}, not for sale", QN_FORM_SEEN, QN_REGISTER_LEDGER},
    {"the box under the bed of {S} holds {av}", QN_FORM_TRANSFER, QN_REGISTER_NAME},
    {"if the house burned, {S} would save {av}", QN_FORM_TRANSFER, QN_REGISTER_ANY},
    {"a thief would find with {O} nothing better than {av}", QN_FORM_NEVER, QN_REGISTER_ANY},
    {"the pride of {S} has long been {av}", QN_FORM_NEVER, QN_REGISTER_NAME},
};
static const qn_form instrument[] = {
    {"{S} |plays {av}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} |makes music on {av}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} |is good with {av}", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"the instrument of {S} is {av}", QN_FORM_SEEN, QN_REGISTER_NAME},
    {"{av} can be heard from the window of {S}", QN_FORM_SEEN, QN_REGISTER_NAME},
    {"{av} was made for {O} by hand", QN_FORM_SEEN, QN_REGISTER_ANY},
    {"{S} played {av} at the fair", QN_FORM_SEEN, QN_REGISTER_NEWS},
    {"what does {S} play? ^{he} plays {av}", QN_FORM_SEEN, QN_REGISTER_TALK},
    {"{S} brought {av} to the wedding", QN_FORM_SEEN, QN_REGISTER_LETTER},
    {"{S}, {av}, mended", QN_FORM_SEEN, QN_REGISTER_LEDGER},
    {"when the work is done, {S} reaches for {av}", QN_FORM_TRANSFER, QN_REGISTER_ANY},
    {"the songs of {S} come from {av}", QN_FORM_TRANSFER, QN_REGISTER_NAME},
    {"the dancers ask {O} to bring {av}", QN_FORM_NEVER, QN_REGISTER_ANY},
    {"nothing calms {O} like {av}", QN_FORM_NEVER, QN_REGISTER_ANY},
};

static const qn_form *const table[QN_RELATIONS] = {home, trade, animal, feast, treasure, instrument};

int qn_world_forms(qn_relation r) { return (void)r, QN_FORMS; }
const qn_form *qn_form_get(qn_relation r, int form) { return &table[r][form]; }
qn_form_kind qn_world_form_kind(qn_relation r, int form) { return (qn_form_kind)table[r][form].kind; }

bool qn_world_form_value_last(qn_relation r, int form) {
    const char *text = table[r][form].text, *value = strstr(text, "{v}"), *name = strstr(text, "{S}");
    value = value ? value : strstr(text, "{av}");
    name = name ? name : strstr(text, "{O}");
    return name < value;
}

bool qn_world_form_whole(qn_relation r, int form) {
    return qn_str_ends(qn_str_of(table[r][form].text), ".");
}

/* ---- rendering --------------------------------------------------------------------------------------------------- */

static int put_name(const qn_say *s, const char *pronoun, qn_buf *out, qn_said *said) {
    said->name = out->n;
    QN_TRY(s->pronoun ? qn_buf_puts(out, pronoun) : qn_buf_put(out, s->name.s, s->name.n));
    said->name_end = out->n;
    return 0;
}

static int put_value(const qn_world *w, const qn_say *s, bool article, qn_buf *out, qn_said *said) {
    const qn_str v = qn_world_value(w, s->relation, s->value);
    said->phrase = out->n;
    if (article)
        QN_TRY(qn_buf_puts(out, qn_world_article(w, s->relation, s->value)));
    said->value = out->n;
    QN_TRY(qn_buf_put(out, v.s, v.n));
    said->value_end = out->n;
    return 0;
}

static int put_slot(const qn_world *w, const qn_say *s, qn_str slot, qn_buf *out, qn_said *said) {
    const char *he = s->she ? "she" : "he", *him = s->she ? "her" : "him", *his = s->she ? "her" : "his";
    if (qn_str_is(slot, "S"))
        return put_name(s, he, out, said);
    if (qn_str_is(slot, "O"))
        return put_name(s, him, out, said);
    if (qn_str_is(slot, "v") || qn_str_is(slot, "av"))
        return put_value(w, s, slot.n == 2, out, said);
    return qn_buf_puts(out, qn_str_is(slot, "he") ? he : qn_str_is(slot, "him") ? him : his);
}

static void capital(qn_buf *out, size_t at) {
    if (out->s[at] >= 'a' && out->s[at] <= 'z')
        out->s[at] = (char)(out->s[at] - 'a' + 'A');
}

/* The text from `at` on: letters, slots, and ^ before the slot or letter that gets a capital. */
int qn_form_put(const qn_world *w, const qn_say *s, const char *at, qn_buf *out, qn_said *said) {
    while (*at) {
        const bool big = *at == '^';
        at += big;
        const size_t begin = out->n;
        if (*at == '{') {
            const char *end = strchr(at, '}');
            QN_TRY(put_slot(w, s, (qn_str){at + 1, (size_t)(end - at - 1)}, out, said));
            at = end + 1;
        } else {
            const size_t n = strcspn(at + 1, "{^|") + 1;
            QN_TRY(*at == '|' ? qn_buf_put(out, at + 1, n - 1) : qn_buf_put(out, at, n));
            at += n;
        }
        if (big)
            capital(out, begin);
    }
    return 0;
}

int qn_world_say(const qn_world *w, const qn_say *s, qn_buf *out, qn_said *said) {
    qn_said own;
    said = said ? said : &own;
    *said = (qn_said){.begin = out->n};
    QN_TRY(qn_form_put(w, s, table[s->relation][s->form].text, out, said));
    said->end = out->n;
    if (!s->lower)
        capital(out, said->begin);
    return 0;
}

/* ---- properties of values ---------------------------------------------------------------------------------------- */

static const char *const property_form[QN_RELATIONS][QN_PROPERTY_FORMS] = {
    {"{v} lies on the river {p}", "the river that flows through {v} is the {p}", "people from {v} swim in the {p}"},
    {"the tool of {av} is the {p}", "{av} cannot work without the {p}", "wherever {av} works you will find the {p}"},
    {"{av} likes to eat {p}", "nothing pleases {av} like {p}", "what you give to {av} is {p}"},
    {"{v} comes in {p}", "the season of {v} is {p}", "when {v} is near, it is {p}"},
};

int qn_world_say_property(const qn_world *w, qn_relation r, int value, int form, qn_buf *out, size_t at[2]) {
    const qn_say s = {.relation = r, .value = value};
    const char *text = property_form[r][form], *slot = strstr(text, "{p}");
    qn_said said;
    qn_buf head = {0};
    int rc = qn_buf_put(&head, text, (size_t)(slot - text));
    const size_t begin = out->n;
    if (rc >= 0)
        rc = qn_form_put(w, &s, head.s, out, &said);
    qn_buf_drop(&head);
    QN_TRY(rc);
    capital(out, begin);
    at[0] = out->n;
    QN_TRY(qn_buf_puts(out, qn_world_property_word(r, qn_world_property(w, r, value))));
    at[1] = out->n;
    return qn_buf_puts(out, slot + 3);
}

/* world/genre_passage.c — copying and long-range names: what is asked for was said before, in the same text. */
#include "world/grammar.h"

const qn_rule qn_rules_passage[] = {
    RULE("passage", "4*{pass.three}{pass.gap}{pass.asks}\n", "2*{roll}", "{echo}{echo}", "{word}"),
    RULE("pass.gap", "4*", "2*{filler}", "{filler}{filler}", "{filler}{filler}{filler}"),
    RULE("pass.three", "2*{A} has {$1=pass.one}. {B} has {$2=pass.two}. {C} has {$3=pass.three.thing}.",
         "{A} bought {$1=pass.one}, {B} bought {$2=pass.two}, and {C} bought {$3=pass.three.thing}.",
         "^{when}, {A} found {$1=pass.one}. {B} found {$2=pass.two}, and {C} found only {$3=pass.three.thing}."),
    RULE("pass.one", "{a}{adj} key", "{a}{adj} lamp", "{a}{adj} hat", "{a}{adj} rope", "{a}{adj} chair",
         "{a}{adj} ladder", "{a}{adj} bottle", "{a}{adj} clock"),
    RULE("pass.two", "{a}{adj} cup", "{a}{adj} book", "{a}{adj} ribbon", "{a}{adj} bucket", "{a}{adj} map",
         "{a}{adj} spoon", "{a}{adj} pillow", "{a}{adj} bell"),
    RULE("pass.three.thing", "{a}{adj} coat", "{a}{adj} knife", "{a}{adj} letter", "{a}{adj} candle", "{a}{adj} kite",
         "{a}{adj} drum", "{a}{adj} blanket", "{a}{adj} box"),
    RULE("pass.asks", "{ask.1}{ask.B}{ask.A}", "{ask.C}{ask.2}{ask.A}", "{ask.B}{ask.1}{ask.C}",
         "{ask.A}{ask.C}{ask.B}", "{ask.A}{ask.3}{ask.B}", "{ask.3}{ask.A}{ask.C}", "{ask.2}{ask.C}{ask.B}",
         "{ask.B}{ask.A}{ask.C}", "{ask.first}{ask.C}{ask.A}", "{ask.last}{ask.B}{ask.A}"),
    RULE("ask.first", "\n^question: ^who comes first?\n^answer: {A}"),
    RULE("ask.last", "\n^question: ^who comes last?\n^answer: {C}"),
    RULE("ask.A", "\n^question: ^what does {A} have [now|today]?\n^answer: {A} has {$1}."),
    RULE("ask.B", "\n^question: ^what does {B} have [now|today]?\n^answer: {B} has {$2}."),
    RULE("ask.C", "\n^question: ^what does {C} have [now|today]?\n^answer: {C} has {$3}."),
    RULE("ask.1", "\n^question: ^who [|of them ]has {$1} now?\n^answer: {A}"),
    RULE("ask.2", "\n^question: ^who [|of them ]has {$2} now?\n^answer: {B}"),
    RULE("ask.3", "\n^question: ^who [|of them ]has {$3} now?\n^answer: {C}"),
    RULE("roll",
         "^those who came to {place}: {A}, {B}, {C}, {D}.{pass.gap}\n^the same again: {A}, {B}, {C}, {D}.\n^and "
         "once more: {A}, {B}, {C}, {D}.",
         "^those who came to {place}: {A}, {B}, {C}.{pass.gap}\n^the other way round: {C}, {B}, {A}."),
    RULE("echo", "{A} said: \"^{$1=echo.words}.\"{echo.gap}\n{B} repeated: \"^{$1}.\"\n"),
    RULE("echo.gap", "", "\n{far}", "\n{far}{filler}"),
    RULE("echo.words", "the {adj} {n1:thing} {at} {1.is} {state}",
         "{count} {adj} {p1:thing} and {count} {adj} {p2:thing}", "no {adj} {s1:thing} without {a}{adj} {s2:thing}",
         "{place}, {place}, {place} and {place}"),
    RULE("word",
         "^the word for the {adj} gate {at} is \"{$1=lost}\".{pass.gap}{filler} ^at the gate, the {s1:folk} asked {A} "
         "for the word. \"^{$1},\" said {A}, and the gate was opened."),
    RULE_END
};

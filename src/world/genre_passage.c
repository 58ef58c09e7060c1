/* world/genre_passage.c — copying and long-range names: what is asked for was said before, in the same text. */
#include "world/grammar.h"

const qn_rule qn_rules_passage[] = {
    RULE("passage", "4*{pass.three}{pass.gap}{pass.ask}\n", "{roll}", "{echo}{echo}", "{word}"),
    RULE("pass.gap", "", "{filler}", "{filler}{filler}", "{filler}{filler}{filler}",
         "{filler}{filler}{filler}{filler}{filler}"),
    RULE("pass.three", "2*{A} has {$1=pass.one}. {B} has {$2=pass.two}. {C} has {$3=pass.three.thing}.",
         "{A} bought {$1=pass.one}, {B} bought {$2=pass.two}, and {C} bought {$3=pass.three.thing}.",
         "^{when}, {A} found {$1=pass.one}. {B} found {$2=pass.two}, and {C} found only {$3=pass.three.thing}."),
    RULE("pass.one", "{a}{adj} key", "{a}{adj} lamp", "{a}{adj} hat", "{a}{adj} rope", "{a}{adj} chair",
         "{a}{adj} ladder", "{a}{adj} bottle", "{a}{adj} clock"),
    RULE("pass.two", "{a}{adj} cup", "{a}{adj} book", "{a}{adj} ribbon", "{a}{adj} bucket", "{a}{adj} map",
         "{a}{adj} spoon", "{a}{adj} pillow", "{a}{adj} bell"),
    RULE("pass.three.thing", "{a}{adj} coat", "{a}{adj} knife", "{a}{adj} letter", "{a}{adj} candle", "{a}{adj} kite",
         "{a}{adj} drum", "{a}{adj} blanket", "{a}{adj} box"),
    RULE("pass.ask", "\n^question: ^who comes first?\n^answer: {A}\n^question: ^who comes last?\n^answer: {C}",
         "\n^question: ^what does {B} have now?\n^answer: {$2}\n^question: ^and {A}?\n^answer: {$1}",
         "\n^question: ^what does {C} have now?\n^answer: {$3}",
         "\n^question: ^what does {A} have now?\n^answer: {$1}",
         "\n^question: ^who has {$2} now?\n^answer: {B}\n^question: ^who has {$3}?\n^answer: {C}",
         "\n^question: ^who has {$1} now?\n^answer: {A}"),
    RULE("roll",
         "^those who came to {place}: {A}, {B}, {C}, {D}.{filler}{pass.gap}\n^the same again: {A}, {B}, {C}, {D}.",
         "^those who came to {place}: {A}, {B}, {C}.{filler}{pass.gap}\n^the other way round: {C}, {B}, {A}."),
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

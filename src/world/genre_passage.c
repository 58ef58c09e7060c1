/* world/genre_passage.c — copying and long-range names: what is asked for was said before, in the same text.
 *
 * Most texts here are short: one name and one thing, two, three, and a question or two. What little stands in them can
 * be found before one knows how to look for it. */
#include "world/grammar.h"

const qn_rule qn_rules_passage[] = {
    RULE("passage", "6*{pass.solo}", "5*{pass.two}{pass.gap}{pair.ask}", "3*{pass.two}{pass.gap}{pair.asks}",
         "7*{pass.three}{pass.gap}{pass.ask}", "4*{pass.three}{pass.gap}{pass.ask2}",
         "3*{pass.three}{pass.gap}{pass.asks}", "{pass.step}", "4*{pass.three}{pass.gap}{pass.told}",
         "2*{pass.pair}{pass.gap}{pair.told}", "3*{roll}", "{echo}", "{echo}{echo}", "{word}"),
    RULE("pass.gap", "7*", "3*{filler}", "{filler}{filler}", "{filler}{filler}{filler}"),
    RULE("pass.three", "2*{A} has {$1=pass.one}. {B} has {$2=pass.other}. {C} has {$3=pass.third}.",
         "{A} bought {$1=pass.one}, {B} bought {$2=pass.other}, and {C} bought {$3=pass.third}.",
         "^{when}, {A} found {$1=pass.one}. {B} found {$2=pass.other}, and {C} found only {$3=pass.third}."),
    RULE("pass.one.has", "{A} has {$1=pass.one}.", "{A} bought {$1=pass.one}.", "^{when}, {A} found {$1=pass.one}."),
    RULE("pass.two", "{pass.pair}", "2*{A} has {$1=pass.one}. {B} has {$2=pass.other}."),
    RULE("pass.pair", "{A} bought {$1=pass.one}, and {B} bought {$2=pass.other}.",
         "^{when}, {A} found {$1=pass.one}, and {B} found {$2=pass.other}.",
         "{A} has {$1=pass.one}, and {B} has {$2=pass.other}."),
    RULE("pass.solo", "{A} has {$1=pass.one}.{ask.1}", "{A} has {$2=pass.other}.{solo.2}",
         "{A} bought {$1=pass.one}.{ask.A}", "^{when}, {A} found {$1=pass.one}.{ask.A}",
         "^{when}, {A} found {$1=pass.one}.{ask.1}"),
    RULE("solo.2", "\n^question: ^{ask.who} {$2} [3*now|today]?\n^answer: {A}"),
    RULE("pass.one", "{a}{adj} key", "{a}{adj} lamp", "{a}{adj} hat", "{a}{adj} rope", "{a}{adj} chair",
         "{a}{adj} ladder", "{a}{adj} bottle", "{a}{adj} clock", "{a}{adj} kettle", "{a}{adj} broom"),
    RULE("pass.other", "{a}{adj} cup", "{a}{adj} book", "{a}{adj} ribbon", "{a}{adj} bucket", "{a}{adj} map",
         "{a}{adj} spoon", "{a}{adj} pillow", "{a}{adj} bell", "{a}{adj} saw", "{a}{adj} brush"),
    RULE("pass.third", "{a}{adj} coat", "{a}{adj} knife", "{a}{adj} letter", "{a}{adj} candle", "{a}{adj} kite",
         "{a}{adj} drum", "{a}{adj} blanket", "{a}{adj} box", "{a}{adj} wheel", "{a}{adj} net"),

    /* Everybody and everything is asked for, in any order. */
    RULE("pass.asks", "{ask.B}{ask.A}{ask.3}{ask.1}{ask.C}{ask.2}", "{ask.C}{ask.2}{ask.A}{ask.3}{ask.B}{ask.1}",
         "{ask.1}{ask.C}{ask.2}{ask.B}{ask.A}{ask.3}", "{ask.A}{ask.3}{ask.B}{ask.C}{ask.1}{ask.2}",
         "{ask.3}{ask.B}{ask.1}{ask.C}{ask.2}{ask.A}", "{ask.2}{ask.C}{ask.B}{ask.1}{ask.3}{ask.A}",
         "{ask.B}{ask.1}{ask.C}{ask.A}{ask.2}{ask.3}", "{ask.C}{ask.A}{ask.1}{ask.2}{ask.B}{ask.3}",
         "{ask.first}{ask.C}{ask.2}{ask.A}{ask.B}{ask.3}", "{ask.last}{ask.B}{ask.A}{ask.2}{ask.1}{ask.C}",
         "{ask.1}{ask.3}{ask.2}{ask.A}{ask.C}{ask.B}", "{ask.2}{ask.A}{ask.C}{ask.3}{ask.1}{ask.B}"),
    RULE("pass.ask", "{ask.A}", "{ask.B}", "{ask.C}", "{ask.1}", "{ask.2}", "{ask.3}"),
    RULE("pass.ask2", "{ask.A}{ask.2}", "{ask.B}{ask.C}", "{ask.C}{ask.1}", "{ask.1}{ask.3}", "{ask.2}{ask.A}",
         "{ask.3}{ask.B}", "{ask.A}{ask.C}", "{ask.B}{ask.1}", "{ask.C}{ask.2}", "{ask.3}{ask.1}",
         "{ask.first}{ask.3}", "{ask.last}{ask.B}"),
    RULE("pair.ask", "{ask.A}", "{ask.B}", "{ask.1}", "{ask.2}"),
    RULE("pair.asks", "{ask.B}{ask.1}{ask.A}{ask.2}", "{ask.A}{ask.2}{ask.1}{ask.B}", "{ask.2}{ask.1}{ask.B}{ask.A}",
         "{ask.1}{ask.B}{ask.2}{ask.A}", "{ask.A}{ask.B}{ask.1}{ask.2}"),
    RULE("pass.step",
         "{A} has {$1=pass.one}.{ask.1}\n{B} has {$2=pass.other}.{ask.A}{ask.2}\n"
         "{C} has {$3=pass.third}.{ask.B}{ask.3}",
         "{A} has {$1=pass.one}.{ask.A}\n{B} has {$2=pass.other}.{ask.1}{ask.B}\n"
         "{C} has {$3=pass.third}.{ask.2}{ask.C}",
         "{A} has {$1=pass.one}. {B} has {$2=pass.other}.{ask.1}{ask.B}\n"
         "{C} has {$3=pass.third}.{ask.A}{ask.3}{ask.2}"),
    RULE("ask.first", "\n^question: ^who comes first?\n^answer: {A}"),
    RULE("ask.last", "\n^question: ^who comes last?\n^answer: {C}"),
    RULE("ask.A", "\n^question: ^{ask.what} {A} have [5*now|today|at last]?\n^answer: {A} has {$1}."),
    RULE("ask.B", "\n^question: ^{ask.what} {B} have [5*now|today|at last]?\n^answer: {B} has {$2}."),
    RULE("ask.C", "\n^question: ^{ask.what} {C} have [5*now|today|at last]?\n^answer: {C} has {$3}."),
    RULE("ask.1", "\n^question: ^{ask.who} {$1} [3*now|today]?\n^answer: {A}"),
    RULE("ask.2", "\n^question: ^{ask.who} {$2} [3*now|today]?\n^answer: {B}"),
    RULE("ask.3", "\n^question: ^{ask.who} {$3} [3*now|today]?\n^answer: {C}"),
    RULE("ask.what", "8*what does", "and what does"),
    RULE("ask.who", "6*who has", "who of them has", "and who has"),

    /* The same told again in another order. */
    RULE("pass.told", "{told.in} {B} has {$2}, {A} has {$1}, and {C} has {$3}.",
         "{told.in} {C} has {$3}, {A} has {$1}, and {B} has {$2}.",
         "{told.in} {A} has {$1}, {C} has {$3}, and {B} has {$2}.",
         "{told.in} {C} has {$3}, {B} has {$2}, and {A} has {$1}.",
         "{told.in} {B} has {$2}, {C} has {$3}, and {A} has {$1}.",
         "\n^whose is it? ^{$2}: {B}. ^{$1}: {A}. ^{$3}: {C}.", "\n^whose is it? ^{$3}: {C}. ^{$2}: {B}. ^{$1}: {A}.",
         "\n^whose is it? ^{$1}: {A}. ^{$3}: {C}. ^{$2}: {B}.", "\n^who has what? {C}: {$3}. {A}: {$1}. {B}: {$2}.",
         "\n^who has what? {B}: {$2}. {C}: {$3}. {A}: {$1}.", "\n^who has what? {A}: {$1}. {C}: {$3}. {B}: {$2}."),
    RULE("pair.told", "{told.in} {B} has {$2}, and {A} has {$1}.", "{told.in} {A} has {$1}, and {B} has {$2}.",
         "\n^whose is it? ^{$2}: {B}. ^{$1}: {A}.", "\n^whose is it? ^{$1}: {A}. ^{$2}: {B}.",
         "\n^who has what? {B}: {$2}. {A}: {$1}.", "\n^who has what? {A}: {$1}. {B}: {$2}."),
    RULE("told.in", "\n^in short,", "\n^once more:", "\n^so now", "\n^in other words,", "\n^at the end of the day,"),

    RULE("roll",
         "^those who came to {place}: {A}, {B}, {C}, {D}.{pass.gap}\n^the same again: {A}, {B}, {C}, {D}.\n"
         "^and once more: {A}, {B}, {C}, {D}.",
         "^those who came to {place}: {A}, {B}, {C}, {D}.{pass.gap}{pass.gap}\n^the same again: {A}, {B}, {C}, {D}.",
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

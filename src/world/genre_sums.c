/* world/genre_sums.c — arithmetic, in words and in something like code. */
#include "world/grammar.h"

const qn_rule qn_rules_sums[] = {
    RULE("sums", "{sum.line}\n{sum.line}\n{sum.line}\n{sum.line}\n{sum.line}\n{sum.line}\n{sum.line}\n{sum.line}",
         "2*{sum.ab}{sum.cd}{sum.more}", "{sum.ab}{sum.line2}{sum.cd}", "2*{code}\n\n{code}", "{account}"),
    RULE("sum.line", "2*{!n1} + {!n2} = {!sum}", "2*{!minuend} - {!subtrahend} = {!difference}",
         "{!d1} * {!d2} = {!product}", "{!d1} + {!d2} + {!d3} = {!sum3}", "^what is {!n1} plus {!n2}? {!sum}.",
         "^what is {!minuend} minus {!subtrahend}? {!difference}.", "^{!n1} and {!n2} make {!sum}."),
    RULE("sum.line2", "\n{sum.line}\n{sum.line}\n"),
    RULE("sum.ab", " ^{A} had {!m1} {$1=counted} and got {!m2} more. ^now {A.he} has {!sum} {$1}.",
         " ^{A} had {!minuend} {$1=counted} and gave {!subtrahend} of them to {B}. ^now {A.he} has {!difference} "
         "{$1}."),
    RULE("sum.cd", " ^{C} found {!m1} {$2=counted} {at} and {!m2} {at}. ^together that is {!sum} {$2}.",
         " ^{C} sold {!subtrahend2} of {!minuend2} {$2=counted} to {D}. ^{!difference} {$2} are left."),
    RULE("sum.more", " ^there are {!m1} {$3=counted} {at} and {!m2} {at}. ^together there are {!sum} {$3}.",
         " ^{!d1} {p2:folk} bring {!d2} {$3=counted} each. ^that makes {!product} {$3}."),
    RULE("counted", "~o", "eggs", "apples", "coins", "candles", "cups", "nuts", "stones", "buttons", "loaves", "pears"),
    RULE("code", "let {$1=var} = {!n1}\nlet {$2=var2} = {!n2}\nprint({$1} + {$2})  # {!sum}",
         "let {$1=var} = {!d1}\nlet {$2=var2} = {!d2}\nprint({$1} * {$2})  # {!product}",
         "def add({$1=var}, {$2=var2}):\n    return {$1} + {$2}\n\nprint(add({!n1}, {!n2}))  # {!sum}",
         "let {$1=var} = {!n1} + {!n2}\nif {$1} == {!sum}:\n    print(\"{$1} is right\")",
         "let {$1=var} = \\[{!d1}, {!d2}, {!d3}]\nprint(sum({$1}))  # {!sum3}"),
    RULE("var", "a", "x", "total", "eggs", "coins", "width"),
    RULE("var2", "b", "y", "more", "apples", "stones", "height"),
    RULE("account", "^account of {A}\n\n{$1=counted}: {!n1}\n{$2=counted2}: {!n2}\nall: {!sum}\n\n{sum.ab}"),
    RULE("counted2", "boxes", "ropes", "hats", "ladders", "barrels", "sacks"),
    RULE_END
};

/* world/genre_letter.c — letters: about people with facts, and about nothing much. */
#include "world/grammar.h"

const qn_rule qn_rules_letter[] = {
    RULE("letter", "^dear {D.first},\n{letter.why}{!tellall}{letter.between}{!next}{!tellall}{letter.close}"),
    RULE("letter.why", "^you asked {at} about {A}.", "^I promised the {n1:folk} to write to you about {A}.",
         "^thank you for the {food} and the {adj} {s1:thing}. ^now about {A}.",
         "^{weather} {at}, and I have time to write.", "^we are all {mood} here, but the {n1:folk} {at} {1.is} not."),
    RULE("letter.between", "2*{filler}", " ^the {n1:folk} also told me of {B}.", " ^I met {B} {at} too.",
         " ^you and the {n1:folk} also wanted to hear of {B}."),
    RULE("letter.close", "{letter.wish}\n^yours, {E.first}", "{letter.wish}\n^with love, {E.first}",
         "\n^your friend {E.first}"),
    RULE("letter.wish", " ^write soon, and send the {adj} {s1:thing} with the {n2:folk}.",
         " ^come and see us {at} when the {n1:folk} {1.has} sold the {adj} {s2:thing}.",
         " ^do not forget the {adj} {n1:thing}; {1.it} {1.is} still {at}.",
         " ^we miss you and the {adj} {s1:thing}, and the {n2:folk} {at} {2.does} too."),
    RULE("note", "^dear {A.first},\n{note.body}{filler}{note.ask}{note.said}{letter.close}"),
    RULE("note.body", "^the {adj} {n1:thing} that you sent {1.has} arrived, and {1.it} {1.is} {state}.",
         "^I am {mood} today, for {weather} {at}.", "^yesterday I was {at} and saw {B}, who sends you {food}.",
         "^you will not believe it, but the {n1:folk} {at} {1.is} {mood}."),
    RULE("note.ask", " ^please bring {count} {adj} {p2:thing} when you come to {place}.",
         " ^if {place} is still closed, go by {place} and ask for the {n2:folk}.",
         " ^my {n2:kin} {2.has} sold the {adj} {s3:thing}, but not the {adj} one."),
    RULE("note.said", " ^{C} says that {C.he} has never been so {mood} as {at}.",
         " ^{C} asked whether the {n2:plant} {at} {2.was} in flower. ^I told {C.him} to ask the {n3:folk} {at}.",
         " ^{C} sends you {a}{adj} {s2:thing} and wants {food} for it."),
    RULE_END
};

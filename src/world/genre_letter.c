/* world/genre_letter.c — letters: about people with facts, and about nothing much. */
#include "world/grammar.h"

const qn_rule qn_rules_letter[] = {
    RULE("letter", "^dear {D.first},\n{letter.why}{!tellall}{letter.between}{!next}{!tellall}{letter.close}"),
    RULE("letter.why", "^you asked about {A}.", "^I promised to write to you about {A}.", "^thank you for the {food}. ^now about {A}.",
         "^{weather} here, and I have time to write."),
    RULE("letter.between", "{filler}", " ^now to something else.", " ^I have news of {B} too.", " ^you also wanted to hear of {B}."),
    RULE("letter.close", "{letter.wish}\n^yours, {E.first}", "{filler}\n^with love, {E.first}", "\n^your friend {E.first}"),
    RULE("letter.wish", " ^write soon.", " ^come and see us when you can.", " ^do not forget the {n1:thing}; {1.it} {1.is} still {at}.",
         " ^we miss you, and the {n1:folk} {1.does} too."),
    RULE("note", "^dear {A.first},\n{note.body}{filler}{note.body2}{letter.close}"),
    RULE("note.body", "^the {n1:thing} that you sent {1.has} arrived, and {1.it} {1.is} {state}.",
         "^I am {mood} today, for {weather}.", "^yesterday I was {at} and saw {B}, who sends you {food}.",
         "^you will not believe it, but the {n1:folk} {at} {1.is} {mood}."),
    RULE("note.body2", " ^please bring {count} {p2:thing} when you come.", " ^{C} says that {C.he} has never been so {mood}.",
         " ^if {place} is still closed, go by {place}.", " ^{C} asked whether the {n2:plant} {2.was} in flower. ^I said no."),
    RULE_END
};

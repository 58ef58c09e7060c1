/* world/genre_dialogue.c — two people talk: about others, and about nothing much. */
#include "world/grammar.h"

const qn_rule qn_rules_dialogue[] = {
    RULE("dialogue",
         "{D.first}: ^do you know {A}?\n{E.first}: {yes}{!again}{!tellall}\n{D.first}: {turn} ^and {B}?\n{E.first}: "
         "{yes}{!next}{!tellall}\n{D.first}: {dialogue.end}"),
    RULE("yes", "^of course.", "^very well.", "^a little.", "^who does not?",
         "4*^we met {at} {ago}, and the {n1:folk} {1.was} there.", "^I do, and the {n1:folk} {at} {1.does} too."),
    RULE("ago", "last year", "once", "before the {fair}", "by chance"),
    RULE("turn", "^I see.", "2*^that is what the {n1:folk} {at} {1:says}.", "^then the {n1:folk} {at} {1.was} right."),
    RULE("dialogue.end", "^thank you. ^my {n1:kin} met them both {at} {ago}.", "^I will tell the {n1:folk} {at}.",
         "^let us go to {place} before the {n1:folk} {1.is} {mood}.", "^and the {n1:folk} {at} never told me!"),
    RULE("chat", "{talk.1}\n{talk.2}\n{talk.3}", "{talk.1}\n{talk.2}\n{talk.2}\n{talk.3}"),
    RULE("talk.1",
         "{A.first}: ^where are you going with the {adj} {n1:thing}, {B.first}?\n{B.first}: ^to {place}. ^the "
         "{n2:folk} there {2:wants} {1.them}.",
         "{A.first}: ^what is that {at}, {B.first}?\n{B.first}: ^only {a}{adj} {s1:thing}. ^the {n2:folk} left it "
         "there.",
         "{A.first}: ^have you seen the {adj} {n1:thing}, {B.first}?\n{B.first}: ^no, and the {n2:folk} {at} {2.has} "
         "not seen {1.them} either.",
         "{A.first}: ^good {daypart}, {B.first}. ^you look {mood}.\n{B.first}: ^because I have been {at} since "
         "{daypart}."),
    RULE("talk.2",
         "{A.first}: ^do you know why the {n1:folk} {at} {1.is} so {mood}?\n{B.first}: ^because the {n2:building} "
         "{at} {2.was} {changed}.",
         "{A.first}: ^is {place} nearer than {place}?\n{B.first}: ^no, it is farther, but the {n1:folk} there {1.is} "
         "not so {mood}.",
         "{A.first}: ^did the {n2:folk} tell you that {weather} {at}?\n{B.first}: ^I do not believe everything that "
         "the {n2:folk} {2:says}.",
         "{A.first}: ^my {n1:kin} {1:wants} {count} {adj} {p2:thing}.\n{B.first}: ^then go to {place}, not to "
         "{place}.",
         "{A.first}: ^{C} told me that you have {a}{adj} {s1:thing}.\n{B.first}: ^{C.first} is wrong, it is {a}{adj} "
         "one."),
    RULE("talk.3",
         "{A.first}: ^let us eat some {food} {at} first.\n{B.first}: ^and then some {food}, for I am {mood}.",
         "{A.first}: ^so be it. ^until {daypart}, {at}.\n{B.first}: ^until {daypart}, {A.first}.",
         "{A.first}: ^bring {a}{adj} {s1:thing} when you come to {place}.\n{B.first}: ^I will, unless the {n2:folk} "
         "{2:wants} it.", "{A.first}: ^I am too {mood} for that.\n{B.first}: ^you were {mood} {at} as well."),
    RULE_END
};

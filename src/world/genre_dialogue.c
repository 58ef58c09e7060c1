/* world/genre_dialogue.c — two people talk. */
#include "world/grammar.h"

const qn_rule qn_rules_dialogue[] = {
    RULE("dialogue", "{D.first}: ^do you know {A}?\n{E.first}: {yes}{!again}{!tellall}\n{D.first}: {dialogue.turn} ^and {B}?\n"
         "{E.first}: {yes}{!next}{!tellall}\n{D.first}: {dialogue.end}"),
    RULE("yes", "^of course.", "^very well.", "^a little.", "^who does not?", "^yes, since last year.", "^we met {at}.",
         "^I do, and the {n1:folk} {at} {1.does} too."),
    RULE("dialogue.turn", "^I see.", "^I had no idea.", "^that is what the {n1:folk} {1:says}.", "^so it is true.",
         "^then the {n1:folk} {1.was} right."),
    RULE("dialogue.end", "^thank you, that is all.", "^now I know more than before.", "^I will tell the {n1:folk}.",
         "^you should write a book.", "^let us go to {place}."),
    RULE("chat", "{A.first}: {chat.open}\n{B.first}: {chat.answer}\n{A.first}: {chat.open2}\n{B.first}: {chat.answer2}\n{A.first}: {chat.close}"),
    RULE("chat.open", "^where are you going, {B.first}?", "^what is that {at}?", "^have you seen the {n1:thing}?",
         "^why is {C} so {mood} today?", "^is it true that {weather} when you left?"),
    RULE("chat.answer", "^to {place}, with {count} {p2:thing}.", "^nothing. ^only {a}{adj} {s2:thing}.",
         "^no, and the {n2:folk} {2.has} not seen {2.them} either.", "^I was told that {place} is closed.",
         "^I do not know, but the {n2:folk} {at} {2.does}."),
    RULE("chat.open2", "^then take me with you.", "^that is not what {C} said.", "^I thought the {n3:thing} {3.was} {at}.",
         "^it was [colder|warmer|better|worse] last year.", "^my {s3:kin} always says so."),
    RULE("chat.answer2", "^{C} says many things.", "^as you like. ^but bring some {food}.", "^you are wrong, the {n4:thing} {4.was} never there.",
         "^then ask {C} {C.himself}.", "^perhaps, but {opinion}."),
    RULE("chat.close", "^good. ^until {daypart}, then.", "^I am too {mood} for that.", "^let us eat some {food} first.",
         "^so be it.", "^you are right, as always."),
    RULE_END
};

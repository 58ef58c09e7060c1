/* world/genre_recipe.c — recipes. */
#include "world/grammar.h"

const qn_rule qn_rules_recipe[] = {
    RULE("recipe", "^{$1=dish}, as {A} makes it\n\n{recipe.take}{recipe.do}{recipe.do2}{recipe.wait}{recipe.end}"),
    RULE("dish", "{thick} {base} soup", "{thick} {base} pie", "{base} stew", "{base} bread", "{base} cake"),
    RULE("thick", "thick", "sweet", "plain", "golden", "hot", "cold"),
    RULE("base", "onion", "apple", "carrot", "pumpkin", "bean", "mushroom", "pear", "cabbage", "nut", "barley"),
    RULE("recipe.take", "^take {count} {part}, {count} spoons of {powder} and a cup of {wet}.",
         "^you need {count} {part}, some {powder} and no more than a cup of {wet}.",
         "^for {count} people, take {count} {part} and a little {powder}, but no {wet}."),
    RULE("part", "onions", "apples", "carrots", "eggs", "beans", "mushrooms", "pears", "nuts", "turnips"),
    RULE("powder", "flour", "salt", "sugar", "butter", "pepper", "oats"),
    RULE("wet", "milk", "water", "cream", "wine", "honey", "oil"),
    RULE("recipe.do", " ^wash and cut the {part}, and put them into a {adj} pot.", " ^stir the {powder} into the {wet} until it is smooth.",
         " ^first heat the {wet}, then add the {powder} spoon by spoon.", " ^do not cut the {part}; they are better whole."),
    RULE("recipe.do2", " ^cook it slowly for {count} minutes, and never let it boil.",
         " ^stir it, cover it, and leave it {at} until {daypart}.", " ^when it is {state}, add the rest.",
         " ^if it is too thick, add more {wet}; if it is too thin, wait."),
    RULE("recipe.wait", " ^{A} says that {A.he} never uses {powder} for it.", " ^while it cooks, tell the {n1:folk} that {1.it} {1.has} to wait.",
         " ^it is done when it smells like {food}.", ""),
    RULE("recipe.end", " ^serve the {$1} with {food}.", " ^eat it the same {daypart}.", " ^it keeps for {count} days {at}.",
         " ^the {n2:folk} who {2:tastes} it {2:wants} more."),
    RULE("tastes", "tastes/taste", "smells/smell", "tries/try"),
    RULE("wants", "wants/want", "asks for/ask for", "needs/need"),
    RULE_END
};

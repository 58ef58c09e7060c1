/* chat/chat_messages.h — inside of a conversation, for the renderer. */
#ifndef QN_CHAT_CHAT_MESSAGES_H
#define QN_CHAT_CHAT_MESSAGES_H

#include "chat/chat.h"
#include "chat/jinja_value.h"

struct qn_chat_messages {
    qn_jarena arena;
    qn_jv messages;         /* a list */
    qn_jv tools;            /* a list, or None */
    qn_jv extra;            /* dict: the other members of the object, variables of the template */
};

#endif

"""Messages as chat and chat as messages: requests, answers, streams. What is lost stands in docs/wire.md."""

from remit.models.wire.translate_answer import chat_answer, messages_answer
from remit.models.wire.translate_request import chat_request, messages_request
from remit.models.wire.translate_stream import ChatStream, MessagesStream

__all__ = ["ChatStream", "MessagesStream", "chat_answer", "chat_request", "messages_answer", "messages_request"]

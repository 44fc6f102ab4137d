"""Live: what happens, told to whoever watches, as server-sent events and over WebSocket, from one event log.

Promise: the events are ``missions.events``, numbered as the audit log is. Whoever comes back and says which one they
saw last is told every one after it, in order, none twice; from whichever process they ask. A slow reader is let go
with a last word and can come back the same way; nobody else waits for it.

    hub.py        one reader of the store for all streams of a process, who may still watch, how many may
    stream.py     one stream: what it missed, then what comes; bounded
    sse.py        as server-sent events        socket.py   as WebSocket
"""

"""Rules: what must hold for an action, as data. ``book`` is a compiled revision; ``guard.rules_check`` asks it.

``variables`` is what rules may read, ``document`` a rule file, ``revisions`` the rules of a workspace in the store,
``lint`` and ``cases`` judge a file before it is saved, ``shadow`` tries it on what was recorded, ``explain`` tells a
decision condition by condition.
"""

"""What was found out, and what people do again and again."""

from __future__ import annotations

from openviking.memory.rules.rule import DAY, PAST, WE, Rule, pattern

_FINE = (
    "i\\b|we\\b|you\\b|he\\b|she\\b|they\\b|"
    "fine|well|ok|okay|great|good|bad|nice|badly|nothing|to be (?:fine|nothing|ok|okay)"
)

PRACTICE: tuple[Rule, ...] = (
    Rule(
        "cause", "cases",
        pattern(rf"(?:the (?:problem|issue|bug)(?: here)? was that|the (?:root cause|cause|culprit|"
                 r"problem|issue|bug)(?: here)? turned out to be(?: that)?|the (?:root cause|cause|"
                 rf"culprit) was(?: that)?|(?:it )?turn(?:ed|s) out(?: that)?) (?!{_FINE})<v>|"
                 r"(?:problem|cause|root cause): (?P<w>.{4,160})"),
        "cause-{v}", "Cause found: {v}.",
        (("Turns out the DNS cache was stale.", "Cause found: the DNS cache was stale."),
         ("The culprit was a missing index", "Cause found: a missing index.")),
        is_long=True, is_bare=True,
    ),
    Rule(
        "fix", "cases",
        pattern(r"(?:the (?:fix|solution|trick|workaround) was (?:to )?|"
                r"what (?:helped|worked) was |"
                 rf"{WE} (?:fixed|solved|resolved) (?:it|this|that|the (?:problem|issue|bug)) by )"
                 r"(?!in\b|on\b|merged|released|deployed|ready|wrong|easy|simple)<v>|"
                 r"(?:fix|solution): (?P<w>.{4,160})"),
        "fix-{v}", "What solved it: {v}.",
        (("The fix was to raise the connection limit.",
          "What solved it: raise the connection limit."),
         ("We solved the problem by pinning numpy", "What solved it: pinning numpy.")),
        is_long=True, is_bare=True,
    ),
    Rule(
        "lesson", "cases",
        pattern(r"(?:the lesson (?:is|was)|lesson learned:?|i(?:'ve)? learned) that <v>|"
                 r"lesson: (?P<w>.{4,160})"),
        "lesson-{v}", "Lesson: {v}.",
        (("I learned that backups must be restored to count.",
          "Lesson: backups must be restored to count."),),
        is_long=True, is_bare=True,
    ),
    Rule(
        "habit", "patterns",
        pattern(rf"i (?P<v>(?:always|usually|typically|normally|generally) "
                rf"(?!{PAST})\w+ .{{2,100}})|"
                 rf"(?P<w>(?:every|each) (?:\w+ )?(?:{DAY}),? (?:i|we) (?!{PAST}).{{2,100}})|"
                 rf"(?P<x>on (?:{DAY})s,? (?:i|we) (?!{PAST}).{{2,100}})|"
                 rf"i (?!{PAST})(?P<y>\w+ .{{2,60}} every (?:\w+ )?(?:{DAY})(?: .{{2,40}})?)"),
        "habit-{v}", "The user's habit: {v}.",
        (("I usually deploy on Tuesdays.", "The user's habit: usually deploy on Tuesdays."),
         ("Every Monday, I review the budget",
          "The user's habit: Every Monday, I review the budget."),
         ("I go running every morning", "The user's habit: go running every morning.")),
        is_long=True,
    ),
    Rule(
        "whenever", "patterns",
        pattern(r"(?P<v>whenever (?!you\b|we need|i need).{4,80},? (?:i|we) (?!would\b).{3,100})"),
        "whenever-{v}", "The user's habit: {v}.",
        (("Whenever a release fails, we roll back first.",
          "The user's habit: Whenever a release fails, we roll back first."),),
        is_long=True,
    ),
)  # fmt: skip
"""What was found out, and what people do again and again."""

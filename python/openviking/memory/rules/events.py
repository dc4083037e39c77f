"""What was decided, is to be done, and is going to happen."""

from __future__ import annotations

from openviking.memory.rules.rule import DAY, VAGUE, WE, Rule, pattern

_WHEN = (
    rf"(?:on|at|by|before|until|in|next|this|tomorrow|today|tonight|every)\b(?=.*(?:\d|{DAY}|noon|"
    "midnight|today|tonight|tomorrow|january|february|march|april|may|june|july|august|september|"
    "october|november|december))"
)
_OCCASION = (
    "appointment|meeting|exam|flight|interview|deadline|presentation|demo|surgery|operation|"
    "wedding|party|birthday party|concert|train|trip|holiday|vacation|marathon|race|conference|"
    "talk|lesson|class|check-?up|release|launch|move"
)

EVENTS: tuple[Rule, ...] = (
    Rule(
        "decision", "events",
        pattern(rf"{WE}(?:'ve| have)?(?: all| now| finally| just)? (?:decided|agreed|resolved) "
                 r"(?:to|that we(?:'ll| will)?|that i(?:'ll| will)?) <v>|"
                 r"(?:decision|decided): (?:we |i )?(?:will |'ll )?<w>"),
        "decision-{v}", "Decided: {v}.",
        (("We decided to use Postgres for the billing service.",
          "Decided: use Postgres for the billing service."),
         ("Decision: ship on Friday", "Decided: ship on Friday.")),
        kind="decision", is_long=True, is_bare=True,
    ),
    Rule(
        "choice", "events",
        pattern(rf"(?:{WE}(?:'ll| will| are going to|'re going to)(?: just)? (?:go|stick) with |"
                 rf"{WE}(?:'ve| have)? (?:decided on|settled on|opted for|chose) |"
                 rf"let's (?:go|stick) with )(?!{VAGUE}|(?:the )?(?:first|second|third|last|former|"
                 r"latter|other|\w+ one)\b|option\b|yours\b|to\b)<v>"),
        "decision-use-{v}", "Decided: use {v}.",
        (("Let's go with SQLite.", "Decided: use SQLite."),
         ("we settled on the blue tiles", "Decided: use the blue tiles.")),
        kind="decision", is_long=True,
    ),
    Rule(
        "decision reversed", "events",
        pattern(rf"{WE}(?:'ve| have)? decided not to <v>|"
                 rf"{WE}(?:'re| are|'m| am) not going to <w>(?: after all| any ?more)"),
        "decision-{v}", "Decided against it: {v}.",
        (("We decided not to use Postgres for the billing service.",
          "Decided against it: use Postgres for the billing service."),),
        kind="decision", is_end=True, is_long=True,
    ),
    Rule(
        "choice reversed", "events",
        pattern(rf"{WE}(?:'ve| have)? decided against (?:using )?<v>|"
                 rf"{WE}(?:'re| are|'m| am) not going with <w>(?: after all| any ?more)?"),
        "decision-use-{v}", "Decided against {v}.",
        (("We decided against SQLite.", "Decided against SQLite."),),
        kind="decision", is_end=True, is_long=True,
    ),
    Rule(
        "task", "events",
        pattern(r"(?:remind me|don't let me forget|i mustn't forget|i must not forget) "
                 r"(?:to|about) (?P<v>.{2,120})|(?:to-?do|task|reminder): (?P<w>.{2,120})"),
        "task-{v}", "Open task: {v}.",
        (("Remind me to renew my passport.", "Open task: renew my passport."),
         ("TODO: rotate the staging keys", "Open task: rotate the staging keys.")),
        kind="task", is_long=True, is_bare=True,
    ),
    Rule(
        "duty", "events",
        pattern(rf"{WE} (?:still )?(?:need to|have to|must) "
                 r"(?!know\b|understand\b|ask\b|find out\b|say\b|think\b|be\b|admit\b|get used)"
                 rf"(?P<v>.{{2,80}}? {_WHEN}.{{2,40}})"),
        "task-{v}", "Open task: {v}.",
        (("I need to file my taxes by Friday.", "Open task: file my taxes by Friday."),),
        kind="task", is_long=True,
    ),
    Rule(
        "task done", "events",
        pattern(rf"{WE}(?:'ve| have)?(?: already| just| finally)? "
                 r"(?:done|finished|completed|taken care of)(?: with)? (?P<v>.{2,120})|"
                 r"(?P<w>.{2,120}) is (?:done|finished|completed)(?: now)?|done: (?P<x>.{2,120})"),
        "task-{v}", "Done: {v}.",
        (("Rotate the staging keys is done.", "Done: Rotate the staging keys."),
         ("Done: rotate the staging keys", "Done: rotate the staging keys.")),
        kind="task", is_end=True, is_long=True, is_bare=True,
    ),
    Rule(
        "appointment", "events",
        pattern(r"(?:i have|i've got|i have got|we have|we've got) "
                 rf"(?P<v>(?:an?|my|the|our) (?:[\w'-]+ ){{0,3}}(?:{_OCCASION}) "
                 rf"(?:with .{{2,30}} )?{_WHEN}.{{2,60}})|"
                 rf"(?:my|our) (?P<w>(?:[\w'-]+ ){{0,2}}(?:{_OCCASION})(?: to [\w ]{{2,30}}?)? "
                 rf"(?:is|starts|leaves|departs) {_WHEN}.{{2,60}})"),
        "event-{v}", "The user's date: {v}.",
        (("I have a dentist appointment on Tuesday at 9.",
          "The user's date: a dentist appointment on Tuesday at 9."),
         ("My flight leaves on 3 June at noon",
          "The user's date: flight leaves on 3 June at noon.")),
        is_long=True,
    ),
)  # fmt: skip
"""What was decided, is to be done, and is going to happen."""
